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
  const [red, green, blue] = fill;
  const data = new Uint8Array(pixels.data.length);
  const sample = samplerFor(matrix, resampling);
  let out = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++, out += 3) {
      const sourceX = a * (x + 0.5) + b * (y + 0.5) + c;
      const sourceY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height) {
        sample(pixels, sourceX - 0.5, sourceY - 0.5, data, out);
      } else {
        data[out] = red;
        data[out + 1] = green;
        data[out + 2] = blue;
      }
    }
  return { width, height, data };
}

/** Writes the value at (x, y), counted from the centre of the first pixel, to `data[out]` and the two after it. */
type Sampler = (pixels: Pixels, x: number, y: number, data: Uint8Array, out: number) => void;

function samplerFor([a, b, c, d, e, f]: Matrix, resampling: Resampling): Sampler {
  if (resampling === 'bilinear') return sampleLinear;
  // Shear and translation along one axis meet the pixel centres of the other: four values do instead of sixteen.
  if (d === 0 && e === 1 && f === 0) return sampleCubicAcross;
  if (a === 1 && b === 0 && c === 0) return sampleCubicDown;
  return sampleCubic;
}

function clampIndex(index: number, count: number): number {
  return index < 0 ? 0 : index < count ? index : count - 1;
}

function clampByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : value;
}

function sampleLinear(
  { width, height, data: source }: Pixels,
  x: number,
  y: number,
  data: Uint8Array,
  out: number,
): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const upper = clampIndex(top, height) * width * 3;
  const lower = top + 1 < height ? (top + 1) * width * 3 : upper;
  const [x0, x1] = [clampIndex(left, width) * 3, clampIndex(left + 1, width) * 3];
  for (let channel = 0; channel < 3; channel++) {
    const [above, below] = [upper + channel, lower + channel];
    const first = source[above + x0] + (source[above + x1] - source[above + x0]) * dx;
    const second = source[below + x0] + (source[below + x1] - source[below + x0]) * dx;
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

function sampleCubicAcross({ width, data: source }: Pixels, x: number, y: number, data: Uint8Array, out: number): void {
  const left = Math.floor(x);
  const dx = x - left;
  const row = y * width * 3;
  const x0 = row + clampIndex(left - 1, width) * 3;
  const x1 = row + clampIndex(left, width) * 3;
  const x2 = row + clampIndex(left + 1, width) * 3;
  const x3 = row + clampIndex(left + 2, width) * 3;
  for (let c = 0; c < 3; c++)
    data[out + c] = clampByte(cubicAt(source[x0 + c], source[x1 + c], source[x2 + c], source[x3 + c], dx));
}

function sampleCubicDown(
  { width, height, data: source }: Pixels,
  x: number,
  y: number,
  data: Uint8Array,
  out: number,
): void {
  const top = Math.floor(y);
  const dy = y - top;
  const stride = width * 3;
  const y0 = clampIndex(top - 1, height) * stride + x * 3;
  const y1 = top >= 0 ? top * stride + x * 3 : y0;
  const y2 = top + 1 < height ? (top + 1) * stride + x * 3 : y1;
  const y3 = top + 2 < height ? (top + 2) * stride + x * 3 : y2;
  for (let c = 0; c < 3; c++)
    data[out + c] = clampByte(cubicAt(source[y0 + c], source[y1 + c], source[y2 + c], source[y3 + c], dy));
}

function sampleCubic(
  { width, height, data: source }: Pixels,
  x: number,
  y: number,
  data: Uint8Array,
  out: number,
): void {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = clampIndex(left - 1, width) * 3;
  const x1 = clampIndex(left, width) * 3;
  const x2 = clampIndex(left + 1, width) * 3;
  const x3 = clampIndex(left + 2, width) * 3;
  const stride = width * 3;
  const y0 = clampIndex(top - 1, height) * stride;
  const y1 = top >= 0 ? top * stride : y0;
  const y2 = top + 1 < height ? (top + 1) * stride : y1;
  const y3 = top + 2 < height ? (top + 2) * stride : y2;
  for (let c = 0; c < 3; c++) {
    const [a, b, d, e] = [y0 + c, y1 + c, y2 + c, y3 + c];
    const v1 = cubicAt(source[a + x0], source[a + x1], source[a + x2], source[a + x3], dx);
    const v2 = cubicAt(source[b + x0], source[b + x1], source[b + x2], source[b + x3], dx);
    const v3 = cubicAt(source[d + x0], source[d + x1], source[d + x2], source[d + x3], dx);
    const v4 = cubicAt(source[e + x0], source[e + x1], source[e + x2], source[e + x3], dx);
    data[out + c] = clampByte(cubicAt(v1, v2, v3, v4, dy));
  }
}
