"""Writes tests/fixtures/formats/init-<source>.json: how other programs start the parameters of a fresh model, for
init.test.ts: mean, deviation and greatest magnitude of each.

Run: python make-init-fixtures.py timm | timm-0.3.2

Made with timm 1.0.31, and with timm 0.3.2, which DeiT was trained with (its stand-in is in make-key-fixtures.py).
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch

FOLDER = Path(__file__).parent.parent / "fixtures/formats"
CLASSES = 1000
NEW = ("deit3_small_patch16_224", "vit_tiny_patch16_224", "regnety_002", "efficientnet_b0", "resnet18", "resnet50")


def old_models():
    """DeiT as its own models.py makes it; the distilled one starts its second token and head like the first."""
    from importlib import import_module

    import_module("make-key-fixtures").stand_in()
    from timm.models.layers import trunc_normal_
    from timm.models.vision_transformer import VisionTransformer

    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    shape = {"patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3, "mlp_ratio": 4, "qkv_bias": True}
    model = VisionTransformer(num_classes=CLASSES, norm_layer=norm, **shape)
    state = dict(model.state_dict())
    head = torch.nn.Linear(192, CLASSES)
    model._init_weights(head)
    token = torch.zeros(1, 1, 192)
    trunc_normal_(token, std=0.02)
    state |= {"dist_token": token, "head_dist.weight": head.weight, "head_dist.bias": head.bias}
    return {"deit_tiny_distilled_patch16_224": state}


def new_models():
    import timm

    return {name: timm.create_model(name, num_classes=CLASSES).state_dict() for name in NEW}


def summary(values):
    values = values.detach().double().flatten()
    # Torch's truncated normal now and then draws a quantile of 0, which it cuts off at -2: a hundred deviations.
    values = values[values != -2]
    return [float(f"{value:.4g}") for value in (values.mean(), values.std(correction=0), values.abs().max())]


if __name__ == "__main__":
    source = sys.argv[1]
    torch.manual_seed(0)
    models = {"timm": new_models, "timm-0.3.2": old_models}[source]()
    lists = {name: {key: summary(value) for key, value in state.items()} for name, state in models.items()}
    rows = [f"{json.dumps(name)}:{json.dumps(keys, separators=(',', ':'))}" for name, keys in lists.items()]
    (FOLDER / f"init-{source}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
