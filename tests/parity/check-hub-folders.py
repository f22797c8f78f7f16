"""Loads the folders that hub-folders.test.ts has exported as a stranger would, with timm and transformers, and writes
what they answer as JSON. hub-folders.json beside this was made by torch 2.15, timm 1.0.31 and transformers 5.24:

    STILLHOUSE_TEST_PYTHON=python STILLHOUSE_WRITE_FIXTURES=1 npm run unit -- tests/parity/hub-folders.test.ts

Run: python check-hub-folders.py FOLDER ANSWERS.json, where FOLDER holds `<case>/` and `<case>.f32`, normalised images
[2, 3, H, W] as float32, and `image.png`.
"""

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from transformers import AutoModelForImageClassification, pipeline


def answers(folder):
    config = json.loads((folder / "config.json").read_text())
    ours = "model_type" not in config
    if ours:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True)
        size = model.pretrained_cfg["input_size"]
    else:
        model = AutoModelForImageClassification.from_pretrained(folder)
        side = config["image_size"]
        size = [3, *(side if isinstance(side, list) else [side, side])]
    images = np.fromfile(folder.with_name(f"{folder.name}.f32"), np.float32).reshape(2, *size)
    with torch.inference_mode():
        found = model.eval()(torch.from_numpy(images))
    logits = found if ours else found.logits
    best = pipeline("image-classification", model=str(folder))(Image.open(folder.with_name("image.png")), top_k=1)[0]
    return {
        "made": type(model).__name__,
        "logits": [[round(float(value), 6) for value in row] for row in logits],
        "label": best["label"],
        "score": round(best["score"], 6),
    }


if __name__ == "__main__":
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    cases = sorted(path for path in folder.iterdir() if path.is_dir())
    rows = [f"{json.dumps(case.name)}: {json.dumps(answers(case))}" for case in cases]
    output.write_text("{\n" + ",\n".join(rows) + "\n}\n")
