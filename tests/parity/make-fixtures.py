"""Writes the fixtures that the parity tests compare with, from timm itself.

    pip install torch timm
    python tests/parity/make-fixtures.py

Deterministic: weights, images and noise are not stored but regenerated on both sides from a counter-based hash (its
twin is tests/helpers/generated.ts), and everything is computed in float64. Run it after changing CASES or after adding
a preset to src-main/model/zoo.ts; commit the two .jsonl files it writes. They were made with timm 1.0.31.

architectures.jsonl  for every model: parameters, multiply-adds at its own input size, and a hash of the names and
                    shapes of its state dict, in order
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
from torch.utils.flop_counter import FlopCounterMode

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

# Model, input size, batch, for training cases the rate of stochastic depth (0: no noise is given), and options:
# inputWidth where the image is not square, drop (dropout), deit3Style, weightsSize (positions are of that size, and
# resized as DeiT's main.py does).
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
    ("deit_tiny_distilled_patch16_224", 48, 2, None, {"inputWidth": 80}),
    ("deit3_small_patch16_224", 32, 2, None, {"inputWidth": 64}),
    ("deit_tiny_distilled_patch16_224", 32, 2, 0.4, {"drop": 0.3}),
    ("deit_tiny_patch16_224", 32, 2, 0, {"drop": 0.1}),
    ("deit3_small_patch16_224", 32, 2, 0.4, {"drop": 0.3, "deit3Style": "authors"}),
    ("efficientnet_b0", 64, 2, 0, {"drop": 0.3}),
    ("regnety_002", 64, 2, 0.2, {"drop": 0.3}),
    ("resnet18", 64, 3, 0, {"drop": 0.3}),
    ("deit_tiny_distilled_patch16_224", 384, 1, None, {"weightsSize": 224}),
    ("deit_tiny_patch16_224", 384, 1, None, {"weightsSize": 224}),
    ("deit3_small_patch16_224", 384, 1, None, {"weightsSize": 224}),
    ("deit_tiny_distilled_patch16_224", 160, 1, None, {"weightsSize": 224}),
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


def give_noise(model, rows, constant_rate):
    """Stochastic depth from the rows; DeiT III's own code has one rate in every block."""
    for (module, name), row in zip(drop_slots(model), torch.from_numpy(rows)):
        old = getattr(module, name)
        if constant_rate:
            setattr(module, name, GivenDrop(constant_rate, row))
        elif isinstance(old, timm.layers.DropPath):
            setattr(module, name, GivenDrop(old.drop_prob, row))


LEVELS = 1 << 24


def philox(counter, key):
    """Philox4x32-10 of counters [4, n] and keys [2], as TensorFlow's random ops use it."""
    low32 = np.uint64(0xFFFFFFFF)
    c = [np.asarray(word, np.uint64) for word in counter]
    k = [np.uint64(word) for word in key]
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        c = [high1 ^ c[1] ^ k[0], p1 & low32, high0 ^ c[3] ^ k[1], p0 & low32]
        k = [(k[0] + np.uint64(0x9E3779B9)) & low32, (k[1] + np.uint64(0xBB67AE85)) & low32]
    return np.stack(c)


