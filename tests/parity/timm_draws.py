"""What timm, torchvision and Mixup draw, many times over.

`python timm_draws.py raw COUNT FILE` writes every draw as JSON, for the bench. `python timm_draws.py fixture` writes
draws.json: for numbers the edges of bins that timm fills alike, for choices their shares; and index lists of samplers.
Needs timm, torch and torchvision. The tests read draws.json alone.
"""

import collections
import json
import math
import pathlib
import random
import sys

import numpy as np
import timm.data.auto_augment as aa
import timm.data.mixup as mixup
import timm.data.random_erasing as random_erasing
import torch
from PIL import Image
from timm.data.distributed_sampler import RepeatAugSampler
from timm.data.transforms import RandomResizedCropAndInterpolation
from torch.utils.data.distributed import DistributedSampler
from torchvision.transforms import ColorJitter

HERE = pathlib.Path(__file__).parent
SIDE = 224
OUR_NAMES = dict(
    AutoContrast="autoContrast", Equalize="equalize", Invert="invert", Rotate="rotate", Solarize="solarize",
    SolarizeIncreasing="solarize", SolarizeAdd="solarizeAdd", Posterize="posterize", PosterizeOriginal="posterize",
    PosterizeIncreasing="posterize", Color="color", ColorIncreasing="color", Contrast="contrast",
    ContrastIncreasing="contrast", Brightness="brightness", BrightnessIncreasing="brightness", Sharpness="sharpness",
    SharpnessIncreasing="sharpness", ShearX="shearX", ShearY="shearY", TranslateXRel="translateX", TranslateYRel="translateY",
)  # fmt: skip


def crops(count, note):
    for label, size in (("", (500, 375)), (" of a strip", (100, 20))):
        image = Image.new("RGB", size)
        for _ in range(count):
            top, left, h, w = RandomResizedCropAndInterpolation.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
            note(f"crop area{label}", w * h / (size[0] * size[1]))
            note(f"crop aspect{label}", math.log(w / h))
            note(f"crop left{label}", left)
            note(f"crop top{label}", top)


def policies(count, note):
    for text in ("rand-m9-mstd0.5-inc1", "rand-m7-n3-p0.7", "original-mstd0.5", "v0"):
        make = aa.rand_augment_transform if text.startswith("rand") else aa.auto_augment_transform
        transform = make(text, dict(translate_const=100, img_mean=(124, 116, 104)))
        drawn = []
        groups = [transform.ops] if text.startswith("rand") else transform.policy
        for operation in (one for group in groups for one in group):
            record(operation, drawn)
        image = Image.new("RGB", (2, 2))
        for _ in range(count):
            drawn.clear()
            transform(image)
            note(f"{text} operations", " ".join(name for name, _ in drawn) or "none")
            for name, amount in drawn:
                if amount is not None:
                    note(f"{text} {name}", amount)


def record(operation, drawn):
    name = OUR_NAMES[operation.name]
    scale = SIDE if name.startswith("translate") else 1
    operation.aug_fn = lambda image, *args, **_: drawn.append((name, float(args[0]) * scale if args else None)) or image


def erasures(count, note):
    class Image:
        def __setitem__(self, place, _):
            _, rows, columns = place
            boxes.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))

    random_erasing._get_pixels = lambda *_, **__: None
    eraser = random_erasing.RandomErasing(probability=0.25, mode="pixel", max_count=3, device="cpu")
    for _ in range(count):
        boxes = []
        eraser._erase(Image(), 3, SIDE, SIDE, None)
        note("erased boxes", str(len(boxes)))
        for left, top, w, h in boxes:
            note("erased area", w * h / SIDE**2)
            note("erased aspect", math.log(w / h))
            note("erased left", left)
            note("erased top", top)


