import { affine, rotationMatrix, type Resampling } from './affine.ts';
import { gaussianBlur } from './blur.ts';
import type { Pixels } from '../decode/pixels.ts';
import { bytesOf, emptyRaster, freshMemory, kernels, memoryAt, put, take, type Raster } from '../decode/kernels.ts';

/**
 * The operations of RandAugment, AutoAugment, 3-Augment and colour jitter on 8-bit RGB, each to the bit as Pillow does
 * it under timm. An operation drawn is plain data: its name and one number.
 *
 * To add one: "An augmentation of single images" in docs/adding.md.
 */
export interface DrawnOperation {
  name: OperationName;
  /** Degrees, bits, threshold, factor, slope, pixels or radius; 0 where the operation takes nothing. */
  amount: number;
}

export interface OperationSettings {
  /** The colour of points from outside the image. */
  fill: readonly [number, number, number];
  resampling: Resampling;
}

/** May overwrite its argument. */
type Operation = (raster: Raster, amount: number, settings: OperationSettings) => Raster;

const OPERATIONS = {
  /** Stretches each channel to 0..255. */
  autoContrast: (raster) => mapChannels(raster, channelRanges(raster).map(stretchTable)),
  /** Evens out each channel's histogram. */
  equalize: (raster) => mapChannels(raster, histograms(raster).map(equalizeTable)),
  invert: (raster) => inPlace(raster, (at, bytes) => kernels().invert(at, bytes)),
  /** Keeps the upper `amount` bits; 0 gives black. */
  posterize: (raster, bits) =>
    bits >= 8 ? raster : inPlace(raster, (at, bytes) => kernels().posterize(at, bytes, 256 - 2 ** (8 - bits))),
  /** Inverts values from `amount` on. */
  solarize: (raster, threshold) =>
    threshold > 255 ? raster : inPlace(raster, (at, bytes) => kernels().solarize(at, bytes, threshold)),
  /** Adds `amount` to values below 128. */
  solarizeAdd: (raster, add) => inPlace(raster, (at, bytes) => kernels().solarizeAdd(at, bytes, add)),
  /** Factors: 0 gives the plain side (grey, flat, black, blurred), 1 the image, more exaggerates. */
  color: (raster, factor) => inPlace(raster, (at, bytes) => kernels().blendGrey(at, bytes / 3, factor)),
  contrast: (raster, factor) => blendPlain(raster, meanLightness(raster), factor),
  brightness: (raster, factor) => blendPlain(raster, 0, factor),
  sharpness: sharpened,
  rotate: turned,
  shearX: (raster, slope, settings) => affine(raster, [1, slope, 0, 0, 1, 0], settings),
  shearY: (raster, slope, settings) => affine(raster, [1, 0, 0, slope, 1, 0], settings),
  translateX: (raster, shift, settings) => affine(raster, [1, 0, shift, 0, 1, 0], settings),
  translateY: (raster, shift, settings) => affine(raster, [1, 0, 0, 0, 1, shift], settings),
  blur: (raster, radius) => gaussianBlur(raster, radius),
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Applies `operations` to `raster` in order; `raster` may be overwritten. */
export function operateOn(raster: Raster, operations: readonly DrawnOperation[], settings: OperationSettings): Raster {
  return operations.reduce((seen, { name, amount }) => OPERATIONS[name](seen, amount, settings), raster);
}

/** Applies one operation to a copy of `pixels`. */
export function applyOperation(pixels: Pixels, drawn: DrawnOperation, settings: OperationSettings): Pixels {
  freshMemory();
  const raster = emptyRaster(pixels.width, pixels.height);
  bytesOf(raster).set(pixels.data);
  return { ...pixels, data: bytesOf(operateOn(raster, [drawn], settings)).slice() };
}

const bytesIn = ({ width, height }: Raster): number => width * height * 3;

function inPlace(raster: Raster, kernel: (at: number, bytes: number) => void): Raster {
  kernel(raster.at, bytesIn(raster));
  return raster;
}

/** Pillow's blend in single precision: from + factor · (to − from), truncated, clipped where the factor exaggerates. */
function blendPlain(raster: Raster, plain: number, factor: number): Raster {
  return inPlace(raster, (at, bytes) => kernels().blendPlain(at, bytes, plain, factor));
}

function sharpened({ at, width, height }: Raster, factor: number): Raster {
  const result = emptyRaster(width, height);
  kernels().sharpen(at, result.at, width, height, factor);
  return result;
}

function meanLightness(raster: Raster): number {
  const pixels = raster.width * raster.height;
  return Math.trunc(kernels().lightnessSum(raster.at, pixels) / pixels + 0.5);
}

type Table = Uint8Array;

/** Maps each channel through its table; null leaves it as it is. */
function mapChannels(raster: Raster, tables: (Table | null)[]): Raster {
  if (tables.every((table) => table === null)) return raster;
  const all = new Uint8Array(768);
  tables.forEach((table, channel) => all.set(table ?? IDENTITY, channel * 256));
  return inPlace(raster, (at, bytes) => kernels().lookUp(at, bytes / 3, put(all)));
}

const IDENTITY = Uint8Array.from({ length: 256 }, (_, value) => value);

/** Least and most value of each channel. */
function channelRanges(raster: Raster): [low: number, high: number][] {
  const bytes = bytesIn(raster);
  const groups = Math.floor(bytes / 48);
  const found: [number, number][] = [0, 1, 2].map(() => [255, 0]);
  const note = (value: number, place: number): void => {
    const range = found[place % 3];
    range[0] = Math.min(range[0], value);
    range[1] = Math.max(range[1], value);
  };
  if (groups > 0) {
    const out = take(96);
    kernels().ranges(raster.at, groups, out);
    memoryAt(out, 96).forEach(note);
  }
  memoryAt(raster.at + groups * 48, bytes - groups * 48).forEach(note);
  return found;
}

/** How often each value occurs in each channel. */
function histograms(raster: Raster): Uint32Array[] {
  const counts = take(3072);
  kernels().histogram(raster.at, raster.width * raster.height, counts);
  const { buffer } = memoryAt(counts, 3072);
  return [0, 1, 2].map((channel) => new Uint32Array(buffer, counts + channel * 1024, 256));
}

function stretchTable([low, high]: [number, number]): Table | null {
  if (high <= low) return null;
  const scale = 255 / (high - low);
  const offset = -low * scale;
  return Uint8Array.from(IDENTITY, (value) => clamp(Math.trunc(value * scale + offset)));
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

function turned(raster: Raster, degrees: number, settings: OperationSettings): Raster {
  const angle = degrees % 360 < 0 ? (degrees % 360) + 360 : degrees % 360;
  return angle === 0 ? raster : affine(raster, rotationMatrix(angle, raster), settings);
}
