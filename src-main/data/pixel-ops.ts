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
  contrast: (pixels, factor) => blend(flat(pixels), pixels, factor),
  brightness: (pixels, factor) => blend({ ...pixels, data: new Uint8Array(pixels.data.length) }, pixels, factor),
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
  return (OPERATIONS[drawn.name] as Operation)(pixels, drawn.amount, settings);
}

function mapValues(pixels: Pixels, map: (value: number) => number): Pixels {
  const table = Uint8Array.from({ length: 256 }, (_, value) => map(value));
  return { ...pixels, data: pixels.data.map((value) => table[value]!) };
}

/** Maps each channel through a table made from its histogram; null leaves the channel as it is. */
function mapChannels(pixels: Pixels, tableOf: (histogram: Uint32Array) => Uint8Array | null): Pixels {
  const result = Uint8Array.from(pixels.data);
  for (let channel = 0; channel < 3; channel++) {
    const histogram = new Uint32Array(256);
    for (let at = channel; at < result.length; at += 3) histogram[result[at]!]!++;
    const table = tableOf(histogram);
    if (table) for (let at = channel; at < result.length; at += 3) result[at] = table[result[at]!]!;
  }
  return { ...pixels, data: result };
}

function stretchTable(histogram: Uint32Array): Uint8Array | null {
  const low = histogram.findIndex((count) => count > 0);
  const high = histogram.length - 1 - [...histogram].reverse().findIndex((count) => count > 0);
  if (high <= low) return null;
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return Uint8Array.from({ length: 256 }, (_, value) => clamp(Math.trunc(value * scale + offset)));
}

function equalizeTable(histogram: Uint32Array): Uint8Array | null {
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
  return (19595 * data[at]! + 38470 * data[at + 1]! + 7471 * data[at + 2]! + 0x8000) >> 16;
}

function greyed(pixels: Pixels): Pixels {
  const data = new Uint8Array(pixels.data.length);
  for (let at = 0; at < data.length; at += 3) data.fill(lightness(pixels.data, at), at, at + 3);
  return { ...pixels, data };
}

function flat(pixels: Pixels): Pixels {
  let sum = 0;
  for (let at = 0; at < pixels.data.length; at += 3) sum += lightness(pixels.data, at);
  const mean = Math.trunc(sum / (pixels.width * pixels.height) + 0.5);
  return { ...pixels, data: new Uint8Array(pixels.data.length).fill(mean) };
}

// Weights [1 1 1; 1 5 1; 1 1 1] / 13; the border stays. 13 is odd, so whole numbers round as Pillow's floats do.
function smoothed({ width, height, data }: Pixels): Pixels {
  const result = Uint8Array.from(data);
  const row = width * 3;
  for (let y = 1; y < height - 1; y++)
    for (let at = y * row + 3; at < (y + 1) * row - 3; at++) {
      const above = data[at - row - 3]! + data[at - row]! + data[at - row + 3]!;
      const below = data[at + row - 3]! + data[at + row]! + data[at + row + 3]!;
      const sum = above + below + data[at - 3]! + 5 * data[at]! + data[at + 3]!;
      result[at] = Math.floor((2 * sum + 13) / 26);
    }
  return { width, height, data: result };
}

/** Pillow's blend in single precision: from + factor · (to − from), truncated, clipped where the factor exaggerates. */
function blend(from: Pixels, to: Pixels, factor: number): Pixels {
  const alpha = Math.fround(factor);
  if (alpha === 0) return from;
  if (alpha === 1) return to;
  const steps = Float32Array.from({ length: 511 }, (_, difference) => alpha * (difference - 255));
  const data = new Uint8Array(from.data.length);
  for (let at = 0; at < data.length; at++) {
    const start = from.data[at]!;
    data[at] = clamp(Math.fround(start + steps[to.data[at]! - start + 255]!));
  }
  return { ...to, data };
}

function turned(pixels: Pixels, degrees: number, settings: OperationSettings): Pixels {
  const angle = degrees % 360 < 0 ? (degrees % 360) + 360 : degrees % 360;
  return angle === 0 ? pixels : affine(pixels, rotationMatrix(angle, pixels), settings);
}
