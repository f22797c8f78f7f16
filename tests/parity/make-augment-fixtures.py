"""Makes augment.json: what Pillow 13, timm 1.0.31 and torchvision make of fixed images and fixed draws.

Every random source that timm uses is replaced by one scripted stream (Park and Miller's generator), so that both sides
see the same draws. Needs Pillow, NumPy and timm. Run it here; it is not needed to run the tests.
"""

import hashlib
import json
import math
import pathlib
import random

import numpy as np
import timm.data.auto_augment as aa
import timm.data.random_erasing as random_erasing
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from timm.data.transforms import RandomResizedCropAndInterpolation

HERE = pathlib.Path(__file__).parent


class Script:
    """The stream of draws; the test has the same one."""

    def __init__(self, seed):
        self.state = seed * 7919 + 1

    def uniform(self):
        self.state = self.state * 16807 % 2147483647
        return self.state / 2147483647

    def integer(self, count):
        return math.floor(self.uniform() * count)

    def normal(self):
        return (self.uniform() - 0.5) * 4


script = Script(0)
random.random = lambda: script.uniform()
random.uniform = lambda low, high: low + (high - low) * script.uniform()
random.randint = lambda low, high: low + script.integer(high - low + 1)
random.gauss = lambda mean, deviation: mean + deviation * script.normal()
random.choice = lambda values: values[script.integer(len(values))]


def choose(values, count, replace=True, p=None):
    if p is None:
        return [values[script.integer(len(values))] for _ in range(count)]
    left, picked = list(p), []
    for _ in range(count):
        rest, chosen = script.uniform() * sum(left), None
        for index, weight in enumerate(left):
            rest -= weight
            if weight > 0 and rest < 0:
                chosen = index
                break
        picked.append(values[chosen])
        left[chosen] = 0
    return picked


np.random.choice = choose


def noise(width, height, seed):
    stream = Script(seed)
    return Image.fromarray(np.array([math.floor(stream.uniform() * 256) for _ in range(width * height * 3)], np.uint8).reshape(height, width, 3))


SCENE = Image.open(HERE.parent / "fixtures" / "images" / "rgb.png").convert("RGB")
IMAGES = {"scene": SCENE, "noise": noise(33, 21, 5), "plain": Image.new("RGB", (12, 9), (10, 200, 77)), "dot": noise(1, 1, 2)}
FILL = (124, 116, 104)
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def resized(image, size, kind):
    """Across, then down, as every Pillow did that DeiT was trained with; Pillow 13 picks the order."""
    return image.resize((size[0], image.height), kind).resize(size, kind)


def digest(image):
    return hashlib.sha256(np.asarray(image.convert("RGB")).tobytes()).hexdigest()[:16]


def resizes():
    for name, image in IMAGES.items():
        for filter_name, kind in FILTERS.items():
            for width, height in ((64, 64), (7, 5), (224, 3), (image.width, 9), (20, image.height), (100, 11)):
                yield {"image": name, "filter": filter_name, "size": [width, height], "digest": digest(resized(image, (width, height), kind))}


def posterized(image, bits):
    return image.point(lambda value: value & ~(2 ** (8 - bits) - 1))


def affine(image, matrix, kind):
    return image.transform(image.size, Image.AFFINE, matrix, resample=kind, fillcolor=FILL)


OPERATIONS = {
    "autoContrast": ([0], lambda image, amount, kind: ImageOps.autocontrast(image)),
    "equalize": ([0], lambda image, amount, kind: ImageOps.equalize(image)),
    "invert": ([0], lambda image, amount, kind: ImageOps.invert(image)),
    "posterize": ([0, 1, 3, 4, 7], lambda image, amount, kind: posterized(image, amount)),
    "solarize": ([0, 26, 128, 256], lambda image, amount, kind: ImageOps.solarize(image, amount)),
    "solarizeAdd": ([0, 33, 99], lambda image, amount, kind: aa.solarize_add(image, amount)),
    "color": ([0, 0.19, 0.73, 1, 1.81], lambda image, amount, kind: ImageEnhance.Color(image).enhance(amount)),
    "contrast": ([0.1, 0.19, 0.9, 1.3, 1.9], lambda image, amount, kind: ImageEnhance.Contrast(image).enhance(amount)),
    "brightness": ([0.1, 0.19, 0.9, 1.3, 1.9], lambda image, amount, kind: ImageEnhance.Brightness(image).enhance(amount)),
    "sharpness": ([0.1, 0.19, 0.9, 1.3, 1.9], lambda image, amount, kind: ImageEnhance.Sharpness(image).enhance(amount)),
    "rotate": ([27, -27.3, 0, 180.5, 3.0000001], lambda image, amount, kind: image.rotate(amount, resample=kind, fillcolor=FILL)),
    "shearX": ([0.27, -0.3, 0], lambda image, amount, kind: affine(image, (1, amount, 0, 0, 1, 0), kind)),
    "shearY": ([0.27, -0.3], lambda image, amount, kind: affine(image, (1, 0, 0, amount, 1, 0), kind)),
    "translateX": ([3.7, -16.2, 100], lambda image, amount, kind: affine(image, (1, 0, amount, 0, 1, 0), kind)),
    "translateY": ([3.7, -8.25], lambda image, amount, kind: affine(image, (1, 0, 0, 0, 1, amount), kind)),
    "blur": ([0.1, 0.5, 1, 1.37, 2, 5.5], lambda image, amount, kind: image.filter(ImageFilter.GaussianBlur(amount))),
}
RESAMPLED = ("rotate", "shearX", "shearY", "translateX", "translateY")


