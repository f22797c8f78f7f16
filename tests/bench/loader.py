"""timm's side of the loader bench: rounds of an epoch on request, as uint8 like ours.

`python loader.py make FOLDER COUNT` writes photograph-like JPEGs of 500 x 375 pixels. Otherwise started by loader.ts as
`python loader.py run FOLDER SIZE AA WORKERS BATCH`: reads a line a round; answers a JSON line with wall seconds and CPU seconds.
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


def run(folder, size, aa, workers, batch):
    import timm.data.auto_augment as auto_augment
    import torch
    from timm.data import create_transform
    from timm.data.loader import fast_collate
    from torchvision.datasets import ImageFolder

    torch.set_num_threads(1)
    posterize = auto_augment.posterize
    # Pillow 13 refuses the 0 bits that this policy may ask for; it means black.
    auto_augment.NAME_TO_OP["PosterizeIncreasing"] = lambda image, bits, **options: (
        image.point(lambda _: 0) if bits < 1 else posterize(image, bits)
    )
    transform = create_transform(
        size, is_training=True, auto_augment=aa or None, color_jitter=0.0, interpolation="bicubic", use_prefetcher=True
    )
    dataset = ImageFolder(os.path.join(folder, "train"), transform)
    options = dict(batch_size=batch, shuffle=True, drop_last=True, collate_fn=fast_collate, num_workers=workers)
    loader = torch.utils.data.DataLoader(dataset, persistent_workers=workers > 0, **options)

    def epoch():
        for images, _ in loader:
            assert images.dtype == torch.uint8 and len(images) == batch

    epoch()
    print(json.dumps({"seconds": [0, 0], "peak": 0}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), spent()
        epoch()
        seconds = [time.perf_counter() - wall, spent() - cpu]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    run(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
