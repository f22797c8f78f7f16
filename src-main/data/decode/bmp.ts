import { reason, ReasonError, type Reason } from '../../protocol/reasons.ts';
import { endsEarly } from './ends-early.ts';
import type { Pixels } from './pixels.ts';

/**
 * Windows bitmaps, with the pixels that Pillow gives: 1, 4, 8 (palette), 16, 24, 32 bits, RLE4 and RLE8, rows from
 * either end, OS/2's headers. TensorFlow's decoder takes indices for colours; no kept library refuses damaged files.
 */

export interface BmpHeader {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  compression: number;
  /** Where the palette begins, its entries, and the bytes of one. */
  palette: { offset: number; count: number; size: 3 | 4 };
  /** Where the pixels begin. */
  offset: number;
  masks: readonly [red: number, green: number, blue: number] | null;
}

const [RAW, RLE8, RLE4, BITFIELDS] = [0, 1, 2, 3];
const INSIDE: Readonly<Record<number, string>> = { 4: 'JPEG', 5: 'PNG' };

/** Reads the header of a BMP; null when it is cut short or of no known size. */
export function bmpHeader(bytes: Uint8Array): BmpHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 26) return null;
  const size = view.getUint32(14, true);
  if (14 + size > view.byteLength || ![12, 40, 52, 56, 64, 108, 124].includes(size)) return null;
  const old = size === 12;
  const tall = old ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(old ? 24 : 28, true);
  const compression = old ? RAW : view.getUint32(30, true);
  const count = (old ? 0 : view.getUint32(46, true)) || 2 ** bits;
  const entry = old ? 3 : 4;
  const masked = compression === BITFIELDS && bits > 8 && size !== 64;
  if (masked && view.byteLength < 66) return null;
  const start = 14 + size + (masked && size === 40 ? 12 : 0);
  let offset = view.getUint32(10, true);
  // Some writers state the end of the header and mean the end of the palette.
  if (bits <= 8 && (offset === 0 || offset === 14 + size)) offset = start + entry * count;
  return {
    width: old ? view.getUint16(18, true) : view.getInt32(18, true),
    height: Math.abs(tall),
    topDown: tall < 0,
    ...{ bits, compression, palette: { offset: start, count, size: entry }, offset: offset || start },
    masks: masked ? [view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true)] : null,
  };
}

/** Returns why a BMP with this header is not read, or null. */
export function bmpRefusal({ bits, compression, masks }: BmpHeader): Reason | null {
  if (INSIDE[compression]) return reason('image.bmp-inside', { format: INSIDE[compression] });
  const usual = bits === 32 && masks?.every((mask) => mask === 0);
  if (masks && [16, 24, 32].includes(bits) && (usual || masks.every(isRun))) return null;
  const known =
    (compression === RAW && [1, 4, 8, 16, 24, 32].includes(bits)) ||
    (compression === RLE8 && bits === 8) ||
    (compression === RLE4 && bits === 4);
  return known ? null : reason('image.bmp-other', { bits, compression });
}

/** Whether the bits of a mask stand side by side, at most eight of them. */
function isRun(mask: number): boolean {
  const run = mask / ((mask & -mask) >>> 0);
  return mask > 0 && run <= 255 && (run & (run + 1)) === 0;
}

/**
 * Decodes a BMP to RGB; alpha is dropped.
 * @throws ReasonError
 */
export function decodeBmp(bytes: Uint8Array): Pixels {
  const header = bmpHeader(bytes);
  if (!header) throw new ReasonError(reason('image.bad-header', { format: 'BMP' }));
  const refusal = bmpRefusal(header);
  if (refusal) throw new ReasonError(refusal);
  const { width, height, bits, compression } = header;
  if (compression === RLE8 || compression === RLE4) {
    const colours = paletteOf(bytes, header);
    const indices = unpackRuns(bytes, header);
    return coloured(header, (x, y) => colours(indices[y * width + x]));
  }
  const row = Math.ceil((width * bits) / 32) * 4;
  // Pillow, too, lets the padding of the last row be missing.
  if (header.offset + row * (height - 1) + Math.ceil((width * bits) / 8) > bytes.length) throw endsEarly();
  return coloured(header, bits <= 8 ? indexed(bytes, header, row) : direct(bytes, header, row));
}

