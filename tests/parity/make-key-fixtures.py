"""Writes tests/fixtures/formats/keys/<source>.json: the real names and shapes in other programs' weight files, of small
models, for key-names.test.ts.

Run: python make-key-fixtures.py timm-0.3.2 | timm | transformers

Each source with its own package installed: timm==0.3.2 (made with torch 2.15, which needs the stand-in below), timm
1.0.31, transformers 5.24.0 with safetensors. Nothing is downloaded: models start from random weights.
"""

import json
import sys
import tempfile
import types
from collections import abc
from pathlib import Path

import torch

FOLDER = Path(__file__).parent.parent / "fixtures/formats/keys"
CLASSES = 10


def listed(state):
    return {key: list(value.shape) for key, value in state.items()}


def stand_in():
    """A module of torch that timm 0.3.2 needs and that is gone."""
    six = types.ModuleType("torch._six")
    six.container_abcs = abc
    sys.modules["torch._six"] = six


def old_timm():
    """timm 0.3.2, which DeiT was trained with, and the distilled model as DeiT's own code derives it from there."""
    stand_in()
    import timm

    assert timm.__version__ == "0.3.2"
    shape = {"patch_size": 16, "embed_dim": 192, "depth": 12, "num_heads": 3, "mlp_ratio": 4, "qkv_bias": True}
    tiny = timm.models.vision_transformer.VisionTransformer(num_classes=CLASSES, **shape)
    distilled = dict(tiny.state_dict())
    width = tiny.embed_dim
    distilled["pos_embed"] = torch.zeros(1, tiny.patch_embed.num_patches + 2, width)
    distilled["dist_token"] = torch.zeros(1, 1, width)
    distilled["head_dist.weight"] = torch.zeros(CLASSES, width)
    distilled["head_dist.bias"] = torch.zeros(CLASSES)
    others = ("regnety_002", "tf_efficientnet_lite0", "efficientnet_b0", "resnet18")
    return {
        "deit_tiny_patch16_224": tiny.state_dict(),
        "deit_tiny_distilled_patch16_224": distilled,
        **{name: timm.create_model(name, num_classes=CLASSES).state_dict() for name in others},
    }


def new_timm():
    import timm

    names = ("deit_tiny_distilled_patch16_224", "deit3_small_patch16_224", "vit_tiny_patch16_224", "regnety_002")
    return {name: timm.create_model(name, num_classes=CLASSES).state_dict() for name in names}


def transformers_models():
    """What save_pretrained writes, and, as `… in memory`, the names that version 5 uses itself."""
    import transformers
    from safetensors.torch import load_file

    shape = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768, "num_labels": CLASSES}
    models = {
        "DeiTForImageClassificationWithTeacher": transformers.DeiTConfig(**shape),
        "DeiTForImageClassification": transformers.DeiTConfig(**shape),
        "ViTForImageClassification": transformers.ViTConfig(**shape),
        "ViTModel": transformers.ViTConfig(**shape),
    }
    lists = {}
    for name, config in models.items():
        model = getattr(transformers, name)(config)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            lists[name] = load_file(f"{folder}/model.safetensors")
        if name.endswith("Teacher"):
            lists[f"{name} in memory"] = model.state_dict()
    return lists


SOURCES = {"timm-0.3.2": old_timm, "timm": new_timm, "transformers": transformers_models}

if __name__ == "__main__":
    source = sys.argv[1]
    lists = {name: listed(state) for name, state in SOURCES[source]().items()}
    FOLDER.mkdir(exist_ok=True)
    rows = [f"{json.dumps(name)}:{json.dumps(keys, separators=(',', ':'))}" for name, keys in lists.items()]
    (FOLDER / f"{source}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
