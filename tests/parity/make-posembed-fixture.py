"""Writes tests/fixtures/formats/positions.json: position embeddings resized by torch, for positions.test.ts.

Run: python make-posembed-fixture.py   (made with torch 2.15)
"""

import json
import pathlib

import torch
import torch.nn.functional as F

# extra tokens, width, patches from, patches to
CASES = [
    (1, 3, (14, 14), (12, 12)),  # a smaller image
    (2, 2, (14, 14), (24, 24)),  # 224 to 384, distilled
    (0, 4, (7, 7), (16, 16)),  # no position for the class token
    (1, 5, (4, 4), (3, 9)),  # a grid that is not square
    (2, 3, (6, 10), (14, 5)),  # from one that is not square
    (1, 2, (1, 1), (4, 4)),  # one patch
    (2, 3, (5, 5), (5, 5)),  # the same size
    (2, 2, (24, 24), (14, 14)),  # 384 to 224, distilled
    (0, 1, (3, 17), (16, 2)),  # one axis grows, the other shrinks
    (1, 1, (1, 9), (5, 1)),  # a row to a column
    (2, 1, (14, 14), (13, 27)),  # to a grid that is not square, distilled
    (1, 1, (11, 3), (37, 41)),  # primes
]

torch.manual_seed(0)
fixtures = []
for extra, dim, source, target in CASES:
    values = torch.randn(extra + source[0] * source[1], dim)
    patches = values[extra:].reshape(1, *source, dim).permute(0, 3, 1, 2)
    resized = F.interpolate(patches, size=target, mode="bicubic", align_corners=False)
    expected = torch.cat([values[:extra], resized.permute(0, 2, 3, 1).reshape(-1, dim)])
    fixtures.append({
        "extra": extra, "dim": dim, "from": source, "to": target,
        "values": values.flatten().tolist(), "expected": expected.flatten().tolist(),
    })

path = pathlib.Path(__file__).parent.parent / "fixtures/formats/positions.json"
path.write_text(json.dumps([{k: [float(f"{x:.9g}") for x in v] if k in ("values", "expected") else v for k, v in f.items()} for f in fixtures]) + "\n")
