/**
 * Draws the normal numbers that `torch.randn(1, generator=g)` gives for a generator with this seed, one after the
 * other; timm shakes learning rates with them. Each is rounded to float32, as in torch.
 */
export function torchNormals(seed: number): () => number {
  const word = mersenneTwister(seed);
  // 53 bits: the low 21 of the first word, then the second.
  const uniform = () => ((word() & 0x1fffff) * 2 ** 32 + word()) / 2 ** 53;
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return Math.fround(value);
    }
    const angle = 2 * Math.PI * uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
    spare = radius * Math.sin(angle);
    return Math.fround(radius * Math.cos(angle));
  };
}

const SIZE = 624;
const SHIFT = 397;

/** MT19937, one word of 32 bits at a time. */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let index = 1; index < SIZE; index++) {
    const last = state[index - 1];
    state[index] = Math.imul(1812433253, last ^ (last >>> 30)) + index;
  }
  let next = SIZE;
  return () => {
    if (next === SIZE) {
      twist(state);
      next = 0;
    }
    let word = state[next++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let index = 0; index < SIZE; index++) {
    const bits = (state[index] & 0x80000000) | (state[(index + 1) % SIZE] & 0x7fffffff);
    state[index] = state[(index + SHIFT) % SIZE] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
  }
}
