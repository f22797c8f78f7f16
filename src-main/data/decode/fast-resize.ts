import type { Crop, Filter, Pixels } from './pixels.ts';
import { bytesOf, emptyRaster, freshMemory, kernels, memoryAt, put, take, type Raster } from './kernels.ts';
import { windows, type Windows } from './resize.ts';

/**
 * `resizePixels` with vector instructions: weights in 14 bits instead of 22, so that a value next to a half may round the
 * other way, in each of the two passes. Letters: x, y pixels of the result; k taps of a weight window.
 */
const PRECISION = 14;

/** Where the window of each pixel of the result begins, and `pairs` pairs of weights for each. */
interface Table {
  values: Int32Array;
  pairs: number;
}

/** Weights in 14 bits that sum to one exactly; `unit` bytes from one source pixel to the next. */
function tableOf({ stride, first, taps, weights }: Windows, unit: number, group: number, mirror: boolean): Table {
  const pairs = Math.ceil(taps.reduce((most, count) => Math.max(most, count), 0) / group) * (group / 2);
  const values = new Int32Array(first.length * (pairs + 1));
  const halves = new Int16Array(values.buffer);
  for (let x = 0; x < first.length; x++) {
    const start = (mirror ? first.length - 1 - x : x) * (pairs + 1);
    values[start] = first[x] * unit;
    const [count, base] = [taps[x], x * stride];
    let [rest, largest] = [1 << PRECISION, 0];
    for (let k = 0; k < count; k++) {
      const weight = Math.round(weights[base + k] / (1 << (22 - PRECISION)));
      halves[start * 2 + 2 + k] = weight;
      rest -= weight;
      if (weights[base + k] > weights[base + largest]) largest = k;
    }
    halves[start * 2 + 2 + largest] += rest;
  }
  return { values, pairs };
}

/** Tables by what they follow from, up to this many bytes: a data set has few sizes, and each table costs 20 µs. */
const MOST_TABLE_BYTES = 32 * 2 ** 20;
const tables = new Map<string, Table>();
let tableBytes = 0;

function table(from: number, to: number, filter: Filter, unit: number, group: number, mirror: boolean): Table {
  const key = `${from} ${to} ${filter} ${unit} ${group} ${mirror}`;
  const known = tables.get(key);
  if (known) return known;
  const made = tableOf(windows(from, to, filter), unit, group, mirror);
  tableBytes += made.values.byteLength;
  if (tableBytes > MOST_TABLE_BYTES) {
    tables.clear();
    tableBytes = made.values.byteLength;
  }
  tables.set(key, made);
  return made;
}

const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** The order to resize a part of an image. */
export interface ResizeOrder {
  /** null: all of it. */
  crop: Crop | null;
  size: { width: number; height: number };
  filter: Filter;
  /** Exchange left and right, which costs nothing here. */
  mirror: boolean;
}

/** Resizes a part of `source` with antialiasing, within one grey level of Pillow's resize (on noise, two). */
export function resizeRaster(source: Raster, { crop, size, filter, mirror }: ResizeOrder): Raster {
  const part = crop ?? { left: 0, top: 0, width: source.width, height: source.height };
  const row = size.width * 3;
  const stride = aligned(row);
  const middleStride = aligned(row + 1);
  const columns = table(part.width, size.width, filter, 3, 4, mirror);
  const rows = table(part.height, size.height, filter, middleStride, 2, false);
  const [columnTable, rowTable] = [put(columns.values), put(rows.values)];
  // Windows may reach one row further, with weight 0, and rows are made in twos.
  const middle = take(middleStride * (part.height + 2));
  const result = take(stride * size.height);
  const from = source.at + (part.top * source.width + part.left) * 3;
  const { across, down } = kernels();
  across(from, middle, part.height, source.width * 3, middleStride, columnTable, size.width, columns.pairs / 2);
  down(middle, result, size.height, middleStride, stride, rowTable, rows.pairs);
  if (stride !== row) {
    const bytes = memoryAt(result, stride * size.height);
    for (let y = 1; y < size.height; y++) bytes.copyWithin(y * row, y * stride, y * stride + row);
  }
  return { at: result, ...size };
}

/** Resizes as {@link resizeRaster} does an image outside the kernels' memory. */
export function fastResize(
  pixels: Pixels,
  crop: Crop | null,
  size: { width: number; height: number },
  filter: Filter,
  mirror = false,
): Pixels {
  freshMemory();
  const source = emptyRaster(pixels.width, pixels.height);
  bytesOf(source).set(pixels.data);
  return { ...size, data: bytesOf(resizeRaster(source, { crop, size, filter, mirror })).slice() };
}
