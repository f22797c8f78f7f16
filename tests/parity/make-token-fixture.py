"""Writes tests/parity/tokens.json: cosines of class and distillation token of small networks of timm.

Run: python make-token-fixture.py   (made with torch 2.15, timm 1.0.31)
"""

import json
import pathlib
import sys
from importlib import import_module

import torch
from timm.models.deit import VisionTransformerDistilled

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
made = import_module("make-fixtures")

# dim, depth, heads
CASES = [(12, 2, 2), (64, 3, 4)]
PATCH, SIZE, BATCH = 8, 24, 3


def cosines(dim, depth, heads):
    model = VisionTransformerDistilled(
        img_size=SIZE, patch_size=PATCH, embed_dim=dim, depth=depth, num_heads=heads, num_classes=2
    )
    model.load_state_dict({key: made.parameter(key, tuple(value.shape)) for key, value in model.state_dict().items()})
    model = model.double().eval()
    places = []
    see = lambda _, __, out: places.append(torch.nn.functional.cosine_similarity(out[:, 0], out[:, 1]).tolist())
    for part in [model.pos_drop, *model.blocks, model.norm]:
        part.register_forward_hook(see)
    images = made.signed("images", (BATCH, SIZE, SIZE, 3), 2) + made.signed("colours", (BATCH, 1, 1, 3), 2)
    with torch.no_grad():
        model(images.float().double().permute(0, 3, 1, 2))
    return places


cases = [
    {"dim": d, "depth": n, "heads": h, "cosines": [made.rounded(place) for place in cosines(d, n, h)]} for d, n, h in CASES
]
(here / "tokens.json").write_text(
    json.dumps({"patch": PATCH, "size": SIZE, "batch": BATCH, "cases": cases}) + "\n"
)
