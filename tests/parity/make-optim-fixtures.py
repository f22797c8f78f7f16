"""Writes the fixtures of schedules, optimizers and training curves, from timm and torch themselves.

    pip install torch timm
    python tests/parity/make-optim-fixtures.py

Deterministic: weights, images and gradients are regenerated on both sides (make-fixtures.py and its twin
tests/helpers/generated.ts). Optimizer steps and curves are computed in float64. They were made with torch 2.15 and
timm 1.0.31.

schedules.json   learning rates of whole runs, one an epoch or one a step
optimizers.json  five steps of each optimizer on parameters of several shapes, and layer scales of models
curves.json      fifty steps of a tiny transformer: the loss of each, and the norm of the parameters after the last
"""

import importlib.util
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import timm
import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from timm.scheduler import create_scheduler
from timm.utils import ModelEmaV3, dispatch_clip_grad

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("fixtures", HERE / "make-fixtures.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
uniform, signed, parameter = fixtures.uniform, fixtures.signed, fixtures.parameter


def write(name, rows):
    """One row a line, so that a change shows as one."""
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (HERE / name).write_text(f"[\n{text}\n]\n")


# Schedules.

SCHEDULES = [
    {"epochs": 300, "lr": 1e-3},
    {"epochs": 30, "lr": 5e-6, "minLr": 5e-6},
    {"epochs": 12, "lr": 1e-3, "warmupEpochs": 0},
    {"epochs": 20, "lr": 1e-3, "cooldownEpochs": 10},
    {"epochs": 40, "lr": 2e-3, "warmupEpochs": 3, "lrNoise": "0.4 0.9", "seed": 7},
    {"epochs": 40, "lr": 2e-3, "lrNoise": "0.5", "lrNoisePct": 0.2, "lrNoiseStd": 0.5},
    {"epochs": 9, "lr": 1e-3, "warmupEpochs": 2, "schedOnUpdates": True},
    {"epochs": 6, "lr": 1e-3, "warmupEpochs": 0, "schedOnUpdates": True, "cooldownEpochs": 2, "lrNoise": "0.5"},
    {"sched": "tanh", "epochs": 60, "lr": 1e-3},
    {"sched": "tanh", "epochs": 10, "lr": 1e-3, "warmupEpochs": 0, "schedOnUpdates": True},
    {"sched": "step", "epochs": 100, "lr": 1e-2},
    {"sched": "step", "epochs": 20, "lr": 1e-2, "warmupEpochs": 0, "decayEpochs": 2.4, "decayRate": 0.97},
    {"sched": "step", "epochs": 8, "lr": 1e-2, "decayEpochs": 1.5, "decayRate": 0.5, "schedOnUpdates": True},
    {"sched": "plateau", "epochs": 100, "lr": 1e-2, "patienceEpochs": 3, "decayRate": 0.3},
    {"sched": "plateau", "epochs": 80, "lr": 1e-2, "warmupEpochs": 0, "patienceEpochs": 0, "decayRate": 0.5, "lrNoise": "0.2 0.6"},
]
STEPS_PER_EPOCH = 7
DEFAULTS = {
    "sched": "cosine", "schedOnUpdates": False, "warmupEpochs": 5, "warmupLr": 1e-6, "minLr": 1e-5, "cooldownEpochs": 0,
    "decayEpochs": 30, "decayRate": 0.1, "patienceEpochs": 10, "lrNoise": "", "lrNoisePct": 0.67, "lrNoiseStd": 1.0, "seed": 0,
}  # fmt: skip


def score(epoch):
    """A curve that rises, rests and rises again."""
    return round(70 - 40 * math.exp(-epoch / 6) + 3 * math.sin(epoch), 6)


def make_schedule(changes):
    recipe = DEFAULTS | changes
    noise = [float(share) for share in recipe["lrNoise"].split()] or None
    args = SimpleNamespace(
        sched=recipe["sched"], epochs=recipe["epochs"], decay_epochs=recipe["decayEpochs"], decay_rate=recipe["decayRate"],
        warmup_epochs=recipe["warmupEpochs"], warmup_lr=recipe["warmupLr"], min_lr=recipe["minLr"],
        cooldown_epochs=recipe["cooldownEpochs"], patience_epochs=recipe["patienceEpochs"], lr_noise=noise,
        lr_noise_pct=recipe["lrNoisePct"], lr_noise_std=recipe["lrNoiseStd"], seed=recipe["seed"],
        sched_on_updates=recipe["schedOnUpdates"],
    )  # fmt: skip
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe["lr"])
    scheduler, epochs = create_scheduler(args, optimizer, updates_per_epoch=STEPS_PER_EPOCH)
    rate = lambda: optimizer.param_groups[0]["lr"]
    rates = []
    updates = 0
    for epoch in range(epochs):
        if recipe["schedOnUpdates"]:
            for _ in range(STEPS_PER_EPOCH):
                rates.append(rate())
                updates += 1
                scheduler.step_update(updates)
            scheduler.step(epoch + 1)
        else:
            rates.append(rate())
            if recipe["sched"] == "plateau":
                scheduler.step(epoch + 1, score(epoch))  # as timm's train.py
            else:
                scheduler.step(epoch)  # as DeiT's main.py
    row = {"recipe": changes, "totalEpochs": epochs, "rates": [float(f"{r:.13g}") for r in rates]}
    return row | ({"scores": [score(epoch) for epoch in range(epochs)]} if recipe["sched"] == "plateau" else {})