def mixes(count, note):
    kinds = {
        "mixup": dict(mixup_alpha=0.8),
        "cutmix": dict(mixup_alpha=0.0, cutmix_alpha=1.0),
        "both": dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.9, switch_prob=0.3),
        "minmax": dict(mixup_alpha=0.0, cutmix_minmax=(0.2, 0.8)),
    }
    for name, settings in kinds.items():
        for mode in ("batch", "pair", "elem"):
            one = mixup.Mixup(mode=mode, **settings)
            if mode == "batch":
                drawn = (one._params_per_batch() for _ in range(count))
            else:
                drawn = zip(*one._params_per_elem(count))
            for share, cuts in drawn:
                note_mix(f"{name} {mode}", float(share), cuts and share != 1, one.cutmix_minmax, note)


def note_mix(label, share, cuts, minmax, note):
    note(f"{label} kind", "alone" if share == 1 else "cut" if cuts else "blended")
    if cuts:
        (top, bottom, left, right), share = mixup.cutmix_bbox_and_lam((3, SIDE, SIDE), share, ratio_minmax=minmax)
        note(f"{label} box left", int(left))
        note(f"{label} box height", int(bottom - top))
    if share != 1:
        note(f"{label} share{' of a box' if cuts else ''}", float(share))


def three(count, note):
    """DeiT's augment.py: RandomChoice of gray_scale, Solarization and GaussianBlur, then ColorJitter."""
    names = ["brightness", "contrast", "color"]
    for _ in range(count):
        choice = random.choice(["color", "solarize", "blur"])
        note("three choice", choice)
        if choice == "blur":
            note("three blur", random.uniform(0.1, 2.0))
        order, *factors, _ = ColorJitter.get_params((0.7, 1.3), (0.7, 1.3), (0.7, 1.3), None)
        note("three jitter order", " ".join(names[index] for index in order.tolist() if index < 3))
        note("three jitter brightness", float(factors[0]))


def flips(count, note):
    for value in torch.rand(count).tolist():
        note("flip", str(value < 0.5).lower())


PARTS = [crops, flips, policies, erasures, mixes, three]


def draw(count):
    drawn = collections.defaultdict(list)
    for part in PARTS:
        part(count, lambda name, value: drawn[name].append(value))
    return drawn


BINS = 24


def binned(values):
    """Shares of choices; for numbers the shares below, and at, edges that part them about alike."""
    if isinstance(values[0], str):
        return {"shares": {name: count / len(values) for name, count in sorted(collections.Counter(values).items())}}
    ordered = np.sort(np.asarray(values, float))
    edges = np.unique(np.round(ordered[[len(ordered) * step // BINS for step in range(1, BINS)]], 6))
    below = np.searchsorted(ordered, edges, "left") / len(ordered)
    return {"edges": edges.tolist(), "below": [round(float(share), 6) for share in below]}


class Sized:
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def samplers():
    """Index lists without shuffling: ours are compared after their own shuffling is undone."""
    for count in (7, 100, 256, 300, 1000):
        for world in (1, 2, 3, 4, 8):
            for rank in sorted({0, 1 % world, world - 1}):
                plain = list(DistributedSampler(Sized(count), world, rank, shuffle=False))
                repeated = list(RepeatAugSampler(Sized(count), world, rank, shuffle=False))
                for repeats, indices in ((1, plain), (3, repeated)):
                    edge = indices[:8] + indices[-8:]
                    yield {"count": count, "world": world, "rank": rank, "repeats": repeats, "length": len(indices), "edge": edge, "sum": sum(indices)}  # fmt: skip


def seed():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def main():
    seed()
    if sys.argv[1] == "raw":
        pathlib.Path(sys.argv[3]).write_text(json.dumps(draw(int(sys.argv[2]))))
        return
    parts = {name: binned(values) for name, values in draw(100_000).items() if len(values) > 5000}
    # A choice of three operations of fifteen has thousands of values: too many for a small sample.
    few = {name: part for name, part in parts.items() if len(part.get("shares", ())) < 100 or "m9" in name}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in few.items())
    lists = ",\n".join(json.dumps(case) for case in samplers())
    (HERE / "draws.json").write_text('{"draws": {\n' + lines + '\n},\n"samplers": [\n' + lists + "\n]}\n")


main()
