"""PyTorch + timm's side of the step bench: rounds of training steps (or of inference) on request.

Started by step.ts as `python step.py VARIANT MODEL BATCH TASK THREADS [TEACHER]`. Reads a line a round: the number of
steps, or `teacher` for a few forwards of the teacher alone; answers a JSON line with the seconds of each. A first line
says that warm-up is over, with the peak memory in bytes.
"""

import json
import resource
import sys
import time

import timm
import torch

variant, name, batch, task = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[5]))
model = timm.create_model(name, drop_path_rate=0.1 if task == "train" else 0.0)
side = model.default_cfg["input_size"][-1]
images = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)
labels = torch.randint(0, 1000, (batch,))
decisions = torch.randint(0, 1000, (batch,))
teacher_name = sys.argv[6] if len(sys.argv) > 6 else None
distilled = hasattr(model, "set_distilled_training")
bfloat16 = "bfloat16" in variant
criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
hard = torch.nn.CrossEntropyLoss()

if task == "train":
    model.train()
    if distilled:
        model.set_distilled_training(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
else:
    model.eval()
forward = torch.compile(model) if "compile" in variant else model
teacher = timm.create_model(teacher_name).eval() if teacher_name else None
teach = torch.compile(teacher) if teacher and "compile" in variant else teacher


def normalised(network=model):
    mean, std = (torch.tensor(network.default_cfg[name]) * 255 for name in ("mean", "std"))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def teacher_step():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return teach(normalised(teacher)).float().argmax(1)


def train_step():
    optimizer.zero_grad(set_to_none=True)
    # An answer of inference mode may not be kept for a gradient; its copy may.
    taught = teacher_step().clone() if teacher else decisions
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        if distilled:
            head, head_dist = forward(normalised())
            loss = 0.5 * criterion(head, labels) + 0.5 * hard(head_dist, taught)
        else:
            loss = criterion(forward(normalised()), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def infer_step():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return forward(normalised()).float().numpy()


def onnx_step():
    """The same forward in onnxruntime, which has float32 alone on a CPU."""
    import os
    import tempfile

    import onnxruntime

    path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    torch.onnx.export(model, (normalised(),), path, dynamo=True, external_data=False, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[5])
    # Threads that spin would slow the others down, which run in turns with this one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()[0].name
    return lambda: session.run(None, {inputs: normalised().numpy()})


if task == "train":
    step = train_step
else:
    step = onnx_step() if variant == "onnxruntime" else infer_step
for _ in range(3):
    step()


def answer(seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


answer([])
for line in sys.stdin:
    seconds = []
    asked = line.strip()
    for _ in range(3 if asked == "teacher" else int(asked)):
        start = time.perf_counter()
        teacher_step() if asked == "teacher" else step()
        seconds.append(time.perf_counter() - start)
    answer(seconds)