def operations():
    for image_name, image in IMAGES.items():
        for name, (amounts, operation) in OPERATIONS.items():
            for amount in amounts:
                for filter_name, kind in FILTERS.items() if name in RESAMPLED else [("bicubic", None)]:
                    yield {"image": image_name, "name": name, "amount": amount, "filter": filter_name, "digest": digest(operation(image, amount, kind))}


def crops():
    global script
    for width, height in ((500, 375), (64, 64), (40, 30), (100, 20), (20, 100), (2000, 3), (3, 2000), (5, 4)):
        for seed in range(12):
            script = Script(seed)
            least = (0.08, 0.5, 0.9)[seed % 3]
            top, left, h, w = RandomResizedCropAndInterpolation.get_params(Image.new("RGB", (width, height)), (least, 1.0), (3 / 4, 4 / 3))
            yield {"image": [width, height], "seed": seed, "scaleMin": least, "crop": [left, top, w, h]}


TEXTS = [
    "rand-m9-mstd0.5-inc1",
    "rand-m9-mstd0.5",
    "rand",
    "rand-m7-n4-p0.9-inc1",
    "rand-m15-mmax20-mstd101-inc1",
    "rand-m6-n3-tweights",
    "rand-m9-n2-t3aw-p1",
    "rand-m5-n1-t3a-p1",
    "original-mstd0.5",
    "originalr",
    "v0",
    "v0r-mstd1",
    "3a",
]


def posterize_safely(image, bits):
    """Pillow 13 refuses the 0 bits that timm asks for at full magnitude; older ones gave black."""
    return image if bits >= 8 else posterized(image, bits)


for key, function in list(aa.NAME_TO_OP.items()):
    if function is aa.posterize:
        aa.NAME_TO_OP[key] = lambda image, bits, **_: posterize_safely(image, bits)


def policies():
    global script
    settings = dict(translate_const=100, img_mean=FILL, interpolation=Image.BICUBIC)
    for text in TEXTS:
        make = aa.rand_augment_transform if text.startswith("rand") else aa.auto_augment_transform
        transform = make(text, dict(settings))
        if hasattr(transform, "policy"):
            transform_call = lambda image: apply_pair(transform.policy, image)
        else:
            transform_call = transform
        for seed in range(25):
            script = Script(seed)
            yield {"text": text, "seed": seed, "digest": digest(transform_call(SCENE))}


def apply_pair(policy, image):
    for operation in policy[script.integer(len(policy))]:
        image = operation(image)
    return image


def evaluations():
    for width, height in ((500, 375), (375, 500), (64, 64), (40, 30), (301, 77), (77, 301)):
        for size, ratio in ((224, 0.875), (64, 0.875), (99, 0.9), (128, 1.0)):
            image = noise(width, height, width)
            shorter = int(size / ratio)
            if width <= height:
                target = (shorter, int(shorter * height / width))
            else:
                target = (int(shorter * width / height), shorter)
            image = resized(image, target, Image.BICUBIC)
            left, top = int((image.width - size + 1) * 0.5), int((image.height - size + 1) * 0.5)
            yield {"image": [width, height], "inputSize": size, "cropRatio": ratio, "digest": digest(image.crop((left, top, left + size, top + size)))}


def erasures():
    global script
    boxes = []

    class Image:
        def __setitem__(self, place, _):
            _, rows, columns = place
            boxes.append([columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start])

    random_erasing._get_pixels = lambda *_, **__: None
    for count in (1, 3):
        for seed in range(30):
            script = Script(seed)
            boxes.clear()
            eraser = random_erasing.RandomErasing(probability=0.6, mode="pixel", max_count=count, device="cpu")
            eraser._erase(Image(), 3, 64, 96, None)
            yield {"seed": seed, "recount": count, "boxes": list(boxes)}


def main():
    parts = [resizes, operations, crops, policies, evaluations, erasures]
    text = ",\n".join(f'"{part.__name__}": [\n' + ",\n".join(json.dumps(case) for case in part()) + "\n]" for part in parts)
    (HERE / "augment.json").write_text("{\n" + text + "\n}\n")


main()