# Optimizers.

SHAPES = {"cls_token": (1, 1, 6), "patch_embed.proj.weight": (4, 3, 2, 2), "norm.weight": (6,), "head.weight": (5, 6), "head.bias": (5,)}
OPTIMIZERS = [
    {"opt": "adamw"},
    {"opt": "adamw", "optBeta1": 0.8, "optBeta2": 0.95, "optEps": 1e-3, "weightDecay": 0.3, "clipGrad": 0.5},
    {"opt": "adamw", "clipGrad": 0.3, "clipMode": "value", "modelEma": True, "modelEmaDecay": 0.9},
    {"opt": "adamw", "clipGrad": 0.05, "clipMode": "agc"},
    {"opt": "sgd", "weightDecay": 1e-2},
    {"opt": "sgd", "momentum": 0, "weightDecay": 0},
    {"opt": "momentum", "momentum": 0.8, "clipGrad": 1, "modelEma": True, "modelEmaWarmup": True},
    {"opt": "lamb"},
    {"opt": "lamb", "optEps": 1e-6, "weightDecay": 0.2, "clipGrad": 2, "modelEma": True, "modelEmaDecay": 0.5},
]
OPTIMIZER_DEFAULTS = {
    "optBeta1": 0.9, "optBeta2": 0.999, "optEps": 1e-8, "momentum": 0.9, "weightDecay": 0.05, "clipGrad": 0,
    "clipMode": "norm", "modelEma": False, "modelEmaDecay": 0.99996, "modelEmaWarmup": False,
}  # fmt: skip
LR = 1e-2


class Parameters(torch.nn.Module):
    """Parameters by dotted names, whatever those say about modules."""

    def __init__(self, values):
        super().__init__()
        self.values = {name: torch.nn.Parameter(value) for name, value in values.items()}
        for name, value in self.values.items():
            self.register_parameter(name.replace(".", "/"), value)

    def named_parameters(self, *_, **__):
        return iter(self.values.items())


def optimizer_of(model, recipe, lr, groups=None):
    """As DeiT's main.py makes it by timm; the gradient is clipped before."""
    kwargs = {} if recipe["opt"] in ("sgd", "momentum") else {"betas": (recipe["optBeta1"], recipe["optBeta2"])}
    if recipe["opt"] == "sgd" and recipe["momentum"] == 0:
        return torch.optim.SGD(model.parameters(), lr=lr, weight_decay=recipe["weightDecay"])
    if groups is None:
        exempt = lambda name, value: value.ndim <= 1 or name in ("cls_token", "pos_embed")  # as DeiT, not dist_token
        groups = [
            {"params": [v for n, v in model.named_parameters() if exempt(n, v)], "weight_decay": 0.0},
            {"params": [v for n, v in model.named_parameters() if not exempt(n, v)], "weight_decay": recipe["weightDecay"]},
        ]
    eps = {} if recipe["opt"] in ("sgd", "momentum") else {"eps": recipe["optEps"]}
    extra = {"momentum": recipe["momentum"]} if recipe["opt"] in ("sgd", "momentum") else {}
    return create_optimizer_v2(groups, opt=recipe["opt"], lr=lr, weight_decay=recipe["weightDecay"], **eps, **extra, **kwargs)


