"""Writes presets.json: how timm prepares images for the default weights of every network of the zoo.

Run: python make-preset-fixture.py   (timm; made with timm 1.0.31)
"""
import json
import pathlib

import timm
from timm.models import get_pretrained_cfg

here = pathlib.Path(__file__).parent
names = [json.loads(line)["model"] for line in (here / "architectures.jsonl").read_text().splitlines()]
presets = {}
for name in names:
    cfg = get_pretrained_cfg(name)
    presets[name] = {
        "tag": cfg.tag, "inputSize": cfg.input_size[-1], "cropRatio": cfg.crop_pct, "cropMode": cfg.crop_mode,
        "interpolation": cfg.interpolation, "mean": cfg.mean, "std": cfg.std,
    }
(here / "presets.json").write_text(json.dumps({"timm": timm.__version__, "presets": presets}, indent=1) + "\n")
