"""PyTorch beside export.ts: exports a network of timm by torch's own exporter, then times it in PyTorch on request.

Each line it reads says how many images a batch has and how many batches to time.
"""

import json
import os
import resource
import sys
import time

import timm
import torch

name, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = timm.create_model(name, num_classes=1000).eval()
# As after a training: a bias of zeros would be left out of the export, and cost no time.
with torch.no_grad():
    for value in [*model.parameters(), *model.buffers()]:
        if value.is_floating_point():
            value.add_(0.01 * torch.rand_like(value))
example = torch.randn(2, 3, 224, 224)
batch = torch.export.Dim("batch", min=1, max=4096)
if not os.path.exists(path):
    torch.onnx.export(
        model,
        (example,),
        path,
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def answer(seconds):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


@torch.inference_mode()
def timed(count, steps):
    images = torch.randn(count, 3, 224, 224)
    seconds = []
    for _ in range(steps):
        start = time.process_time()
        model(images)
        seconds.append(time.process_time() - start)
    return seconds


timed(1, 2)
answer([])
for line in sys.stdin:
    count, steps = map(int, line.split())
    answer(timed(count, steps))