def clip(model, recipe):
    values = [value for _, value in model.named_parameters()]
    if recipe["clipGrad"]:
        values = values[:-2] if recipe["clipMode"] == "agc" else values  # timm leaves out the head
        dispatch_clip_grad(values, recipe["clipGrad"], recipe["clipMode"])


def make_optimizer(changes):
    recipe = OPTIMIZER_DEFAULTS | changes
    model = Parameters({name: parameter(name, shape) for name, shape in SHAPES.items()})
    optimizer = optimizer_of(model, recipe, LR)
    ema = {name: value.detach().clone() for name, value in model.named_parameters()}
    average = ModelEmaV3(torch.nn.Linear(1, 1), decay=recipe["modelEmaDecay"], use_warmup=recipe["modelEmaWarmup"])
    steps = []
    for step in range(1, 6):
        for name, value in model.named_parameters():
            value.grad = signed(f"{name}.grad.{step}", tuple(value.shape), 1)
        clip(model, recipe)
        optimizer.step()
        decay = average.get_decay(step if recipe["modelEmaWarmup"] else None)
        for name, value in model.named_parameters():
            ema[name].lerp_(value.detach(), 1 - decay)
        rounded = lambda value: [float(f"{v:.10g}") for v in value.detach().flatten()]
        if step in (1, 5):
            steps.append({name: rounded(value) for name, value in model.named_parameters()})
    row = {"recipe": changes, "first": steps[0], "fifth": steps[1]}
    return row | ({"ema": {name: rounded(value) for name, value in ema.items()}} if recipe["modelEma"] else {})


# Layer decay.

LAYERED = ["deit_tiny_distilled_patch16_224", "deit3_small_patch16_224", "vit_tiny_patch16_224", "regnety_002", "tf_efficientnet_lite0", "resnet18"]


def make_layers(name):
    """The rate of each parameter relative to the head's, in the order of the state dict."""
    model = timm.create_model(name)
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scales = {id(value): group["lr_scale"] for group in groups for value in group["params"]}
    depths = [round(-math.log2(scales[id(value)])) for value in model.parameters()]
    return {"model": name, "depths": depths}


# Curves.

SIZE, BATCH, CLASSES, STEPS, DEPTH = 32, 8, 10, 50, 3
CURVES = [
    {"opt": "adamw", "distillationType": "hard", "lr": 1e-3, "smoothing": 0.1},
    {"opt": "adamw", "distillationType": "soft", "distillationTau": 3, "distillationAlpha": 0.9, "lr": 1e-3, "smoothing": 0.1},
    {"opt": "adamw", "distillationType": "none", "lr": 1e-3, "smoothing": 0, "clipGrad": 1, "layerDecay": 0.75},
    {"opt": "sgd", "distillationType": "none", "bceLoss": True, "lr": 0.05, "smoothing": 0},
    {"opt": "lamb", "distillationType": "hard", "bceLoss": True, "lr": 4e-3, "smoothing": 0},
    {"opt": "momentum", "distillationType": "none", "lr": 1e-2, "smoothing": 0.1, "trainMode": False},
    {"opt": "adamw", "distillationType": "none", "lr": 1e-3, "smoothing": 0.1, "attnOnly": True},
    {"opt": "lamb", "distillationType": "none", "bceLoss": True, "lr": 4e-3, "smoothing": 0, "dropPath": 0.3, "cosub": True},
    {"opt": "adamw", "distillationType": "none", "lr": 1e-3, "smoothing": 0.1, "dropPath": 0.2, "cosub": True},
]
CURVE_DEFAULTS = OPTIMIZER_DEFAULTS | {"distillationTau": 1, "distillationAlpha": 0.5, "bceLoss": False, "layerDecay": 1, "trainMode": True, "attnOnly": False, "dropPath": 0, "cosub": False}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def tiny(prefix, rate=0):
    model = timm.models.deit.VisionTransformerDistilled(
        img_size=SIZE, patch_size=8, embed_dim=48, depth=DEPTH, num_heads=3, num_classes=CLASSES, drop_path_rate=rate
    )
    state = model.state_dict()
    model.load_state_dict({key: 0.5 * parameter(prefix + key, tuple(value.shape)) if value.ndim > 1 else parameter(prefix + key, tuple(value.shape)) for key, value in state.items()})  # fmt: skip
    return model.double()


