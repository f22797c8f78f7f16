import type { Crop, Filter, Pixels } from './pixels.ts';

/**
 * Pillow's resize, to the bit: a separable filter, widened when shrinking (antialiasing), horizontal pass then vertical,
 * each rounded to 8 bits, weights in 22-bit fixed point. Letters: x, y pixels of the result; k taps of a weight window.
 */
const PRECISION = 22;

const FILTERS: Record<Filter, { support: number; weight(x: number): number }> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x), -0.5) },
};

/** Computes Keys' cubic convolution kernel at distance x ≥ 0. */
export function cubic(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** For each result pixel: first source pixel, number of taps, and `stride` fixed-point weights. */
export interface Windows {
  stride: number;
  first: Int32Array;
  taps: Int32Array;
  weights: Int32Array;
}

export function windows(from: number, to: number, filter: Filter): Windows {
  const { support, weight } = FILTERS[filter];
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const reach = support * widened;
  const stride = Math.ceil(reach) * 2 + 1;
  const result = { stride, first: new Int32Array(to), taps: new Int32Array(to), weights: new Int32Array(to * stride) };
  const raw = new Float64Array(stride);
  for (let x = 0; x < to; x++) {
    const center = (x + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const taps = Math.min(from, Math.trunc(center + reach + 0.5)) - first;
    let sum = 0;
    for (let k = 0; k < taps; k++) sum += raw[k] = weight((k + first - center + 0.5) / widened);
    const norm = sum === 0 ? 1 : sum;
    for (let k = 0; k < taps; k++) result.weights[x * stride + k] = fixedPoint(raw[k] / norm);
    result.first[x] = first;
    result.taps[x] = taps;
  }
  return result;
}

function fixedPoint(value: number): number {
  return Math.trunc(value * (1 << PRECISION) + (value < 0 ? -0.5 : 0.5));
}

const HALF = 1 << (PRECISION - 1);

function clip(sum: number): number {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

// source [h, from, 3] → [h, to, 3]
function resizeRows(source: Uint8Array, from: number, to: number, height: number, filter: Filter): Uint8Array {
  const { stride, first, taps, weights } = windows(from, to, filter);
  const result = new Uint8Array(height * to * 3);
  for (let x = 0; x < to; x++) {
    const [start, count, base] = [first[x] * 3, taps[x], x * stride];
    for (let y = 0; y < height; y++) {
      let at = y * from * 3 + start;
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let k = 0; k < count; k++, at += 3) {
        const weight = weights[base + k];
        red += source[at] * weight;
        green += source[at + 1] * weight;
        blue += source[at + 2] * weight;
      }
      const out = (y * to + x) * 3;
      result[out] = clip(red);
      result[out + 1] = clip(green);
      result[out + 2] = clip(blue);
    }
  }
  return result;
}

// source [from, w, 3] → [to, w, 3], a row of sums at a time so that memory is read in order
function resizeColumns(source: Uint8Array, from: number, to: number, width: number, filter: Filter): Uint8Array {
  const { stride, first, taps, weights } = windows(from, to, filter);
  const row = width * 3;
  const result = new Uint8Array(to * row);
  const sums = new Int32Array(row);
  for (let y = 0; y < to; y++) {
    sums.fill(HALF);
    for (let k = 0; k < taps[y]; k++) {
      const weight = weights[y * stride + k];
      const start = (first[y] + k) * row;
      for (let at = 0; at < row; at++) sums[at] = sums[at] + source[start + at] * weight;
    }
    for (let at = 0; at < row; at++) result[y * row + at] = clip(sums[at]);
  }
  return result;
}

/** Resizes `pixels` with antialiasing, as Pillow's `resize` does. */
export function resizePixels(pixels: Pixels, size: { width: number; height: number }, filter: Filter): Pixels {
  const { width, height } = size;
  let { data } = pixels;
  if (width !== pixels.width) data = resizeRows(data, pixels.width, width, pixels.height, filter);
  if (height !== pixels.height) data = resizeColumns(data, pixels.height, height, width, filter);
  return { width, height, data };
}

/** Copies the rectangle `crop` of `pixels`; returns `pixels` themselves for null. */
export function cropPixels(pixels: Pixels, crop: Crop | null): Pixels {
  if (!crop) return pixels;
  const { left, top, width, height } = crop;
  if (left < 0 || top < 0 || left + width > pixels.width || top + height > pixels.height)
    throw new Error(`cropPixels: ${JSON.stringify(crop)} is not inside ${pixels.width} × ${pixels.height}`);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * pixels.width + left) * 3;
    data.set(pixels.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, data };
}

/** Copies an image, mirrored left to right. */
export function flipRows({ width, height, data }: Pixels): Pixels {
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    let to = (y * width + width - 1) * 3;
    for (let from = y * width * 3; from < (y + 1) * width * 3; from += 3, to -= 3) {
      result[to] = data[from]!;
      result[to + 1] = data[from + 1]!;
      result[to + 2] = data[from + 2]!;
    }
  }
  return { width, height, data: result };
}

/**
 * Cuts a square of `side` pixels whose upper left corner is at (left, top); beyond the edge it is black or mirrored.
 */
export function cutWindow({ width, height, data }: Pixels, window: CutWindow): Pixels {
  const { left, top, side, padding } = window;
  const result = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [fromX, fromY] = [left + x, top + y];
      const inside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      if (!inside && padding === 'black') continue;
      const start = (mirrored(fromY, height) * width + mirrored(fromX, width)) * 3;
      result.set(data.subarray(start, start + 3), (y * side + x) * 3);
    }
  return { width: side, height: side, data: result };
}

export interface CutWindow {
  left: number;
  top: number;
  side: number;
  padding: 'black' | 'mirror';
}

// The edge pixel itself is not repeated.
function mirrored(index: number, count: number): number {
  if (index < 0) return Math.min(-index, count - 1);
  return index < count ? index : Math.max(0, 2 * count - 2 - index);
}
