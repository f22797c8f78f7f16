import { bmpHeader } from './bmp.ts';
import { gifFrame } from './gif.ts';

/** Formats that are recognised by their first bytes, whatever the file is called. `netpbm` is PPM, PGM and PBM. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'bmp' | 'webp' | 'netpbm' | 'tiff';

export interface ImageSize {
  format: ImageFormat;
  /** Pixels, as stored: a rotation asked for by EXIF is not applied. Both 0 for TIFF, which is only recognised. */
  width: number;
  height: number;
}

/**
 * Reads format and size of an image from its header, without decoding it. Every length is checked against the given
 * bytes.
 * @returns null when it is none of the formats, or the header is cut short or senseless.
 */
export function imageSize(bytes: Uint8Array): ImageSize | null {
  const reader = READERS.find(({ signature }) => signature(bytes));
  const size = reader?.size(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (!reader || !size) return null;
  const [width, height] = size;
  if (reader.format !== 'tiff' && (width < 1 || height < 1)) return null;
  return { format: reader.format, width, height };
}

type Size = readonly [width: number, height: number];
interface Reader {
  format: ImageFormat;
  signature(bytes: Uint8Array): boolean;
  size(view: DataView): Size | null;
}

const READERS: readonly Reader[] = [
  { format: 'jpeg', signature: startsWith(0xff, 0xd8, 0xff), size: jpegSize },
  { format: 'png', signature: startsWith(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), size: pngSize },
  { format: 'gif', signature: (bytes) => /^GIF8[79]a/.test(text(bytes, 0, 6)), size: gifSize },
  { format: 'bmp', signature: startsWith(0x42, 0x4d), size: bmpSize },
  {
    format: 'webp',
    signature: (bytes) => text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 12) === 'WEBP',
    size: webpSize,
  },
  { format: 'netpbm', signature: (bytes) => /^P[1-6][\s#]/.test(text(bytes, 0, 3)), size: netpbmSize },
  { format: 'tiff', signature: (bytes) => /^(II[*+]\0|MM\0[*+])/.test(text(bytes, 0, 4)), size: () => [0, 0] },
];

function startsWith(...signature: number[]): (bytes: Uint8Array) => boolean {
  return (bytes) => signature.every((byte, index) => bytes[index] === byte);
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

// Segments follow each other by their lengths; the frame header (SOF0 to SOF15, three codes excepted) has the size.
function jpegSize(view: DataView): Size | null {
  let at = 2;
  while (at + 9 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
    } else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
    } else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    } else if (marker === 0xd9 || marker === 0xda) {
      return null;
    } else {
      at += 2 + Math.max(2, view.getUint16(at + 2));
    }
  }
  return null;
}

function pngSize(view: DataView): Size | null {
  if (view.byteLength < 24 || view.getUint32(12) !== 0x49484452) return null;
  return [view.getUint32(16), view.getUint32(20)];
}

function gifSize(view: DataView): Size | null {
  const frame = gifFrame(bytesIn(view));
  return frame && [frame.width, frame.height];
}

function bmpSize(view: DataView): Size | null {
  const header = bmpHeader(bytesIn(view));
  return header && [header.width, header.height];
}

function bytesIn(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function webpSize(view: DataView): Size | null {
  if (view.byteLength < 30) return null;
  const kind = view.getUint32(12);
  if (kind === 0x56503858) return [1 + uint24(view, 24), 1 + uint24(view, 27)]; // VP8X
  if (kind === 0x56503820) return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff]; // VP8, lossy
  if (kind !== 0x5650384c || view.getUint8(20) !== 0x2f) return null;
  const bits = view.getUint32(21, true); // VP8L: 14 bits each
  return [1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff)];
}

function uint24(view: DataView, at: number): number {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}

function netpbmSize(view: DataView): Size | null {
  const header = netpbmHeader(bytesIn(view));
  return header && [header.width, header.height];
}

export interface NetpbmHeader {
  kind: 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6';
  width: number;
  height: number;
  /** Largest sample, 1 to 65535. */
  maximum: number;
  /** Where the samples begin. */
  offset: number;
}

/**
 * Reads the header of a PBM (P1, P4), PGM (P2, P5) or PPM (P3, P6): numbers between white space, comments from # to the
 * end of the line.
 */
export function netpbmHeader(bytes: Uint8Array): NetpbmHeader | null {
  const start = text(bytes, 0, 4096);
  const gap = '(?:\\s|#[^\\n]*\\n)+';
  const match =
    new RegExp(`^(P[2356])${gap}(\\d{1,9})${gap}(\\d{1,9})${gap}(\\d{1,5})\\s`).exec(start) ??
    new RegExp(`^(P[14])${gap}(\\d{1,9})${gap}(\\d{1,9})(\\s)`).exec(start);
  if (!match) return null;
  const [width, height] = [Number(match[2]), Number(match[3])];
  const maximum = /P[14]/.test(match[1]) ? 1 : Number(match[4]);
  if (maximum < 1 || maximum > 65535) return null;
  return { kind: match[1] as NetpbmHeader['kind'], width, height, maximum, offset: match[0].length };
}
