import type { Crop, Filter, Pixels } from './decode.ts';
import { windows, type Windows } from './resize.ts';
import { I32, i32, instantiate, repeat, V128, v128, type Code, type Local, type Memory } from './wasm.ts';

/**
 * `resizePixels` with vector instructions: weights in 14 bits instead of 22, so that a value next to a half may round the
 * other way, in each of the two passes. Letters: x, y pixels of the result; k taps of a weight window.
 */
const PRECISION = 14;
const HALF = 1 << (PRECISION - 1);

// Sums of four taps at a time: R, G and B of two neighbours side by side, for `dot16` with their two weights.
const FIRST_TWO = [0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16];
const NEXT_TWO = FIRST_TWO.map((lane) => (lane === 16 ? 16 : lane + 6));
const rounded = (sum: Code): Code => v128.shiftRight32(sum, i32.const(PRECISION));

/**
 * across(from, to, rows, fromStride, toStride, table, width, groups): rows [from…, 3] → [width, 3]. The table has, for
 * each x, the byte where its window begins and 2 · groups pairs of weights.
 */
const across = {
  name: 'across',
  parameters: 8,
  variables: [I32, I32, I32, I32, I32, V128, V128],
  body: (locals: Local[]): Code[] => {
    const [from, to, rows, fromStride, toStride, table, width, groups, x, entry, at, out, group, sum, pixels] =
      locals as [
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
      ];
    const taps = (lanes: readonly number[], offset: number): Code =>
      v128.dot16(v128.shuffle(pixels.get, v128.zero, lanes), v128.load32Splat(entry.get, offset));
    const fourTaps = [
      pixels.set(v128.load(at.get)),
      sum.set(v128.add32(sum.get, v128.add32(taps(FIRST_TWO, 0), taps(NEXT_TWO, 4)))),
      at.step(i32.const(12)),
      entry.step(i32.const(8)),
      group.step(i32.const(-1)),
    ];
    const onePixel = [
      at.set(i32.add(from.get, i32.load(entry.get))),
      entry.step(i32.const(4)),
      sum.set(v128.splat32(i32.const(HALF))),
      group.set(groups.get),
      repeat(fourTaps, i32.lessThan(i32.const(0), group.get)),
      sum.set(v128.narrow32(rounded(sum.get), v128.zero)),
      v128.store32(out.get, v128.narrow16(sum.get, v128.zero)),
      out.step(i32.const(3)),
      x.step(i32.const(-1)),
    ];
    const oneRow = [
      entry.set(table.get),
      out.set(to.get),
      x.set(width.get),
      repeat(onePixel, i32.lessThan(i32.const(0), x.get)),
      from.step(fromStride.get),
      to.step(toStride.get),
      rows.step(i32.const(-1)),
    ];
    return [repeat(oneRow, i32.lessThan(i32.const(0), rows.get))];
  },
};

const interleaved = (start: number): number[] =>
  Array.from({ length: 16 }, (_, lane) => start + (lane >> 1) + 16 * (lane & 1));

/**
 * down(from, to, rows, stride, table, pairs): columns [from…, stride] → [rows, stride]; stride is a multiple of 16. The
 * table has, for each y, the byte where its first row begins and `pairs` pairs of weights.
 */
const down = {
  name: 'down',
  parameters: 6,
  variables: [I32, I32, I32, I32, V128, V128, V128, V128, V128, V128, V128],
  body: (locals: Local[]): Code[] => {
    const [from, to, rows, stride, table, pairs, column, entry, at, pair, upper, lower, weights, s0, s1, s2, s3] =
      locals as [
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
      ];
    const half = (start: number): Code => v128.shuffle(upper.get, lower.get, interleaved(start));
    const add = (sum: Local, values: Code): Code => sum.set(v128.add32(sum.get, v128.dot16(values, weights.get)));
    const twoTaps = [
      upper.set(v128.load(at.get)),
      lower.set(v128.load(i32.add(at.get, stride.get))),
      weights.set(v128.load32Splat(entry.get)),
      add(s0, v128.extendLow8(half(0))),
      add(s1, v128.extendHigh8(half(0))),
      add(s2, v128.extendLow8(half(8))),
      add(s3, v128.extendHigh8(half(8))),
      at.step(i32.add(stride.get, stride.get)),
      entry.step(i32.const(4)),
      pair.step(i32.const(-1)),
    ];
    const sums = [s0, s1, s2, s3];
    const sixteenBytes = [
      at.set(i32.add(i32.add(from.get, column.get), i32.load(table.get))),
      entry.set(i32.add(table.get, i32.const(4))),
      ...sums.map((sum) => sum.set(v128.splat32(i32.const(HALF)))),
      pair.set(pairs.get),
      repeat(twoTaps, i32.lessThan(i32.const(0), pair.get)),
      v128.store(
        i32.add(to.get, column.get),
        v128.narrow16(v128.narrow32(rounded(s0.get), rounded(s1.get)), v128.narrow32(rounded(s2.get), rounded(s3.get))),
      ),
      column.step(i32.const(16)),
    ];
    const oneRow = [
      column.set(i32.const(0)),
      repeat(sixteenBytes, i32.lessThan(column.get, stride.get)),
      to.step(stride.get),
      table.step(i32.mul(i32.add(pairs.get, i32.const(1)), i32.const(4))),
      rows.step(i32.const(-1)),
    ];
    return [repeat(oneRow, i32.lessThan(i32.const(0), rows.get))];
  },
};

