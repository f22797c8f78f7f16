import type { Pixels } from './decode.ts';

/** How a value between pixels is found: by Pillow's point sampling, without antialiasing. */
export type Resampling = 'bilinear' | 'bicubic';

/** From result to source, at pixel centres: source = (a·x + b·y + c, d·x + e·y + f). */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export interface AffineSettings {
  fill: readonly [number, number, number];
  resampling: Resampling;
}

/** The matrix of Pillow's `rotate` about the centre, for an angle in degrees from 0 to below 360. */
export function rotationMatrix(degrees: number, { width, height }: { width: number; height: number }): Matrix {
  const angle = -(degrees * (Math.PI / 180));
  const [cosine, sine] = [round15(Math.cos(angle)), round15(Math.sin(angle))];
  const [x, y] = [width / 2, height / 2];
  const c = cosine * -x + sine * -y + x;
  const f = -sine * -x + cosine * -y + y;
  return [cosine, sine, c, -sine, cosine, f];
}

function round15(value: number): number {
  return Number(value.toFixed(15));
}

/** `pixels` seen through `matrix`, same size; where the source point lies outside, `fill`. */
export function affine(pixels: Pixels, matrix: Matrix, { fill, resampling }: AffineSettings): Pixels {
  const { width, height } = pixels;
  const [a, b, c, d, e, f] = matrix;
  const data = new Uint8Array(pixels.data.length);
  const sample = resampling === 'bicubic' ? sampleCubic : sampleLinear;
  let out = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++, out += 3) {
      const sourceX = a * (x + 0.5) + b * (y + 0.5) + c;
      const sourceY = d * (x + 0.5) + e * (y + 0.5) + f;
      const inside = sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height;
      if (inside) sample(pixels, sourceX - 0.5, sourceY - 0.5, data, out);
      else for (let channel = 0; channel < 3; channel++) data[out + channel] = fill[channel]!;
    }
  return { width, height, data };
}

const clampIndex = (index: number, count: number): number => (index < 0 ? 0 : index < count ? index : count - 1);

function sampleLinear(
  { width, height, data: source }: Pixels,
  x: number,
  y: number,
  data: Uint8Array,
  out: number,
): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const upper = clampIndex(top, height) * width;
  const lower = top + 1 < height ? (top + 1) * width : upper;
  const [x0, x1] = [clampIndex(left, width), clampIndex(left + 1, width)];
  for (let channel = 0; channel < 3; channel++) {
    const at = (index: number): number => source[index * 3 + channel]!;
    const first = at(upper + x0) + (at(upper + x1) - at(upper + x0)) * dx;
    const second = at(lower + x0) + (at(lower + x1) - at(lower + x0)) * dx;
    data[out + channel] = first + (second - first) * dy;
  }
}

// The cubic with a = −1 through four values, in Pillow's order of operations.
function cubicAt(v1: number, v2: number, v3: number, v4: number, d: number): number {
  const p2 = -v1 + v3;
  const p3 = 2 * (v1 - v2) + v3 - v4;
  const p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

function sampleCubic(
  { width, height, data: source }: Pixels,
  x: number,
  y: number,
  data: Uint8Array,
  out: number,
): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const x0 = clampIndex(left - 1, width) * 3;
  const x1 = clampIndex(left, width) * 3;
  const x2 = clampIndex(left + 1, width) * 3;
  const x3 = clampIndex(left + 2, width) * 3;
  const stride = width * 3;
  const first = clampIndex(top - 1, height) * stride;
  for (let channel = 0; channel < 3; channel++) {
    const rowAt = (start: number): number => {
      const at = start + channel;
      return cubicAt(source[at + x0]!, source[at + x1]!, source[at + x2]!, source[at + x3]!, dx);
    };
    const v1 = rowAt(first);
    const v2 = top >= 0 && top < height ? rowAt(top * stride) : v1;
    const v3 = top + 1 < height ? rowAt((top + 1) * stride) : v2;
    const v4 = top + 2 < height ? rowAt((top + 2) * stride) : v3;
    const value = cubicAt(v1, v2, v3, v4, dy);
    data[out + channel] = value <= 0 ? 0 : value >= 255 ? 255 : value;
  }
}
