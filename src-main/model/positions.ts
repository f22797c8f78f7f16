/** Position embeddings for another number of patches. Letters: E extra tokens, D width. */

/** Patches down and across. */
export type Grid = readonly [height: number, width: number];

/**
 * Resizes the position embedding [E + from, D] of a grid of patches to [E + to, D], as torch's
 * `interpolate(mode='bicubic', align_corners=False)` does: Keys' cubic with a = −0.75, no antialiasing, edges repeated.
 * The first E rows are kept as they are.
 */
export function resizePositions(values: Float32Array, extra: number, dim: number, from: Grid, to: Grid): Float32Array {
  const patches = values.subarray(extra * dim);
  const wide = resizeAxis(patches, from[0], from[1], to[1], dim); // [from height, to width, D]
  const tall = resizeAxis(wide, 1, from[0], to[0], to[1] * dim); // [to height, to width, D]
  const resized = new Float32Array(extra * dim + tall.length);
  resized.set(values.subarray(0, extra * dim));
  resized.set(tall, extra * dim);
  return resized;
}

// [outer, from, inner] → [outer, to, inner]
function resizeAxis(values: ArrayLike<number>, outer: number, from: number, to: number, inner: number): Float64Array {
  const out = new Float64Array(outer * to * inner);
  for (let i = 0; i < to; i++) {
    const taps = cubicTaps(i, from, to);
    for (let o = 0; o < outer; o++)
      for (const { index, weight } of taps) {
        const [source, target] = [(o * from + index) * inner, (o * to + i) * inner];
        for (let d = 0; d < inner; d++) out[target + d] += weight * values[source + d];
      }
  }
  return out;
}

function cubicTaps(i: number, from: number, to: number): { index: number; weight: number }[] {
  const centre = ((i + 0.5) * from) / to - 0.5;
  const first = Math.floor(centre) - 1;
  return [0, 1, 2, 3].map((tap) => ({
    index: Math.min(Math.max(first + tap, 0), from - 1),
    weight: cubic(Math.abs(centre - first - tap)),
  }));
}

function cubic(distance: number): number {
  const a = -0.75;
  if (distance <= 1) return ((a + 2) * distance - (a + 3)) * distance ** 2 + 1;
  return distance < 2 ? ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a : 0;
}