interface Kernels {
  memory: Memory;
  across(
    from: number,
    to: number,
    rows: number,
    fromStride: number,
    toStride: number,
    table: number,
    width: number,
    groups: number,
  ): void;
  down(from: number, to: number, rows: number, stride: number, table: number, pairs: number): void;
}

let loaded: Kernels | null = null;

function kernels(): Kernels {
  if (loaded) return loaded;
  const { memory, exports } = instantiate([across, down]);
  loaded = { memory, ...(exports as Omit<Kernels, 'memory'>) };
  return loaded;
}

const PAGE = 65536;
// Vector loads may reach this far past the last pixel.
const SLACK = 64;
const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** A table for one direction: places, and pairs of 14-bit weights that sum to one exactly. */
function tableOf(windows: Windows, unit: number, pairs: number, mirror = false): Int32Array {
  const { stride, first, taps, weights } = windows;
  const table = new Int32Array(first.length * (pairs + 1));
  const halves = new Int16Array(table.buffer);
  for (let x = 0; x < first.length; x++) {
    const start = (mirror ? first.length - 1 - x : x) * (pairs + 1);
    table[start] = first[x] * unit;
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
  return table;
}

/**
 * The part `crop` (null: all) of `pixels` resized with antialiasing, within one grey level of Pillow's resize (on noise,
 * two); with `mirror`, left and right exchanged, which costs nothing here.
 */
export function fastResize(
  pixels: Pixels,
  crop: Crop | null,
  size: { width: number; height: number },
  filter: Filter,
  mirror = false,
): Pixels {
  const part = crop ?? { left: 0, top: 0, width: pixels.width, height: pixels.height };
  const horizontal = windows(part.width, size.width, filter);
  const vertical = windows(part.height, size.height, filter);
  const groups = Math.ceil((horizontal.stride + 1) / 4);
  const pairs = Math.ceil(vertical.stride / 2);
  const columns = tableOf(horizontal, 3, 2 * groups, mirror);
  const [fromStride, stride] = [part.width * 3, aligned(size.width * 3)];
  const rows = tableOf(vertical, stride, pairs);

  const { memory, across, down } = kernels();
  const source = 0;
  const middle = aligned(source + fromStride * part.height + SLACK);
  const result = aligned(middle + stride * (part.height + 2) + SLACK);
  const columnTable = aligned(result + stride * size.height + SLACK);
  const rowTable = aligned(columnTable + columns.byteLength);
  const needed = rowTable + rows.byteLength + SLACK + 12 * groups;
  if (needed > memory.buffer.byteLength) memory.grow(Math.ceil((needed - memory.buffer.byteLength) / PAGE));

  const bytes = new Uint8Array(memory.buffer);
  for (let y = 0; y < part.height; y++) {
    const start = ((part.top + y) * pixels.width + part.left) * 3;
    bytes.set(pixels.data.subarray(start, start + fromStride), source + y * fromStride);
  }
  new Int32Array(memory.buffer, columnTable, columns.length).set(columns);
  new Int32Array(memory.buffer, rowTable, rows.length).set(rows);
  across(source, middle, part.height, fromStride, stride, columnTable, size.width, groups);
  down(middle, result, size.height, stride, rowTable, pairs);
  return { ...size, data: withoutPadding(bytes, result, size, stride) };
}

function withoutPadding(
  bytes: Uint8Array,
  start: number,
  { width, height }: { width: number; height: number },
  stride: number,
): Uint8Array {
  if (stride === width * 3) return bytes.slice(start, start + stride * height);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    data.set(bytes.subarray(start + y * stride, start + y * stride + width * 3), y * width * 3);
  return data;
}
