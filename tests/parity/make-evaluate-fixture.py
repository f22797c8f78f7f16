"""Writes the fixture of evaluations, from scikit-learn, timm and torch themselves.

    pip install torch timm scikit-learn
    python tests/parity/make-evaluate-fixture.py

Deterministic: labels and logits are regenerated on both sides (make-fixtures.py and its twin
tests/helpers/generated.ts). It was made with scikit-learn 1.9.1, torch 2.15 and timm 1.0.31.

evaluate.json    a student of two heads and a teacher on 600 images of 12 classes, one of which has no image
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score
from timm.utils import accuracy

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("fixtures", HERE / "make-fixtures.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)

IMAGES, CLASSES, BINS = 600, 12, 15

# The last class has no image.
labels = (np.asarray(fixtures.uniform("evaluate.labels", [IMAGES])) * (CLASSES - 1)).astype(np.int64)


def logits_of(name, push):
    """Noise, and a push towards the label in most images."""
    logits = np.asarray(fixtures.signed(f"evaluate.{name}", [IMAGES, CLASSES], 3.0), dtype=np.float32)
    pushed = np.asarray(fixtures.uniform(f"evaluate.{name}.pushed", [IMAGES])) < 0.6
    logits[np.arange(IMAGES), labels] += np.where(pushed, push, 0).astype(np.float32)
    return logits


def report(logits, teacher):
    given, target = torch.from_numpy(logits), torch.from_numpy(labels)
    chances = torch.softmax(given.double(), 1).numpy()
    decisions = logits.argmax(1)
    acc1, acc5 = (float(score) for score in accuracy(given, target, topk=(1, 5)))
    assert abs(acc5 - 100 * top_k_accuracy_score(labels, chances, k=5, labels=range(CLASSES))) < 1e-4
    precision, recall, f1, count = precision_recall_fscore_support(
        labels, decisions, labels=range(CLASSES), zero_division=0
    )
    confidence, right = chances.max(1), decisions == labels
    edges = np.linspace(0, 1, BINS + 1)
    bins = [(confidence > low) & (confidence <= high) for low, high in zip(edges[:-1], edges[1:])]
    ece = sum(abs(right[bin].mean() - confidence[bin].mean()) * bin.mean() for bin in bins if bin.any())
    return {
        "acc1": acc1,
        "acc5": acc5,
        "nll": float(log_loss(labels, chances, labels=range(CLASSES))),
        "loss": float(torch.nn.functional.cross_entropy(given.double(), target)),
        "confidence": float(confidence.mean()),
        "ece": float(ece),
        "bins": [int(bin.sum()) for bin in bins],
        "agreement": float(100 * (decisions == teacher.argmax(1)).mean()),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "count": count.tolist(),
        "confusion": confusion_matrix(labels, decisions, labels=range(CLASSES)).tolist(),
    }


own, taught, teacher = logits_of("class", 3.0), logits_of("distillation", 4.0), logits_of("teacher", 5.0)
heads = {"class": own, "distillation": taught, "test": (own + taught) / np.float32(2)}
rows = {name: report(logits, teacher) for name, logits in heads.items()}
text = ",\n".join(f'"{name}": {json.dumps(row, separators=(",", ":"))}' for name, row in rows.items())
(HERE / "evaluate.json").write_text(f'{{\n"images": {IMAGES},\n"classes": {CLASSES},\n{text}\n}}\n')
