import type { Pixels } from './decode.ts';

/**
 * Pillow's Gaussian blur: three box blurs whose edges have a fractional weight (Gwosdek et al., "Theoretical foundations
 * of Gaussian convolution by extended box filtering", 2011), in 24-bit fixed point, each rounded to 8 bits.
 */
const PASSES = 3;

/** `pixels` blurred with standard deviation `radius` (pixels, from 0). */
export function gaussianBlur(pixels: Pixels, radius: number): Pixels {
  const box = boxRadius(radius);
  if (box === 0) return pixels;
  const { width, height } = pixels;
  const across = blurRows(pixels.data, width, height, box);
  const turned = transposed(across, width, height);
  return { width, height, data: transposed(blurRows(turned, height, width, box), height, width) };
}

// In single precision, as Pillow computes it.
function boxRadius(radius: number): number {
  const f = Math.fround;
  const single = f(radius);
  const variance = f(f(single * single) / PASSES);
  const length = f(Math.sqrt(12 * variance + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const above = f(f(2 * whole + 1) * f(f(whole * f(whole + 1)) - f(3 * variance)));
  const part = f(above / f(6 * f(variance - f(f(whole + 1) * f(whole + 1)))));
  return f(whole + part);
}

function blurRows(source: Uint8Array, width: number, height: number, box: number): Uint8Array {
  let [from, to] = [Uint8Array.from(source), new Uint8Array(source.length)];
  const reach = Math.trunc(box);
  const inner = Math.trunc(Math.fround((1 << 24) / Math.fround(Math.fround(box * 2) + 1)));
  const edge = Math.trunc(((1 << 24) - (reach * 2 + 1) * inner) / 2);
  for (let pass = 0; pass < PASSES; pass++) {
    for (let line = 0; line < height * 3; line++) {
      const start = Math.floor(line / 3) * width * 3 + (line % 3);
      blurLine(from, to, start, width, { reach, inner, edge });
    }
    [from, to] = [to, from];
  }
  return from;
}

interface BoxWeights {
  reach: number;
  inner: number;
  edge: number;
}

// One channel of one row; places beyond either end have the value at that end.
function blurLine(from: Uint8Array, to: Uint8Array, start: number, width: number, weights: BoxWeights): void {
  const { reach, inner, edge } = weights;
  const at = (x: number): number => from[start + 3 * (x < 0 ? 0 : x < width ? x : width - 1)];
  let sum = 0;
  for (let x = -reach - 1; x < reach; x++) sum += at(x);
  for (let x = 0; x < width; x++) {
    sum += at(x + reach) - at(x - reach - 1);
    const bulk = sum * inner + (at(x - reach - 1) + at(x + reach + 1)) * edge;
    to[start + 3 * x] = Math.floor((bulk + (1 << 23)) / (1 << 24));
  }
}

// [height, width, 3] → [width, height, 3]
function transposed(source: Uint8Array, width: number, height: number): Uint8Array {
  const result = new Uint8Array(source.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        result[(x * height + y) * 3 + channel] = source[(y * width + x) * 3 + channel]!;
  return result;
}
