"""Writes the fixtures that the parity tests compare with, from timm itself.

    pip install torch timm
    python tests/parity/make-fixtures.py

Deterministic: weights, pictures and noise are not stored but regenerated on both sides from a counter-based hash (its
twin is tests/helpers/generated.ts), and everything is computed in float64. Run it after changing CASES or after adding
a preset to src-main/model/zoo.ts; commit the two .jsonl files it writes. They were made with timm 1.0.31.

architectures.jsonl  for every model: parameters, and a hash of the names and shapes of its state dict, in order
cases.jsonl          logits; for training cases also gradients as norm, largest magnitude and a few entries, and
                    the norms of the new running statistics
"""

import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import timm
import torch

HERE = Path(__file__).parent
CLASSES = 10
SAMPLES = 2

SIZES = (224, 384)
MODELS = [
    *(f"deit_{size}{kind}_patch16_224" for kind in ("", "_distilled") for size in ("tiny", "small", "base")),
    *(f"deit_base{kind}_patch16_384" for kind in ("", "_distilled")),
    *(f"deit3_{size}_patch16_{side}" for size in ("small", "base", "large") for side in SIZES),
    "deit3_medium_patch16_224",
    "deit3_huge_patch14_224",
    *(f"vit_{size}_patch16_{side}" for size in ("tiny", "small", "base", "large") for side in SIZES),
    *(f"{prefix}efficientnet_{kind}{n}" for prefix in ("", "tf_") for kind in ("lite", "b") for n in range(5)),
    *(
        f"regnet{kind}_{flops}"
        for kind in "xy"
        for flops in ("002", "004", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320")
    ),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
]

# Model, input size, batch, and for training cases the rate of stochastic depth (0: no noise is given).
CASES = [
    ("deit_tiny_distilled_patch16_224", 224, 1, None),
    ("deit_small_patch16_224", 64, 2, None),
    ("deit3_small_patch16_224", 64, 2, None),
    ("vit_tiny_patch16_384", 64, 2, None),
    ("tf_efficientnet_lite0", 96, 2, None),
    ("tf_efficientnet_lite0", 75, 2, None),
    ("tf_efficientnet_lite2", 64, 2, None),
    ("efficientnet_lite0", 64, 2, None),
    ("efficientnet_b0", 64, 2, None),
    ("tf_efficientnet_b1", 64, 2, None),
    ("regnetx_002", 64, 2, None),
    ("regnety_002", 64, 2, None),
    ("regnety_160", 64, 2, None),
    ("resnet18", 64, 2, None),
    ("resnet50", 64, 2, None),
    ("deit_tiny_distilled_patch16_224", 64, 4, 0.4),
    ("deit3_small_patch16_224", 32, 2, 0.4),
    ("tf_efficientnet_lite0", 64, 2, 0),
    ("efficientnet_lite0", 64, 2, 0.4),
    ("efficientnet_b0", 64, 2, 0.4),
    ("regnety_002", 64, 2, 0.4),
    ("resnet18", 64, 3, 0.4),
]


# The generator. Change it only together with tests/helpers/generated.ts.


def hashed(name, indices):
    """32 bits for each index: FNV-1a of the name, stepped by the golden ratio, mixed as in MurmurHash3."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    x = np.uint32(seed) + indices.astype(np.uint32) * np.uint32(0x9E3779B9)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def uniform(name, shape):
    """Multiples of 2^-24 in [0, 1)."""
    count = math.prod(shape)
    return (hashed(name, np.arange(count)) >> np.uint32(8)).astype(np.float64).reshape(shape) / 2**24


def signed(name, shape, bound):
    """Within ±bound, rounded to float32."""
    return torch.from_numpy(((2 * uniform(name, shape) - 1) * bound).astype(np.float32)).double()


def parameter(name, shape):
    """A value by the role that name and shape tell.

    Most units of a ReLU are to be active and none near its bend, where float32 and float64 would part ways: batch
    norms shift by about 1. Kernels keep activations from vanishing, and gates from saturating.
    """
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith(("running_var", ".gamma")):
        return signed(name, shape, 0.5) + 1
    if name in ("cls_token", "dist_token", "pos_embed"):
        return signed(name, shape, 0.5)
    if len(shape) > 1:
        gain = 1.5 if len(shape) == 4 and ".se." not in name else 1
        return signed(name, shape, math.sqrt(3 * gain / math.prod(shape[1:])))
    if name.endswith(".weight"):
        return signed(name, shape, 0.25) + 1
    shift = 1 if re.search(r"bn\d?\.bias$|downsample\.1\.bias$", name) else 0
    return signed(name, shape, 0.125) + shift


# The reference.


class GivenDrop(torch.nn.Module):
    """Stochastic depth from given uniform numbers."""

    def __init__(self, rate, uniforms):
        super().__init__()
        self.keep, self.uniforms = 1 - rate, uniforms

    def forward(self, x):
        mask = torch.floor(self.keep + self.uniforms) / self.keep
        return x * mask.reshape(-1, *[1] * (x.ndim - 1))


def drop_slots(model):
    """Where stochastic depth sits, as (module, attribute), one for each row of the noise."""
    slots = []
    for module in model.modules():
        slots += [(module, name) for name in ("drop_path", "drop_path1", "drop_path2") if hasattr(module, name)]
    return slots


def give_noise(model, batch):
    slots = drop_slots(model)
    noise = torch.from_numpy(uniform("noise", (len(slots), batch)))
    for (module, name), row in zip(slots, noise):
        old = getattr(module, name)
        if isinstance(old, timm.layers.DropPath):
            setattr(module, name, GivenDrop(old.drop_prob, row))


def build(name, size, rate):
    transformer = name.startswith(("deit", "vit"))
    extra = {"img_size": size} if transformer else {}
    model = timm.create_model(name, num_classes=CLASSES, drop_path_rate=rate, **extra)
    state = model.state_dict()
    model.load_state_dict({key: parameter(key, tuple(value.shape)) for key, value in state.items()})
    return model.double()


def heads_of(model, images):
    features = model.forward_features(images)
    if not hasattr(model, "head_dist"):
        return [model.forward_head(features)]
    return [model.head(features[:, 0]), model.head_dist(features[:, 1])]


def rounded(values, digits=6):
    return [float(f"{value:.{digits}g}") for value in values]


def summary(name, tensor):
    flat = tensor.detach().double().flatten()
    at = torch.from_numpy((hashed(f"{name}.sample", np.arange(SAMPLES)) % flat.numel()).astype(np.int64))
    return rounded([flat.norm(), flat.abs().max(), *flat[at]], 5)


def make_case(name, size, batch, rate):
    model = build(name, size, rate or 0.0)
    # Noise alone would look the same to every network after pooling: each picture has a colour.
    images = signed("images", (batch, size, size, 3), 2) + signed("colours", (batch, 1, 1, 3), 2)
    images = images.float().double().permute(0, 3, 1, 2)
    case = {"model": name, "inputSize": size, "batch": batch, "classes": CLASSES, "dropPath": rate}
    if rate is None:
        with torch.no_grad():
            heads = heads_of(model.eval(), images)
    else:
        model.train()
        if rate > 0:
            give_noise(model, batch)
        heads = heads_of(model, images)
        loss = sum((signed(f"loss.{i}", tuple(head.shape), 1) * head).sum() for i, head in enumerate(heads))
        loss.backward()
        case["loss"] = float(f"{loss.item():.6g}")
        case["gradients"] = {key: summary(key, value.grad) for key, value in model.named_parameters()}
        case["buffers"] = {key: summary(key, value)[:1] for key, value in model.named_buffers()}
    case["heads"] = [rounded(head.flatten()) for head in heads]
    return case


def architecture(name):
    with torch.device("meta"):
        model = timm.create_model(name)
    lines = [f"{key} {'x'.join(map(str, value.shape))}\n" for key, value in model.state_dict().items()]
    return {
        "model": name,
        "parameters": sum(value.numel() for value in model.parameters()),
        "entries": len(lines),
        "hash": hashlib.sha256("".join(lines).encode()).hexdigest()[:16],
    }


def write(name, rows):
    """One row a line, so that a change shows as one."""
    (HERE / name).write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


if __name__ == "__main__":
    write("architectures.jsonl", [architecture(name) for name in MODELS])
    write("cases.jsonl", [make_case(*case) for case in CASES])
