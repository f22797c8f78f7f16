"""Writes published.json: the ImageNet weights that timm lists for the networks of this program.

Reads the facts (addresses, licence, preparation of images) from timm's package without importing it, so that torch
is not needed: `pip download --no-deps timm==1.0.31`, unpack the wheel, and give the folder:

    python make-published.py FOLDER NAMES RESULTS > published.json && npx oxfmt published.json

NAMES is a file with one network a line (`stillhouse models`), RESULTS is `results/results-imagenet.csv` of timm's
repository. `top1` and `top5` are those of DeiT's README and papers, `timmTop1` and `timmTop5` those that timm measured
with the listed preparation of images.
"""
import ast
import csv
import json
import re
import sys
from pathlib import Path

CONSTANTS = {
    "IMAGENET_DEFAULT_MEAN": (0.485, 0.456, 0.406),
    "IMAGENET_DEFAULT_STD": (0.229, 0.224, 0.225),
    "IMAGENET_INCEPTION_MEAN": (0.5, 0.5, 0.5),
    "IMAGENET_INCEPTION_STD": (0.5, 0.5, 0.5),
    "OPENAI_CLIP_MEAN": (0.48145466, 0.4578275, 0.40821073),
    "OPENAI_CLIP_STD": (0.26862954, 0.26130258, 0.27577711),
}
# Top-1 and top-5 of the file itself, as its authors state them (DeiT's README; DeiT III's README).
ACCURACY = {
    "deit_tiny_patch16_224.fb_in1k": (72.2, 91.1),
    "deit_small_patch16_224.fb_in1k": (79.9, 95.0),
    "deit_base_patch16_224.fb_in1k": (81.8, 95.6),
    "deit_tiny_distilled_patch16_224.fb_in1k": (74.5, 91.9),
    "deit_small_distilled_patch16_224.fb_in1k": (81.2, 95.4),
    "deit_base_distilled_patch16_224.fb_in1k": (83.4, 96.5),
    "deit_base_patch16_384.fb_in1k": (82.9, 96.2),
    "deit_base_distilled_patch16_384.fb_in1k": (85.2, 97.2),
    "deit3_small_patch16_224.fb_in1k": (81.4, None),
    "deit3_small_patch16_384.fb_in1k": (83.4, None),
    "deit3_medium_patch16_224.fb_in1k": (83.0, None),
    "deit3_base_patch16_224.fb_in1k": (83.8, None),
    "deit3_base_patch16_384.fb_in1k": (85.0, None),
    "deit3_large_patch16_224.fb_in1k": (84.9, None),
    "deit3_large_patch16_384.fb_in1k": (85.8, None),
    "deit3_huge_patch14_224.fb_in1k": (85.2, None),
    "regnety_160.deit_in1k": (82.9, None),
}
# The file that DeiT's own command names comes first for this network.
FIRST = {"regnety_160": "regnety_160.deit_in1k"}


def tables(source: str) -> dict:
    """Runs the functions that make settings and the tables made by them, and nothing else of a module."""
    space = {**CONSTANTS, "generate_default_cfgs": lambda table: table, "dict": dict, "Any": None, "Dict": dict}
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and re.fullmatch(r"_\w*cfg\w*", node.name):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            if node.args.kwarg:
                node.args.kwarg.annotation = None
            exec(compile(ast.Module([node], []), "timm", "exec"), space)
        target = getattr(node, "targets", [getattr(node, "target", None)])[0]
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and getattr(target, "id", "") == "default_cfgs":
            space["default_cfgs"] = found
            found.update(eval(compile(ast.Expression(node.value), "timm", "eval"), space))
    return found


def measured(path: str) -> dict:
    """Top-1 and top-5 by name, input size, crop ratio and interpolation."""
    with open(path, newline="") as file:
        return {
            (row["model"], int(row["img_size"]), float(row["crop_pct"]), row["interpolation"]): (
                float(row["top1"]),
                float(row["top5"]),
            )
            for row in csv.DictReader(file)
        }


def entry(name: str, facts: dict, first: bool, results: dict) -> dict:
    url = facts.get("url") or ""
    hub = facts.get("hf_hub_id") or ""
    if hub == "timm/":
        hub += name.rstrip("*")
    hashed = re.search(r"-([0-9a-f]{8,64})\.pth$", url)
    top1, top5 = ACCURACY.get(name, (None, None))
    size, crop, filter = facts["input_size"][1], facts.get("crop_pct", 0.875), facts.get("interpolation", "bicubic")
    timm_top1, timm_top5 = results.get((name, size, crop, filter), (None, None))
    return {
        "name": name,
        "first": first,
        "url": url or None,
        "hash": hashed.group(1) if hashed else None,
        "hub": hub or None,
        "licence": facts.get("license"),
        "inputSize": size,
        "cropRatio": crop,
        "interpolation": filter,
        "mean": list(facts.get("mean", CONSTANTS["IMAGENET_DEFAULT_MEAN"])),
        "std": list(facts.get("std", CONSTANTS["IMAGENET_DEFAULT_STD"])),
        "top1": top1,
        "top5": top5,
        "timmTop1": timm_top1,
        "timmTop5": timm_top5,
    }


def main() -> None:
    folder, names = Path(sys.argv[1]), Path(sys.argv[2]).read_text().split()
    results = measured(sys.argv[3])
    known = {}
    for module in ("deit", "vision_transformer", "regnet", "efficientnet", "resnet"):
        known.update(tables((folder / "timm" / "models" / f"{module}.py").read_text()))
    result = {}
    for model in names:
        files = []
        for name, facts in known.items():
            fits = name == model or name.split(".")[0] == model
            readable = facts.get("url", "").endswith((".pth", "")) and not facts.get("custom_load")
            from_hub = bool(facts.get("hf_hub_id"))
            if fits and facts.get("num_classes") == 1000 and (from_hub or (facts.get("url") and readable)):
                url = facts.get("url", "")
                files.append((name, {**facts, "url": url if url.endswith((".pth", ".pt")) else ""}))
        head = FIRST.get(model, files[0][0] if files else "")
        files.sort(key=lambda file: file[0] != head)
        if files:
            result[model] = [entry(name, facts, name == head, results) for name, facts in files]
    print(json.dumps(result, indent=2))


main()
