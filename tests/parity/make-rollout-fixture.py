"""Writes tests/parity/rollout.json: attention heads of timm's networks, and attention rollouts of small ones.

Run: python make-rollout-fixture.py   (made with torch 2.15, timm 1.0.31)
"""

import json
import pathlib
import sys

import timm
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))
from importlib import import_module

made = import_module("make-fixtures")
timm.layers.set_fused_attn(False)

# dim, depth, heads, distilled, DeiT III
CASES = [(12, 3, 3, False, False), (12, 2, 2, True, False), (80, 2, 1, False, True), (64, 3, 4, True, False)]
PATCH, SIZE = 8, 24


def heads_of(name):
    with torch.device("meta"):
        return timm.create_model(name).blocks[0].attn.num_heads


def rollout(dim, depth, heads, distilled, third):
    kind = VisionTransformerDistilled if distilled else VisionTransformer
    more = {"no_embed_class": True, "init_values": 1e-6} if third else {}
    sizes = {"img_size": SIZE, "patch_size": PATCH, "embed_dim": dim, "depth": depth, "num_heads": heads}
    model = kind(**sizes, num_classes=2, **more)
    model.load_state_dict({key: made.parameter(key, tuple(value.shape)) for key, value in model.state_dict().items()})
    model = model.double().eval()
    seen = []
    for block in model.blocks:
        block.attn.attn_drop.register_forward_hook(lambda _, given, __: seen.append(given[0][0]))
    images = made.signed("images", (1, SIZE, SIZE, 3), 2) + made.signed("colours", (1, 1, 1, 3), 2)
    with torch.no_grad():
        model(images.float().double().permute(0, 3, 1, 2))
    whole = torch.eye(seen[0].shape[1], dtype=torch.float64)
    for attention in seen:
        whole = 0.5 * (attention.mean(0) + torch.eye(attention.shape[1])) @ whole
    extra = model.num_prefix_tokens
    looks = whole[:extra, extra:]
    raw = torch.stack(seen)[:, :, :extra, extra:]
    return {"looks": (looks / looks.sum(1, keepdim=True)).flatten().tolist(), "raw": raw.flatten().tolist()}


names = [json.loads(line)["model"] for line in (here / "architectures.jsonl").read_text().splitlines()]
heads = {name: heads_of(name) for name in names if name.startswith(("deit", "vit"))}
cases = [
    {"dim": d, "depth": n, "heads": h, "distilled": two, "third": third}
    | {key: made.rounded(values) for key, values in rollout(d, n, h, two, third).items()}
    for d, n, h, two, third in CASES
]
(here / "rollout.json").write_text(json.dumps({"heads": heads, "patch": PATCH, "size": SIZE, "cases": cases}) + "\n")
