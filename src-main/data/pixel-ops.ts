import { affine, rotationMatrix, type Resampling } from './affine.ts';
import { gaussianBlur } from './blur.ts';
import type { Pixels } from './decode.ts';

/**
 * The operations of RandAugment, AutoAugment, 3-Augment and colour jitter on 8-bit RGB, each to the bit as Pillow does
 * it under timm. An operation drawn is plain data: its name and one number.
 *
 * To add one: 1. its name in {@link OPERATIONS}, 2. what draws it (`auto-augment.ts`, `augment.ts`), 3. a case in
 * `tests/parity/make-augment-fixtures.py`.
 */
export interface DrawnOperation {
  name: OperationName;
  /** Degrees, bits, threshold, factor, slope, pixels or radius; 0 where the operation takes nothing. */
  amount: number;
}

export interface OperationSettings {
  /** What comes in from outside the picture. */
  fill: readonly [number, number, number];
  resampling: Resampling;
}

type Operation = (pixels: Pixels, amount: number, settings: OperationSettings) => Pixels;

const OPERATIONS = {
  /** Stretches each channel to 0..255. */
  autoContrast: (pixels) => mapChannels(pixels, stretchTable),
  /** Evens out each channel's histogram. */
  equalize: (pixels) => mapChannels(pixels, equalizeTable),
  invert: (pixels) => mapValues(pixels, (value) => 255 - value),
  /** Keeps the upper `amount` bits; 0 gives black. */
  posterize: (pixels, bits) => (bits >= 8 ? pixels : mapValues(pixels, (value) => value & ~(2 ** (8 - bits) - 1))),
  /** Inverts values from `amount` on. */
  solarize: (pixels, threshold) => mapValues(pixels, (value) => (value < threshold ? value : 255 - value)),
  /** Adds `amount` to values below 128. */
  solarizeAdd: (pixels, add) => mapValues(pixels, (value) => (value < 128 ? Math.min(255, value + add) : value)),
  /** Factors: 0 gives the plain side (grey, flat, black, blurred), 1 the picture, more exaggerates. */
  color: (pixels, factor) => blend(greyed(pixels), pixels, factor),
  contrast: (pixels, factor) => blendWith(meanLightness(pixels), pixels, factor),
  brightness: (pixels, factor) => blendWith(0, pixels, factor),
  sharpness: (pixels, factor) => blend(smoothed(pixels), pixels, factor),
  rotate: (pixels, degrees, settings) => turned(pixels, degrees, settings),
  shearX: (pixels, slope, settings) => affine(pixels, [1, slope, 0, 0, 1, 0], settings),
  shearY: (pixels, slope, settings) => affine(pixels, [1, 0, 0, slope, 1, 0], settings),
  translateX: (pixels, shift, settings) => affine(pixels, [1, 0, shift, 0, 1, 0], settings),
  translateY: (pixels, shift, settings) => affine(pixels, [1, 0, 0, 0, 1, shift], settings),
  blur: (pixels, radius) => gaussianBlur(pixels, radius),
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** `pixels` after one operation; the argument itself is left alone. */
export function applyOperation(pixels: Pixels, drawn: DrawnOperation, settings: OperationSettings): Pixels {
  return OPERATIONS[drawn.name](pixels, drawn.amount, settings);
}

type Table = Uint8Array;

function mapValues(pixels: Pixels, map: (value: number) => number): Pixels {
  const table = Uint8Array.from({ length: 256 }, (_, value) => map(value));
  return { ...pixels, data: mapThrough(pixels.data, table, table, table) };
}

/** Maps each channel through a table made from its histogram; null leaves the channel as it is. */
function mapChannels(pixels: Pixels, tableOf: (histogram: Uint32Array) => Table | null): Pixels {
  const source = pixels.data;
  const tables = [0, 1, 2].map((channel) => {
    const histogram = new Uint32Array(256);
    for (let at = channel; at < source.length; at += 3) histogram[source[at]]++;
    return tableOf(histogram) ?? Uint8Array.from({ length: 256 }, (_, value) => value);
  });
  return { ...pixels, data: mapThrough(source, tables[0], tables[1], tables[2]) };
}

// Four pixels at a time as three words of four bytes (little-endian): three times as fast as byte by byte.
function mapThrough(data: Uint8Array, red: Table, green: Table, blue: Table): Uint8Array {
  const source = data.byteOffset % 4 === 0 ? data : data.slice();
  const result = new Uint8Array(source.length);
  const words = Math.floor(source.length / 12) * 3;
  const from = new Uint32Array(source.buffer, source.byteOffset, words);
  const to = new Uint32Array(result.buffer, 0, words);
  for (let at = 0; at < words; at += 3) {
    const [first, second, third] = [from[at], from[at + 1], from[at + 2]];
    to[at] = mapWord(first, red, green, blue, red);
    to[at + 1] = mapWord(second, green, blue, red, green);
    to[at + 2] = mapWord(third, blue, red, green, blue);
  }
  const tables = [red, green, blue];
  for (let at = words * 4; at < source.length; at++) result[at] = tables[at % 3][source[at]]!;
  return result;
}

function mapWord(word: number, a: Table, b: Table, c: Table, d: Table): number {
  return a[word & 255] | (b[(word >>> 8) & 255] << 8) | (c[(word >>> 16) & 255] << 16) | (d[word >>> 24] << 24);
}

function stretchTable(histogram: Uint32Array): Table | null {
  const low = histogram.findIndex((count) => count > 0);
  const high = histogram.length - 1 - [...histogram].reverse().findIndex((count) => count > 0);
  if (high <= low) return null;
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return Uint8Array.from({ length: 256 }, (_, value) => clamp(Math.trunc(value * scale + offset)));
}

function equalizeTable(histogram: Uint32Array): Table | null {
  const occupied = histogram.filter((count) => count > 0);
  if (occupied.length <= 1) return null;
  const total = occupied.reduce((sum, count) => sum + count, 0);
  const step = Math.floor((total - occupied.at(-1)!) / 255);
  if (step === 0) return null;
  let below = Math.floor(step / 2);
  return Uint8Array.from(histogram, (count) => {
    const value = clamp(Math.floor(below / step));
    below += count;
    return value;
  });
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function lightness(data: Uint8Array, at: number): number {
  return (19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2] + 0x8000) >> 16;
}

function greyed(pixels: Pixels): Pixels {
  const source = pixels.data;
  const data = new Uint8Array(source.length);
  for (let at = 0; at < data.length; at += 3) data[at] = data[at + 1] = data[at + 2] = lightness(source, at);
  return { ...pixels, data };
}

function meanLightness({ width, height, data }: Pixels): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 3) sum += lightness(data, at);
  return Math.trunc(sum / (width * height) + 0.5);
}

