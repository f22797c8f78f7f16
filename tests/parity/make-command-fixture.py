"""Writes what DeiT's evaluation commands print, from timm, torch and torchvision themselves.

    pip install torch timm torchvision
    python tests/parity/make-command-fixture.py

Deterministic: weights and images are regenerated on both sides (make-fixtures.py and its twin
tests/helpers/generated.ts). It was made with torch 2.15, torchvision 0.29.2, Pillow 13.0 and timm 1.0.31. Images are
prepared as DeiT's datasets.py has it, and scored as its engine.py does.

commands.json    for each network Acc@1, Acc@5 and loss on images of WIDTHS, and the classes of these
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.utils import accuracy
from torchvision import transforms

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("fixtures", HERE / "make-fixtures.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

CLASSES = 6
# Margins of the crop are even at these widths: DeiT's torchvision 0.8.1 and the newest cut alike.
WIDTHS, HEIGHT = [93, 100, 107, 114, 121, 128, 148, 176], 90
CASES = [
    ("deit_tiny_patch16_224", 224),
    ("deit_tiny_distilled_patch16_224", 384),
]
HEADS = ("head", "head_dist")
GAIN = 8


def image(index):
    """Noise on a slope, brighter from image to image."""
    width, height = WIDTHS[index], HEIGHT
    bits = fixtures.hashed(f"command.{index}", np.arange(width * height * 3, dtype=np.uint32))
    pixels = ((bits >> 26) + np.arange(width * height * 3) // (140 + 60 * index) + 20 * index) & 255
    return Image.fromarray(pixels.astype(np.uint8).reshape(height, width, 3))


def prepared(size):
    steps = [
        transforms.Resize(int(size / 0.875), interpolation=3),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
    ]
    return torch.stack([transforms.Compose(steps)(image(index)) for index in range(len(WIDTHS))])


def network(name, size):
    """Its heads see what differs between images: weights times GAIN, biases that take the mean of the images away."""
    model = timm.create_model(name, num_classes=CLASSES, img_size=size).eval()
    values = {key: fixtures.parameter(key, list(value.shape)) for key, value in model.state_dict().items()}
    model.load_state_dict({key: torch.as_tensor(np.asarray(value)) for key, value in values.items()})
    heads = [getattr(model, head) for head in HEADS if hasattr(model, head)]
    inputs = []
    hooks = [head.register_forward_pre_hook(lambda _, given: inputs.append(given[0])) for head in heads]
    images = prepared(size)
    model(images)
    for hook in hooks:
        hook.remove()
    for head, given in zip(heads, inputs):
        head.weight *= GAIN
        head.bias[:] = torch.round(-(given @ head.weight.T).mean(0) * 1000) / 1000
    biases = {f"{name}.bias": head.bias.tolist() for name, head in zip(HEADS, heads)}
    return model(images), {key: [round(value, 3) for value in bias] for key, bias in biases.items()}


cases, labels = [], None
for name, size in CASES:
    with torch.no_grad():
        logits, biases = network(name, size)
    # Every class has an image; the last images are of the classes that the first network takes them for.
    labels = torch.tensor([*range(CLASSES), *logits.argmax(1)[CLASSES:].tolist()]) if labels is None else labels
    acc1, acc5 = (score.item() for score in accuracy(logits, labels, topk=(1, 5)))
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    cases.append({"model": name, "inputSize": size, "acc1": acc1, "acc5": acc5, "loss": loss, "biases": biases})
    print(name, logits.argmax(1).tolist(), logits.std().item(), acc1, acc5, loss)
rows = ",\n".join("    " + json.dumps(case) for case in cases)
text = f'{{\n  "gain": {GAIN},\n  "widths": {WIDTHS},\n  "labels": {labels.tolist()},\n  "cases": [\n{rows}\n  ]\n}}\n'
(HERE / "commands.json").write_text(text)
