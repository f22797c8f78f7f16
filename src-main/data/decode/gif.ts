import { reason, ReasonError } from '../../protocol/reasons.ts';
import { endsEarly } from './ends-early.ts';
import type { Pixels } from './pixels.ts';

/**
 * First frames of GIFs, with the pixels that Pillow gives. TensorFlow's decoder makes transparent pixels black, puts a
 * small frame in the wrong place and takes a file that is cut short; no kept library gives indices and refuses that.
 */

export interface GifFrame {
  /** The screen, made larger where the frame reaches beyond it. */
  width: number;
  height: number;
  left: number;
  top: number;
  frameWidth: number;
  frameHeight: number;
  interlaced: boolean;
  /** Colours, three bytes each, or null: indices are shades of grey. */
  palette: Uint8Array | null;
  /** Index that is transparent, or null. */
  transparent: number | null;
  /** Where the size of the first code stands; the blocks follow. */
  offset: number;
}

/** Finds the first frame of a GIF; null when the file ends before it or holds something else. */
export function gifFrame(bytes: Uint8Array): GifFrame | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 13) return null;
  let [at, transparent] = [13, null as number | null];
  const shared = tableAt(bytes, 10, at);
  at += shared?.length ?? 0;
  while (at + 10 < bytes.length) {
    if (bytes[at] === 0x2c) {
      const [left, top] = [view.getUint16(at + 1, true), view.getUint16(at + 3, true)];
      const [frameWidth, frameHeight] = [view.getUint16(at + 5, true), view.getUint16(at + 7, true)];
      const own = tableAt(bytes, at + 9, at + 10);
      return {
        width: Math.max(view.getUint16(6, true), left + frameWidth),
        height: Math.max(view.getUint16(8, true), top + frameHeight),
        ...{ left, top, frameWidth, frameHeight, transparent },
        interlaced: (bytes[at + 9] & 0x40) !== 0,
        palette: own ?? shared,
        offset: at + 10 + (own?.length ?? 0),
      };
    }
    if (bytes[at] === 0x3b) return null;
    if (bytes[at] !== 0x21) {
      at++;
      continue;
    }
    if (bytes[at + 1] === 0xf9 && bytes[at + 2] >= 4 && bytes[at + 3] & 1) transparent = bytes[at + 6];
    at += 2;
    while (at < bytes.length && bytes[at] !== 0) at += 1 + bytes[at];
    at++;
  }
  return null;
}

/** The colour table at `at` that the flags announce. */
function tableAt(bytes: Uint8Array, flags: number, at: number): Uint8Array | null {
  return bytes[flags] & 0x80 ? bytes.subarray(at, at + (3 << ((bytes[flags] & 7) + 1))) : null;
}

/**
 * Decodes the first frame of a GIF to RGB. A transparent pixel has its colour of the palette; around a frame that is
 * smaller than the screen lies the transparent colour, or the palette's first. Indices beyond the palette are black.
 * @throws ReasonError
 */
export function decodeGif(bytes: Uint8Array): Pixels {
  const frame = gifFrame(bytes);
  if (!frame) throw endsEarly();
  const { width, height, frameWidth, left, top, transparent } = frame;
  const indices = new Uint8Array(width * height).fill(transparent ?? 0);
  const packed = unpackCodes(bytes, frame);
  for (const [stored, y] of rowsOf(frame).entries())
    indices.set(packed.subarray(stored * frameWidth, (stored + 1) * frameWidth), (top + y) * width + left);
  const colours = Uint8Array.from({ length: 768 }, (_, at) =>
    frame.palette ? (frame.palette[at] ?? 0) : Math.floor(at / 3),
  );
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < indices.length; pixel++)
    for (let channel = 0; channel < 3; channel++) data[pixel * 3 + channel] = colours[indices[pixel] * 3 + channel];
  return { width, height, data };
}

/** Which row of the frame each stored row is. */
function rowsOf({ frameHeight, interlaced }: GifFrame): number[] {
  const passes = interlaced ? PASSES : ([[0, 1]] as const);
  return passes.flatMap(([first, step]) =>
    Array.from({ length: Math.max(0, Math.ceil((frameHeight - first) / step)) }, (_, at) => first + at * step),
  );
}

const PASSES = [
  [0, 8],
  [4, 8],
  [2, 4],
  [1, 2],
] as const;

const MOST_CODES = 4096;

/** Undoes the compression (LZW): indices of the frame in stored order. */
function unpackCodes(bytes: Uint8Array, { frameWidth, frameHeight, offset }: GifFrame): Uint8Array {
  const least = bytes[offset];
  if (!(least >= 1 && least <= 11)) throw new ReasonError(reason('image.bad-codes', { format: 'GIF' }));
  const out = new Uint8Array(frameWidth * frameHeight);
  const [clear, end] = [1 << least, (1 << least) + 1];
  // A code stands for the string of `before`, and `last` after it.
  const [before, last, stack] = [
    new Int16Array(MOST_CODES),
    new Uint8Array(MOST_CODES),
    new Uint8Array(MOST_CODES + 1),
  ];
  for (let code = 0; code < clear; code++) last[code] = code;
  const next = codesOf(bytes, offset + 1);
  let [filled, size, codes, previous, first] = [0, least + 1, end + 1, -1, 0];
  while (filled < out.length) {
    const code = next(size);
    if (code === end) throw endsEarly();
    if (code === clear) {
      [size, codes, previous] = [least + 1, end + 1, -1];
      continue;
    }
    if (code > codes || (code === codes && previous < 0) || (previous < 0 && code >= clear))
      throw new ReasonError(reason('image.bad-codes', { format: 'GIF' }));
    let [depth, at] = [0, code];
    if (code === codes) [stack[depth++], at] = [first, previous];
    for (; at >= clear; at = before[at]) stack[depth++] = last[at];
    stack[depth++] = first = last[at];
    while (depth > 0 && filled < out.length) out[filled++] = stack[--depth];
    if (previous >= 0 && codes < MOST_CODES) {
      [before[codes], last[codes]] = [previous, first];
      if (++codes === 1 << size && size < 12) size++;
    }
    previous = code;
  }
  return out;
}

/** Reads codes of a number of bits from the blocks at `start`. */
function codesOf(bytes: Uint8Array, start: number): (size: number) => number {
  let [at, left, held, bits] = [start, 0, 0, 0];
  return (size) => {
    while (bits < size) {
      if (left === 0) left = bytes[at++] ?? 0;
      if (left === 0 || at >= bytes.length) throw endsEarly();
      held |= bytes[at++] << bits;
      [bits, left] = [bits + 8, left - 1];
    }
    const code = held & ((1 << size) - 1);
    [held, bits] = [held >>> size, bits - size];
    return code;
  };
}
