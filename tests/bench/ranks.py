"""PyTorch's side of the ranks bench: one rank of DistributedDataParallel over gloo.

Started by ranks.ts as `python ranks.py MODEL BATCH THREADS RANK SIZE PORT`; BATCH counts the images of this rank. Reads
the number of steps, a line a round; answers a JSON line with the seconds of each. A first line says that it is warm.
"""

import json
import os
import resource
import sys
import time

import timm
import torch

name, batch, threads, rank, size, port = sys.argv[1], *map(int, sys.argv[2:7])
torch.manual_seed(0)
torch.set_num_threads(threads)
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
torch.distributed.init_process_group("gloo", rank=rank, world_size=size)
model = timm.create_model(name, drop_path_rate=0.1).train()
side = model.default_cfg["input_size"][-1]
wrapped = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
images = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)
labels = torch.randint(0, 1000, (batch,))
mean, std = (torch.tensor(model.default_cfg[key]) * 255 for key in ("mean", "std"))


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(wrapped(((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def timed(count):
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    return seconds


def tell(seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


timed(2)
tell([])
for line in sys.stdin:
    tell(timed(int(line)))