// Weights [1 1 1; 1 5 1; 1 1 1] / 13; the border stays. 13 is odd, so whole numbers round as Pillow's floats do.
function smoothed({ width, height, data }: Pixels): Pixels {
  const result = Uint8Array.from(data);
  const row = width * 3;
  for (let y = 1; y < height - 1; y++) {
    const [start, end] = [y * row + 3, (y + 1) * row - 3];
    for (let at = start; at < end; at++) {
      const above = data[at - row - 3] + data[at - row] + data[at - row + 3];
      const below = data[at + row - 3] + data[at + row] + data[at + row + 3];
      const sum = above + below + data[at - 3] + 5 * data[at] + data[at + 3];
      result[at] = ((2 * sum + 13) / 26) | 0;
    }
  }
  return { width, height, data: result };
}

/** Pillow's blend in single precision: from + factor · (to − from), truncated, clipped where the factor exaggerates. */
function blend(from: Pixels, to: Pixels, factor: number): Pixels {
  const alpha = Math.fround(factor);
  if (alpha === 0) return from;
  if (alpha === 1) return to;
  const steps = Float32Array.from({ length: 511 }, (_, difference) => alpha * (difference - 255));
  const [starts, ends] = [from.data, to.data];
  const data = new Uint8Array(starts.length);
  for (let at = 0; at < data.length; at++) {
    const start = starts[at];
    data[at] = clamp(Math.fround(start + steps[ends[at] - start + 255]));
  }
  return { ...to, data };
}

/** {@link blend} from a picture of the one value `start`. */
function blendWith(start: number, to: Pixels, factor: number): Pixels {
  const alpha = Math.fround(factor);
  if (alpha === 0) return mapValues(to, () => start);
  return mapValues(to, (end) => clamp(Math.fround(start + Math.fround(alpha * (end - start)))));
}

function turned(pixels: Pixels, degrees: number, settings: OperationSettings): Pixels {
  const angle = degrees % 360 < 0 ? (degrees % 360) + 360 : degrees % 360;
  return angle === 0 ? pixels : affine(pixels, rotationMatrix(angle, pixels), settings);
}
