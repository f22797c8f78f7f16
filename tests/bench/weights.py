"""Reads and writes weight files in PyTorch, for weights.ts: one JSON line for each task it is asked on its input."""

import json
import sys
import time

import torch
from safetensors.torch import load_file, save_file


def read(path):
    """Into memory of their own, as a model's parameters are."""
    if path.endswith(".pth"):
        state = torch.load(path, weights_only=True)
        return state
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


def read_mapped(path):
    return {name: tensor.clone() for name, tensor in torch.load(path, weights_only=True, mmap=True).items()}


def write(state, path):
    if path.endswith(".pth"):
        torch.save(state, path)
    else:
        save_file(state, path)


for line in sys.stdin:
    task, source, target = json.loads(line)
    state = read(source) if task == "write" else None
    start, cpu = time.perf_counter(), time.process_time()
    if task == "write":
        write(state, target)
    else:
        state = read_mapped(source) if task == "mapped" else read(source)
        assert all(bool(tensor.flatten()[0].isfinite()) for tensor in state.values())
    result = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "bytes": 0}
    print(json.dumps(result), flush=True)