/** The colour of a pixel of a stored row, as 0xRRGGBB. */
type Colour = (x: number, storedRow: number) => number;

function coloured({ width, height, topDown }: BmpHeader, colour: Colour): Pixels {
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    const stored = topDown ? y : height - 1 - y;
    for (let x = 0; x < width; x++) {
      const rgb = colour(x, stored);
      data[at++] = rgb >> 16;
      data[at++] = rgb >> 8;
      data[at++] = rgb;
    }
  }
  return { width, height, data };
}

/** Colours by index. @throws ReasonError for an index beyond the palette, once it is asked for. */
function paletteOf(bytes: Uint8Array, { palette: { offset, count, size } }: BmpHeader): (index: number) => number {
  const held = Math.min(count, 256, Math.floor((bytes.length - offset) / size));
  return (index) => {
    if (index >= held) throw new ReasonError(reason('image.colour-beyond', { index, count: held }));
    const at = offset + index * size;
    return (bytes[at + 2] << 16) | (bytes[at + 1] << 8) | bytes[at];
  };
}

function indexed(bytes: Uint8Array, header: BmpHeader, row: number): Colour {
  const colours = paletteOf(bytes, header);
  const { bits, offset } = header;
  return (x, y) => {
    const bit = x * bits;
    return colours((bytes[offset + y * row + (bit >> 3)] >> (8 - bits - (bit & 7))) & ((1 << bits) - 1));
  };
}

function direct(bytes: Uint8Array, { bits, offset, masks }: BmpHeader, row: number): Colour {
  const step = bits / 8;
  // Masks that are all 0 mean the usual order.
  const stated = masks?.some((mask) => mask !== 0) ? masks : null;
  const [red, green, blue] = (stated ?? (bits === 16 ? FIVES : BYTES)).map(channelOf);
  return (x, y) => {
    const at = offset + y * row + x * step;
    let value = bytes[at] | (bytes[at + 1] << 8);
    if (step > 2) value |= bytes[at + 2] << 16;
    if (step > 3) value |= bytes[at + 3] << 24;
    return (red(value) << 16) | (green(value) << 8) | blue(value);
  };
}

const FIVES = [0x7c00, 0x03e0, 0x001f];
const BYTES = [0xff0000, 0xff00, 0xff];

/** Takes one channel of a pixel, stretched to 0 … 255 and cut to a whole number, as Pillow cuts it. */
function channelOf(mask: number): (pixel: number) => number {
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  const table = Uint8Array.from({ length: most + 1 }, (_, value) => Math.floor((value * 255) / most));
  return (pixel) => table[(pixel >>> shift) & most];
}

/** Indices of a run-length coded image, [height, width] in stored order; what is skipped is index 0. */
function unpackRuns(bytes: Uint8Array, { width, height, compression, offset }: BmpHeader): Uint8Array {
  const indices = new Uint8Array(width * height);
  const nibbles = compression === RLE4;
  const entry = (from: number, number: number): number => {
    if (!nibbles) return bytes[from + number];
    return (bytes[from + (number >> 1)] >> (number & 1 ? 0 : 4)) & 15;
  };
  let [at, x, y] = [offset, 0, 0];
  const write = (count: number, index: (number: number) => number): void => {
    for (let number = 0; number < count && x < width; number++) indices[y * width + x++] = index(number);
  };
  while (y < height) {
    if (at + 2 > bytes.length) {
      if (y === height - 1 && x === width) break;
      throw endsEarly();
    }
    const [count, code] = [bytes[at], bytes[at + 1]];
    const from = at + 2;
    at = from;
    if (count > 0) write(count, (number) => (nibbles ? (code >> (number & 1 ? 0 : 4)) & 15 : code));
    else if (code === 0) [x, y] = [0, y + 1];
    else if (code === 1) break;
    else if (code === 2) {
      if (from + 2 > bytes.length) throw endsEarly();
      [x, y, at] = [x + bytes[from], y + bytes[from + 1], from + 2];
    } else {
      const size = nibbles ? (code + 1) >> 1 : code;
      if (from + size > bytes.length) throw endsEarly();
      write(code, (number) => entry(from, number));
      at = from + size + (size & 1);
    }
  }
  return indices;
}