def stateless_bits(shape, seed):
    """What TensorFlow's StatelessRandomUniformFullInt makes of a seed of two numbers, as 32 bits."""
    mixed = philox([seed[0], 0, seed[1], 0], [0x3EC8F720, 0x02461E29])
    count = math.prod(shape)
    groups = np.arange(-(-count // 4), dtype=np.uint64)
    zeros = np.zeros_like(groups)
    words = philox([groups, zeros, zeros + mixed[2], zeros + mixed[3]], mixed[:2]).T.reshape(-1)[:count]
    return words.astype(np.uint32).reshape(shape)


class GivenDropout:
    """Stands for torch's dropout: the masks that Stillhouse makes, in the order in which timm asks for them."""

    def __init__(self, rate, keys, calls, last_block):
        self.rate, self.keys, self.calls, self.last_block = rate, keys, calls, last_block
        self.place = 0

    def __call__(self, x, p=0.5, training=True, inplace=False):
        if p == 0 or not training:
            return x
        assert p == self.rate
        # In the last block only the extra tokens go on.
        tokens = self.last_block if self.last_block and self.place >= self.calls - 3 else None
        sides = (tokens, x.shape[2]) if tokens else tuple(x.shape[1:])
        mask = torch.ones_like(x)
        mask[:, : sides[0]] = torch.from_numpy(self.mask(sides))
        self.place += 1
        return x * mask

    def mask(self, sides):
        words = stateless_bits((len(self.keys), 1, *sides), (self.place, 0))
        keys = self.keys.reshape(*self.keys.shape, *[1] * len(sides))
        bits = (words * keys).sum(axis=0, dtype=np.uint32).view(np.int32)
        uniforms = bits.astype(np.float32) * np.float32(2**-32) + np.float32(0.5)
        keep = np.float32(1 - self.rate)
        return np.floor(keep + uniforms).astype(np.float64) / float(keep)


def positions(key, old, new, tokens, width):
    """Positions of tokens and patches for another image size, as DeiT's main.py makes them: bicubic, a = -0.75."""
    extra = tokens - (new // 16) ** 2
    side = old // 16
    given = parameter(key, (1, extra + side**2, width))
    grid = given[:, extra:].reshape(1, side, side, width).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(new // 16, new // 16), mode="bicubic", align_corners=False)
    return torch.cat([given[:, :extra], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def build(name, size, rate, options):
    transformer = name.startswith(("deit", "vit"))
    extra = {"img_size": (size, options.get("inputWidth", size))} if transformer else {}
    drop = options.get("drop", 0)
    if transformer and "deit3Style" not in options:
        extra |= {"pos_drop_rate": drop, "proj_drop_rate": drop}
    else:
        extra["drop_rate"] = drop
    model = timm.create_model(name, num_classes=CLASSES, drop_path_rate=rate, **extra)
    state = model.state_dict()
    values = {key: parameter(key, tuple(value.shape)) for key, value in state.items()}
    if "weightsSize" in options:
        values["pos_embed"] = positions("pos_embed", options["weightsSize"], size, *state["pos_embed"].shape[1:])
    model.load_state_dict(values)
    return model.double()


def heads_of(model, images):
    features = model.forward_features(images)
    if not hasattr(model, "head_dist"):
        return [model.forward_head(features)]
    return [model.head(features[:, 0]), model.head_dist(features[:, 1])]


def prepare(model, batch, rate, options):
    """Prepares what a training forward draws. Noise: rows of branches, then three of dropout's keys."""
    drop = options.get("drop", 0)
    branches = len(drop_slots(model)) if rate > 0 else 0
    noise = uniform("noise", (branches + (3 if drop else 0), batch))
    give_noise(model, noise[:branches], rate if "deit3Style" in options else None)
    if not drop:
        return None
    inside = hasattr(model, "blocks") and hasattr(model, "pos_embed") and "deit3Style" not in options
    calls = 1 + 3 * len(model.blocks) if inside else 1
    keys = (noise[-3:] * LEVELS).astype(np.uint32) * 2 + 1
    return GivenDropout(drop, keys, calls, getattr(model, "num_prefix_tokens", 0) if inside else 0)


def rounded(values, digits=6):
    return [float(f"{value:.{digits}g}") for value in values]


def summary(name, tensor):
    flat = tensor.detach().double().flatten()
    at = torch.from_numpy((hashed(f"{name}.sample", np.arange(SAMPLES)) % flat.numel()).astype(np.int64))
    return rounded([flat.norm(), flat.abs().max(), *flat[at]], 5)


def make_case(name, size, batch, rate, options=None):
    options = options or {}
    width = options.get("inputWidth", size)
    model = build(name, size, rate or 0.0, options)
    # Noise alone would look the same to every network after pooling: each image has a colour.
    images = signed("images", (batch, size, width, 3), 2) + signed("colours", (batch, 1, 1, 3), 2)
    images = images.float().double().permute(0, 3, 1, 2)
    case = {"model": name, "inputSize": size, **options, "batch": batch, "classes": CLASSES, "dropPath": rate}
    if rate is None:
        with torch.no_grad():
            heads = heads_of(model.eval(), images)
    else:
        model.train()
        given = prepare(model, batch, rate, options)
        torchs = torch.nn.functional.dropout
        torch.nn.functional.dropout = given or torchs
        heads = heads_of(model, images)
        torch.nn.functional.dropout = torchs
        assert given is None or given.place == given.calls, f"{name}: dropout was asked for {given.place} times"
        loss = sum((signed(f"loss.{i}", tuple(head.shape), 1) * head).sum() for i, head in enumerate(heads))
        loss.backward()
        case["loss"] = float(f"{loss.item():.6g}")
        case["gradients"] = {key: summary(key, value.grad) for key, value in model.named_parameters()}
        case["buffers"] = {key: summary(key, value)[:1] for key, value in model.named_buffers()}
    case["heads"] = [rounded(head.flatten()) for head in heads]
    return case


def count_macs(model, size):
    """Multiply-adds of one image, counted by torch from the products and convolutions that run."""
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


def architecture(name):
    timm.layers.set_fused_attn(False)
    with torch.device("meta"):
        model = timm.create_model(name)
    size = model.default_cfg["input_size"][1]
    lines = [f"{key} {'x'.join(map(str, value.shape))}\n" for key, value in model.state_dict().items()]
    return {
        "model": name,
        "parameters": sum(value.numel() for value in model.parameters()),
        "inputSize": size,
        "macs": count_macs(model, size),
        "entries": len(lines),
        "hash": hashlib.sha256("".join(lines).encode()).hexdigest()[:16],
    }


def write(name, rows):
    """One row a line, so that a change shows as one."""
    (HERE / name).write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


if __name__ == "__main__":
    write("architectures.jsonl", [architecture(name) for name in MODELS])
    write("cases.jsonl", [make_case(*case) for case in CASES])
