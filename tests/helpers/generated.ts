import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { ParamSpec } from '../../src-main/model/model.ts';

/**
 * Weights, images and noise of the parity tests, made from names and indices alone. The twin of the generator in
 * `tests/parity/make-fixtures.py`: change them only together.
 */

/** 32 bits for each index: FNV-1a of the name, stepped by the golden ratio, mixed as in MurmurHash3. */
export function hashed(name: string, count: number): Uint32Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const bits = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    let x = (seed + Math.imul(index, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    bits[index] = x ^ (x >>> 16);
  }
  return bits;
}

/** Multiples of 2⁻²⁴ in [0, 1). */
export function uniform(name: string, count: number): Float32Array {
  return scaled(name, count, 0.5, 0.5);
}

/** Within ±bound. */
export function signed(name: string, count: number, bound: number): Float32Array {
  return scaled(name, count, bound, 0);
}

/** bound · s + shift with s in [−1, 1), rounded to float32 before and after the shift. */
function scaled(name: string, count: number, bound: number, shift: number): Float32Array {
  const bits = hashed(name, count);
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    values[index] = Math.fround(((bits[index] >>> 8) / 2 ** 23 - 1) * bound) + shift;
  }
  return values;
}

/** The value of a parameter, by the role that name and shape tell. */
export function parameterValues({ name, shape }: ParamSpec): Float32Array {
  const count = shapeSize(shape);
  if (name.endsWith('num_batches_tracked')) return Float32Array.of(7);
  if (name.endsWith('running_var') || name.endsWith('.gamma')) return scaled(name, count, 0.5, 1);
  if (['cls_token', 'dist_token', 'pos_embed'].includes(name)) return signed(name, count, 0.5);
  if (shape.length > 1) {
    const gain = shape.length === 4 && !name.includes('.se.') ? 1.5 : 1;
    return signed(name, count, Math.sqrt((3 * gain) / shapeSize(shape.slice(1))));
  }
  if (name.endsWith('.weight')) return scaled(name, count, 0.25, 1);
  return scaled(name, count, 0.125, /bn\d?\.bias$|downsample\.1\.bias$/.test(name) ? 1 : 0);
}

/** Images [B, height, width, 3] of noise, each around a colour of its own. */
export function images(batch: number, height: number, width = height): Float32Array {
  const colours = signed('colours', batch * 3, 2);
  const noise = signed('images', batch * height * width * 3, 2);
  return noise.map((value, index) => value + colours[3 * Math.floor(index / (3 * height * width)) + (index % 3)]);
}
