import { reason, type Reason } from '../../protocol/reasons.ts';

/** Prepares a JPEG for the engine's decoder (libjpeg). */

/** The sort of a JPEG, as its first frame says. */
export interface JpegSort {
  /** 0xc0 to 0xcf: how it is coded. */
  coding: number;
  bits: number;
  channels: number;
  /** Whether Adobe's marker stands before the frame's scan. */
  adobe: boolean;
}

/** Reads the sort of a JPEG; null when it has no frame. */
export function jpegSort(bytes: Uint8Array): JpegSort | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [sort, adobe] = [null as Omit<JpegSort, 'adobe'> | null, false];
  for (const { marker, start, end } of jpegSegments(view)) {
    if (marker === 0xda) break;
    adobe ||= marker === 0xee && end - start >= 12 && view.getUint32(start) === ADOB;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame && !sort && start + 6 <= end)
      sort = { coding: marker, bits: view.getUint8(start), channels: view.getUint8(start + 5) };
  }
  return sort && { ...sort, adobe };
}

const ADOB = 0x41646f62;
/** Codings that are read: baseline, extended, progressive; the same two by arithmetic. */
const READ = [0xc0, 0xc1, 0xc2, 0xc9, 0xca];

/** Returns why a JPEG of this sort is not read, or null. */
export function jpegRefusal({ coding, bits, channels }: JpegSort): Reason | null {
  if (!READ.includes(coding)) return reason('image.jpeg-lossless');
  if (bits !== 8) return reason('image.jpeg-deep', { bits });
  return [1, 3, 4].includes(channels) ? null : reason('image.jpeg-channels', { count: channels });
}

/**
 * Prepares a JPEG for the engine. Pillow takes four channels as inverted, as Adobe stores them, with or without Adobe's
 * marker; TensorFlow does so only with the marker, which is added where it is missing.
 */
export function jpegFile(bytes: Uint8Array, { channels, adobe }: JpegSort): Uint8Array {
  return channels === 4 && !adobe ? Buffer.concat([bytes.subarray(0, 2), MARKER, bytes.subarray(2)]) : bytes;
}

const MARKER = Buffer.from('ffee000e41646f6265006400000000'.padEnd(32, '0'), 'hex');

interface Segment {
  marker: number;
  /** First byte after the length. */
  start: number;
  end: number;
}

/** Lists the segments up to the start of the scan, included. A file that is cut inside a segment has fewer. */
export function* jpegSegments(view: DataView): Generator<Segment> {
  for (let at = 2; at + 4 <= view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return;
    const marker = view.getUint8(at + 1);
    const standsAlone = marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (standsAlone) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const end = at + 2 + Math.max(2, view.getUint16(at + 2));
    if (end > view.byteLength) return;
    yield { marker, start: at + 4, end };
    at = end;
  }
}
