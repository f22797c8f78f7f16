import { endsEarly } from './ends-early.ts';

/**
 * Prepares a WebP for the engine's decoder (libwebp): it refuses alpha and animation, so the first frame is put in a
 * file of its own, without its alpha. The colours under it stay as they are stored, as in Pillow.
 */

export interface WebpFrame {
  /** A WebP that holds the frame and nothing else. */
  file: Uint8Array;
  /** Size of the whole image, and where in it the frame lies; the rest is black. */
  width: number;
  height: number;
  left: number;
  top: number;
  animated: boolean;
}

/** Finds the first frame of a WebP. @throws ReasonError when there is none. */
export function webpFrame(bytes: Uint8Array): WebpFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const canvas = { width: 0, height: 0, left: 0, top: 0, animated: false };
  let [at, end] = [12, Math.min(bytes.length, 8 + view.getUint32(4, true))];
  while (at + 8 <= end) {
    const kind = String.fromCharCode(...bytes.subarray(at, at + 4));
    const [start, length] = [at + 8, view.getUint32(at + 4, true)];
    if (start + length > end) break;
    if (kind === 'VP8 ' || kind === 'VP8L') return { file: fileOf(bytes.subarray(at, start + length)), ...canvas };
    if (kind === 'VP8X' && length >= 10) {
      canvas.width = 1 + uint24(view, start + 4);
      canvas.height = 1 + uint24(view, start + 7);
    }
    if (kind === 'ANMF' && length >= 16) {
      [canvas.animated, canvas.left, canvas.top] = [true, 2 * uint24(view, start), 2 * uint24(view, start + 3)];
      // The chunks of the frame stand inside this one.
      [at, end] = [start + 16, start + length];
    } else {
      at = start + length + (length & 1);
    }
  }
  throw endsEarly();
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}

/** Tells whether the engine can read the file as it is: one chunk, lossy or lossless and without alpha. */
export function isPlainWebp(bytes: Uint8Array): boolean {
  const lossless = bytes[15] === 0x4c;
  return bytes[15] === 0x20 || (lossless && (bytes[24] & ALPHA_USED) === 0);
}

/** Bit of the fifth byte of a lossless image that says that its alpha counts. */
const ALPHA_USED = 0x10;

function fileOf(chunk: Uint8Array): Uint8Array {
  const padded = chunk.length + (chunk.length & 1);
  const file = Buffer.alloc(12 + padded);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(4 + padded, 4);
  file.write('WEBP', 8, 'latin1');
  file.set(chunk, 12);
  if (file[15] === 0x4c && chunk.length >= 13) file[24] &= ~ALPHA_USED;
  return file;
}
