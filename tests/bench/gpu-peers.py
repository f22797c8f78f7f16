"""What PyTorch (timm, torch.compile) or JAX make of a training step that gpu-check has measured, on the same device.

Started as `python3 gpu-peers.py torch|jax MODEL BATCH SIDE PRECISION cuda|cpu [TEACHER]`. The last line of its output is
JSON: images a second (median of 20 steps, begun one after the other without waiting), bytes held at the most, or why
not; null where the framework is missing. PRECISION is float32, tf32 or bfloat16.
"""

import json
import statistics
import sys
import time

peer, name, batch, side, precision, device = sys.argv[1:7]
teacher_name = sys.argv[7] if len(sys.argv) > 7 else ""
batch, side = int(batch), int(side)
STEPS = 20
LR, DECAY, CLASSES = 1e-3, 0.05, 1000


def with_torch():
    import timm
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    narrow = precision == "bfloat16"
    model = timm.create_model(name, drop_path_rate=0.1, img_size=side).to(device).train()
    model.set_distilled_training(True)
    teacher = timm.create_model(teacher_name).to(device).eval() if teacher_name else None
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY, fused=device == "cuda")
    images = torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (batch,), device=device)
    hard, soft = torch.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    student, taught = torch.compile(model), torch.compile(teacher) if teacher_name else None

    def step():
        pixels = ((images.to(device, non_blocking=True).float() / 255 - 0.45) / 0.225).permute(0, 3, 1, 2)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=narrow):
            decisions = labels
            if teacher_name:
                with torch.no_grad():
                    decisions = taught(pixels).argmax(1)
            head, head_dist = student(pixels)
            loss = 0.5 * soft(head.float(), labels) + 0.5 * hard(head_dist.float(), decisions)
        loss.backward()
        optimizer.step()
        return loss

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    held = (lambda: torch.cuda.max_memory_allocated()) if device == "cuda" else lambda: None
    return step, lambda _: wait(), held


SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}


def with_jax():
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")
    dim, heads = SIZES[name.split("_")[1]]
    depth, patch = 12, 16
    tokens = (side // patch) ** 2 + 2
    kind = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    keys = iter(jax.random.split(jax.random.PRNGKey(0), 1000))

    def dense(fan_in, fan_out):
        return {"w": 0.02 * jax.random.normal(next(keys), (fan_in, fan_out)), "b": jnp.zeros(fan_out)}

    def norm():
        return {"g": jnp.ones(dim), "b": jnp.zeros(dim)}

    block = lambda: {"n1": norm(), "qkv": dense(dim, 3 * dim), "proj": dense(dim, dim), "n2": norm(),
                     "fc1": dense(dim, 4 * dim), "fc2": dense(4 * dim, dim)}  # fmt: skip
    params = {"patch": dense(3 * patch * patch, dim), "tokens": jnp.zeros((2, dim)), "pos": jnp.zeros((tokens, dim)),
              "blocks": [block() for _ in range(depth)], "norm": norm(), "head": dense(dim, CLASSES),
              "dist": dense(dim, CLASSES)}  # fmt: skip

    def linear(p, x):
        return jax.lax.dot_general(x.astype(kind), p["w"].astype(kind), (((x.ndim - 1,), (0,)), ((), ()))) + p["b"].astype(kind)  # fmt: skip

    def layer_norm(p, x):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-6) * p["g"] + p["b"]

    def attention(p, x):
        q, k, v = linear(p["qkv"], x).reshape(batch, tokens, 3, heads, dim // heads).transpose(2, 0, 3, 1, 4)
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k).astype(jnp.float32) * (dim // heads) ** -0.5
        mixed = jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores).astype(kind), v)
        return linear(p["proj"], mixed.transpose(0, 2, 1, 3).reshape(batch, tokens, dim)).astype(jnp.float32)

    def drop(key, x, rate):
        return x * jax.random.bernoulli(key, 1 - rate, (batch, 1, 1)) / (1 - rate)

    def loss_of(p, images, labels, key):
        pixels = (images.astype(jnp.float32) / 255 - 0.45) / 0.225
        grid = side // patch
        parts = pixels.reshape(batch, grid, patch, grid, patch, 3).transpose(0, 1, 3, 2, 4, 5).reshape(batch, grid * grid, -1)
        x = linear(p["patch"], parts).astype(jnp.float32)
        x = jnp.concatenate([jnp.broadcast_to(p["tokens"], (batch, 2, dim)), x], 1) + p["pos"]
        for index, one in enumerate(p["blocks"]):
            first, second = jax.random.split(jax.random.fold_in(key, index))
            rate = 0.1 * index / (depth - 1)
            x = x + drop(first, attention(one, layer_norm(one["n1"], x)), rate)
            hidden = jax.nn.gelu(linear(one["fc1"], layer_norm(one["n2"], x)), approximate=False)
            x = x + drop(second, linear(one["fc2"], hidden).astype(jnp.float32), rate)
        x = layer_norm(p["norm"], x[:, :2])
        targets = 0.9 * jax.nn.one_hot(labels, CLASSES) + 0.1 / CLASSES
        head = jax.nn.log_softmax(linear(p["head"], x[:, 0]).astype(jnp.float32))
        dist = jax.nn.log_softmax(linear(p["dist"], x[:, 1]).astype(jnp.float32))
        return -0.5 * (targets * head).sum(1).mean() - 0.5 * jnp.take_along_axis(dist, labels[:, None], 1).mean()

    def step_of(state, images, labels):
        params, mean, square, count = state
        loss, grads = jax.value_and_grad(loss_of)(params, images, labels, jax.random.PRNGKey(count))
        count = count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, grads)
        rate = LR * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        moved = jax.tree.map(lambda p, m, v: p * (1 - LR * DECAY) - rate * m / (jnp.sqrt(v) + 1e-8), params, mean, square)
        return (moved, mean, square, count), loss

    zeros = jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.int32(0))]
    import numpy

    pixels = numpy.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=numpy.uint8)
    labels = numpy.random.default_rng(1).integers(0, CLASSES, batch, dtype=numpy.int32)
    compiled = jax.jit(step_of, donate_argnums=0)

    def step():
        state[0], loss = compiled(state[0], jax.device_put(pixels), labels)
        return loss

    held = lambda: (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return step, lambda loss: loss.block_until_ready(), held


def measured():
    if peer == "jax" and teacher_name:
        return {"imagesPerSecond": None, "held": None, "failure": "not compared with a teacher"}
    step, wait, held = with_torch() if peer == "torch" else with_jax()
    for _ in range(3):
        wait(step())
    times, before = [], time.perf_counter()
    last = step()
    for _ in range(STEPS):
        following = step()
        wait(last)
        now = time.perf_counter()
        times.append(now - before)
        before, last = now, following
    wait(last)
    return {"imagesPerSecond": batch / statistics.median(times), "held": held(), "failure": None}


try:
    print(json.dumps(measured()))
except ImportError:
    print("null")
except Exception as error:  # noqa: BLE001
    print(json.dumps({"imagesPerSecond": None, "held": None, "failure": str(error).splitlines()[0][:120]}))
