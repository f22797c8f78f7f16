"""PyTorch + timm's side of the teach bench: training steps of a student with its teacher in the loop, on request.

Started by teach.ts as `python teach.py VARIANT STUDENT TEACHER BATCH THREADS`; answers as step.py does.
"""

import json
import resource
import sys
import time

import timm
import torch

variant, name, teacher_name, batch = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[5]))
model = timm.create_model(name, drop_path_rate=0.1).train()
model.set_distilled_training(True)
teacher = timm.create_model(teacher_name).eval()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
side = model.default_cfg["input_size"][-1]
images = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)
labels = torch.randint(0, 1000, (batch,))
mean, std = (torch.tensor(model.default_cfg[key]) * 255 for key in ("mean", "std"))
autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=variant == "bfloat16")  # noqa: E731
criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
hard = torch.nn.CrossEntropyLoss()


def step():
    shown = ((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode(), autocast():
        decisions = teacher(shown).argmax(1)
    optimizer.zero_grad(set_to_none=True)
    with autocast():
        head, head_dist = model(shown)
        loss = 0.5 * criterion(head, labels) + 0.5 * hard(head_dist, decisions.clone())
    loss.backward()
    optimizer.step()
    return loss.item()


def answer(seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


step()
answer([])
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    answer(seconds)