def batch_of(step):
    """Bytes around a colour that belongs to the label, so that there is something to learn."""
    labels = torch.arange(BATCH) * 7 % CLASSES if step % 2 else torch.arange(BATCH) * 3 % CLASSES
    colours = uniform("class colours", (CLASSES, 1, 1, 3))[labels]
    pixels = np.floor(256 * (0.5 * uniform(f"pixels.{step}", (BATCH, SIZE, SIZE, 3)) + 0.5 * colours))
    images = (torch.from_numpy(pixels) / 255 - torch.tensor(MEAN).double()) / torch.tensor(STD).double()
    return images.permute(0, 3, 1, 2), labels


def two_heads(model, images):
    tokens = model.forward_features(images)
    return model.head(tokens[:, 0]), model.head_dist(tokens[:, 1])


def skip(model, step):
    """Gives a batch that is shown twice what its blocks skip: rows of the first showing, then those of the second."""
    rows = uniform(f"noise.{step}", (2, 2 * DEPTH, BATCH)).transpose(1, 0, 2).reshape(2 * DEPTH, 2 * BATCH)
    fixtures.give_noise(model, rows, None)
    for (module, name), row in zip(fixtures.drop_slots(model), torch.from_numpy(rows)):
        getattr(module, name).uniforms = row


def submodels(recipe, logits, targets):
    """The loss of DeiT's --cosub, as its engine.py adds it up."""
    loss = torch.nn.BCEWithLogitsLoss()
    targets = targets.gt(0).double() if recipe["bceLoss"] else targets
    first, second = logits.split(BATCH)
    of_labels = loss(first, targets) + loss(second, targets)
    return (of_labels + loss(first, second.detach().sigmoid()) + loss(second, first.detach().sigmoid())) / 4


def distilled(recipe, logits, teacher):
    if recipe["distillationType"] == "hard":
        return torch.nn.functional.cross_entropy(logits, teacher.argmax(1))
    t = recipe["distillationTau"]
    log = torch.nn.functional.log_softmax
    kl = torch.nn.functional.kl_div(log(logits / t, 1), log(teacher / t, 1), reduction="sum", log_target=True)
    return kl * t * t / logits.numel()


def make_curve(changes):
    recipe = CURVE_DEFAULTS | changes
    student, teacher = tiny("", recipe["dropPath"]), tiny("teacher.").eval()
    if recipe["attnOnly"]:
        for name, value in student.named_parameters():
            value.requires_grad = ".attn." in name or name.startswith("head.") or name == "pos_embed"
    groups = None
    if recipe["layerDecay"] < 1:
        groups = param_groups_layer_decay(student, recipe["weightDecay"], {"cls_token", "pos_embed"}, layer_decay=recipe["layerDecay"])
        for group in groups:
            group["lr"] = recipe["lr"] * group["lr_scale"]
    optimizer = optimizer_of(student, recipe, recipe["lr"], groups)
    losses = []
    for step in range(1, STEPS + 1):
        images, labels = batch_of(step)
        if recipe["cosub"]:
            images = torch.cat([images, images])
            skip(student, step)
        heads = two_heads(student, images)
        logits = heads[0] if recipe["trainMode"] else (heads[0] + heads[1]) / 2
        hot = torch.nn.functional.one_hot(labels, CLASSES).double()
        targets = hot * (1 - recipe["smoothing"]) + recipe["smoothing"] / CLASSES
        if recipe["cosub"]:
            loss = submodels(recipe, logits, targets)
        elif recipe["bceLoss"]:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets.gt(0).double())
        else:
            loss = -(targets * torch.nn.functional.log_softmax(logits, 1)).sum(1).mean()
        if recipe["distillationType"] != "none":
            with torch.no_grad():
                asked = sum(two_heads(teacher, images)) / 2  # as a distilled model answers in eval mode
            alpha = recipe["distillationAlpha"]
            loss = (1 - alpha) * loss + alpha * distilled(recipe, heads[1], asked)
        losses.append(float(f"{loss.item():.8g}"))
        optimizer.zero_grad()
        loss.backward()
        clip(student, recipe)
        optimizer.step()
    norm = math.sqrt(sum(float((value.detach() ** 2).sum()) for value in student.parameters()))
    return {"recipe": changes, "losses": losses, "norm": float(f"{norm:.8g}")}


if __name__ == "__main__":
    write("schedules.json", [make_schedule(changes) for changes in SCHEDULES])
    write("optimizers.json", [*(make_optimizer(changes) for changes in OPTIMIZERS), *(make_layers(name) for name in LAYERED)])
    write("curves.json", [make_curve(changes) for changes in CURVES])
