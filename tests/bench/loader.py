"""timm's side of the loader bench: rounds of an epoch on request.

`python loader.py make FOLDER COUNT` writes photograph-like JPEGs of 500 x 375 pixels. Otherwise started by loader.ts as
`python loader.py run FOLDER SIZE plain|uint8|tensors|repeated WORKERS BATCH`: reads a line a round; answers a JSON line
with wall seconds, CPU seconds and images.
"""

import json
import os
import pathlib
import resource
import sys
import time


def make(folder, count):
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        pixels = np.zeros((375, 500, 3))
        for cells, strength in ((4, 60), (16, 50), (64, 30), (250, 14)):
            noise = random.normal(size=(max(2, 375 * cells // 250), max(2, 500 * cells // 250), 3)).astype(np.float32)
            channels = [np.asarray(Image.fromarray(noise[..., c]).resize((500, 375), Image.BICUBIC)) for c in range(3)]
            grey = sum(channels) / 3
            pixels += strength * np.stack([0.4 * channel + 0.6 * grey for channel in channels], -1)
        split = "val" if number % 50 == 0 else "train"
        place = pathlib.Path(folder) / split / ("even", "odd")[number // 2 % 2]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))
        image.save(place / f"{number}.jpg", quality=88)


def spent():
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def run(folder, size, kind, workers, batch):
    import timm.data.auto_augment as auto_augment
    import torch
    from timm.data import create_transform
    from timm.data.distributed_sampler import RepeatAugSampler
    from timm.data.loader import fast_collate
    from torchvision.datasets import ImageFolder

    torch.set_num_threads(1)
    posterize = auto_augment.posterize
    # Pillow 13 refuses the 0 bits that this policy may ask for; it means black.
    auto_augment.NAME_TO_OP["PosterizeIncreasing"] = lambda image, bits, **options: (
        image.point(lambda _: 0) if bits < 1 else posterize(image, bits)
    )
    tensors = kind == "tensors"
    erasing = dict(re_prob=0.25, re_mode="pixel", re_count=1) if tensors else {}
    policy = None if kind == "plain" else "rand-m9-mstd0.5-inc1"
    transform = create_transform(
        size,
        is_training=True,
        auto_augment=policy,
        color_jitter=0.0 if kind == "plain" else 0.3,
        interpolation="bicubic",
        use_prefetcher=not tensors,
        **erasing,
    )
    dataset = ImageFolder(os.path.join(folder, "train"), transform)
    collate = {} if tensors else dict(collate_fn=fast_collate)
    order = dict(shuffle=True)
    if kind == "repeated":
        order = dict(sampler=RepeatAugSampler(dataset, num_replicas=1, rank=0, num_repeats=3))
    options = dict(batch_size=batch, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
    loader = torch.utils.data.DataLoader(dataset, **options, **order, **collate)

    def epoch():
        made = 0
        for images, _ in loader:
            assert images.dtype == (torch.float32 if tensors else torch.uint8)
            made += len(images)
        return made

    epoch()
    print(json.dumps({"seconds": [0, 0], "peak": 0}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), spent()
        made = epoch()
        seconds = [time.perf_counter() - wall, spent() - cpu, made]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    run(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
