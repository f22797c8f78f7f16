"""Writes cudnn.mlir and ops.mlir, DeiT-Ti's attention with its gradient: python3 modules.py (jax, no GPU needed)."""

from pathlib import Path

import jax
import jax.numpy as jnp
from jax._src.cudnn import fused_attention_stablehlo as cudnn

# Both ask the GPU that is here, and none is.
cudnn.check_cudnn_version = lambda: 91000
cudnn.check_compute_capability = lambda capability: True
cudnn.check_is_flash_attention = lambda *args, **options: None

IMAGES, TOKENS, HEADS, WIDTH = 256, 198, 3, 64
SCALE = WIDTH**-0.5


def as_ops(q, k, v):
    scores = jnp.einsum('btnh,bsnh->bnts', q, k, preferred_element_type=jnp.float32) * SCALE
    return jnp.einsum('bnts,bsnh->btnh', jax.nn.softmax(scores, axis=-1).astype(jnp.bfloat16), v)


def fused(q, k, v):
    return cudnn.dot_product_attention(q, k, v, scale=SCALE)


def gradients(attention):
    loss = lambda *qkv: (attention(*qkv).astype(jnp.float32) ** 2).sum()
    return lambda *qkv: jax.grad(loss, argnums=(0, 1, 2))(*qkv)


x = jax.ShapeDtypeStruct((IMAGES, TOKENS, HEADS, WIDTH), jnp.bfloat16)
for name, attention in (('ops', as_ops), ('cudnn', fused)):
    lowered = jax.jit(gradients(attention)).trace(x, x, x).lower(lowering_platforms=('cuda',))
    Path(__file__).with_name(f'{name}.mlir').write_text(lowered.as_text())
