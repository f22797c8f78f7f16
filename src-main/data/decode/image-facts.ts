import { jpegSegments } from './jpeg.ts';
import { netpbmHeader, imageSize, type ImageFormat, type ImageSize } from './image-size.ts';

/** Something about an image that is no fault, but that a person should know of before training on it. */
export type ImageOddity = 'cmyk' | 'deep' | 'palette' | 'alpha' | 'animated' | 'rotated' | 'huge' | 'misnamed';

/** Facts that the file of an image states about itself, without decoding it. */
export interface ImageFacts {
  size: ImageSize | null;
  oddities: ImageOddity[];
  /** The file ends before the image does: its end mark is missing, or a stated length reaches beyond the file. */
  cutShort: boolean;
}

/** Above this an image is called huge. */
const HUGE_PIXELS = 100e6;

/**
 * Reads the structure of an image file. Every length is checked against the bytes given.
 * @param file its name, for a format that its ending does not say.
 */
export function imageFacts(bytes: Uint8Array, file: string): ImageFacts {
  const size = imageSize(bytes);
  const format = size?.format ?? formatOf(bytes);
  if (!format) return { size: null, oddities: [], cutShort: false };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = LOOKS[format](view);
  const oddities = [...new Set(found.oddities)];
  if (size && size.width * size.height > HUGE_PIXELS) oddities.push('huge');
  // What is called nothing, as an image of CIFAR, is called nothing wrong.
  if (/\.[^/]*$/.test(file) && !ENDINGS[format].test(file)) oddities.push('misnamed');
  return { size, oddities, cutShort: found.cutShort };
}

const ENDINGS: Readonly<Record<ImageFormat, RegExp>> = {
  jpeg: /\.(jpe?g|jpe|jfif)$/i,
  png: /\.png$/i,
  gif: /\.gif$/i,
  bmp: /\.bmp$/i,
  webp: /\.webp$/i,
  netpbm: /\.p[bgpn]m$/i,
  tiff: /\.tiff?$/i,
};

// A file that is cut in its header has no size, but is still of a format.
function formatOf(bytes: Uint8Array): ImageFormat | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return 'png';
  return null;
}

interface Look {
  oddities: ImageOddity[];
  cutShort: boolean;
}

const LOOKS: Readonly<Record<ImageFormat, (view: DataView) => Look>> = {
  jpeg: lookAtJpeg,
  png: lookAtPng,
  gif: lookAtGif,
  bmp: lookAtBmp,
  webp: lookAtWebp,
  netpbm: lookAtNetpbm,
  tiff: () => ({ oddities: [], cutShort: false }),
};

const EXIF = 'Exif\0\0';

function lookAtJpeg(view: DataView): Look {
  const oddities: ImageOddity[] = [];
  for (const { marker, start, end } of jpegSegments(view)) {
    if (marker === 0xda) return { oddities, cutShort: !hasEndMark(view, end) };
    if (marker === 0xe1 && textAt(view, start, start + 6) === EXIF && isTurned(view, start + 6, end))
      oddities.push('rotated');
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (!isFrame || start + 6 > end) continue;
    if (view.getUint8(start) > 8) oddities.push('deep');
    if (view.getUint8(start + 5) === 4) oddities.push('cmyk');
  }
  return { oddities, cutShort: true };
}

// Whatever follows the end mark, some cameras write their own data there, is no part of the image.
function hasEndMark(view: DataView, from: number): boolean {
  for (let at = view.byteLength - 2; at >= from; at--)
    if (view.getUint8(at + 1) === 0xd9 && view.getUint8(at) === 0xff) return true;
  return false;
}

/** Whether Exif data (a TIFF header and its first directory) ask for a turn or a mirroring. */
function isTurned(view: DataView, start: number, end: number): boolean {
  if (start + 8 > end) return false;
  const little = view.getUint16(start) === 0x4949;
  const directory = start + view.getUint32(start + 4, little);
  if (directory + 2 > end) return false;
  const count = view.getUint16(directory, little);
  for (let entry = 0; entry < count; entry++) {
    const at = directory + 2 + entry * 12;
    if (at + 12 > end) return false;
    if (view.getUint16(at, little) !== 0x0112) continue;
    const orientation = view.getUint16(at + 8, little);
    return orientation >= 2 && orientation <= 8;
  }
  return false;
}

function lookAtPng(view: DataView): Look {
  const oddities: ImageOddity[] = [];
  for (let at = 8; at + 12 <= view.byteLength;) {
    const length = view.getUint32(at);
    const kind = textAt(view, at + 4, at + 8);
    const start = at + 8;
    if (start + length + 4 > view.byteLength) break;
    if (kind === 'IEND') return { oddities, cutShort: false };
    if (kind === 'IHDR' && length >= 13)
      oddities.push(...pngHeader(view.getUint8(start + 8), view.getUint8(start + 9)));
    if (kind === 'tRNS') oddities.push('alpha');
    if (kind === 'acTL') oddities.push('animated');
    if (kind === 'eXIf' && isTurned(view, start, start + length)) oddities.push('rotated');
    at = start + length + 4;
  }
  return { oddities, cutShort: true };
}

function pngHeader(depth: number, colour: number): ImageOddity[] {
  if (colour === 3) return ['palette'];
  return [...(depth === 16 ? (['deep'] as const) : []), ...(colour === 4 || colour === 6 ? (['alpha'] as const) : [])];
}

function lookAtGif(view: DataView): Look {
  const oddities: ImageOddity[] = ['palette'];
  let frames = 0;
  let at = 13 + tableBytes(view, 10);
  while (at < view.byteLength) {
    const block = view.getUint8(at);
    if (block === 0x3b) return { oddities, cutShort: false };
    if (block === 0x2c && at + 10 < view.byteLength) {
      if (++frames === 2) oddities.push('animated');
      at = afterBlocks(view, at + 11 + tableBytes(view, at + 9));
    } else if (block === 0x21 && at + 3 < view.byteLength) {
      if (view.getUint8(at + 1) === 0xf9 && view.getUint8(at + 3) & 1) oddities.push('alpha');
      at = afterBlocks(view, at + 2);
    } else {
      break;
    }
  }
  return { oddities, cutShort: true };
}

/** Bytes of a colour table that the flags at `at` announce. */
function tableBytes(view: DataView, at: number): number {
  if (at >= view.byteLength) return 0;
  const flags = view.getUint8(at);
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}

function afterBlocks(view: DataView, start: number): number {
  let at = start;
  while (at < view.byteLength && view.getUint8(at) !== 0) at += 1 + view.getUint8(at);
  return at + 1;
}

function lookAtBmp(view: DataView): Look {
  if (view.byteLength < 30) return { oddities: [], cutShort: true };
  const isOld = view.getUint32(14, true) === 12;
  const bits = view.getUint16(isOld ? 24 : 28, true);
  const [width, height] = isOld
    ? [view.getUint16(18, true), view.getUint16(20, true)]
    : [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
  const isPlain = isOld || view.byteLength < 34 || view.getUint32(30, true) === 0;
  const rows = Math.ceil((width * bits) / 32) * 4 * height;
  return {
    oddities: bits <= 8 ? ['palette'] : [],
    cutShort: isPlain && view.getUint32(10, true) + rows > view.byteLength,
  };
}

function lookAtWebp(view: DataView): Look {
  const oddities: ImageOddity[] = [];
  const cutShort = 8 + view.getUint32(4, true) > view.byteLength;
  const kind = textAt(view, 12, 16);
  if (kind === 'VP8L' && view.byteLength >= 25 && (view.getUint32(21, true) >>> 28) & 1) oddities.push('alpha');
  if (kind !== 'VP8X' || view.byteLength < 21) return { oddities, cutShort };
  const flags = view.getUint8(20);
  if (flags & 0x10) oddities.push('alpha');
  if (flags & 0x02) oddities.push('animated');
  for (let at = 12; at + 8 <= view.byteLength;) {
    const length = view.getUint32(at + 4, true);
    const end = Math.min(view.byteLength, at + 8 + length);
    // Some writers put JPEG's mark before it.
    const skip = textAt(view, at + 8, at + 14) === EXIF ? 6 : 0;
    if (textAt(view, at, at + 4) === 'EXIF' && isTurned(view, at + 8 + skip, end)) oddities.push('rotated');
    at += 8 + length + (length & 1);
  }
  return { oddities, cutShort };
}

function lookAtNetpbm(view: DataView): Look {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const header = netpbmHeader(bytes);
  if (!header) return { oddities: [], cutShort: false };
  const { kind, width, height, maximum, offset } = header;
  const channels = kind === 'P3' || kind === 'P6' ? 3 : 1;
  const isRaw = kind === 'P5' || kind === 'P6';
  if (kind === 'P4') return { oddities: [], cutShort: view.byteLength - offset < Math.ceil(width / 8) * height };
  const needed = width * height * channels * (maximum > 255 ? 2 : 1);
  return {
    oddities: maximum > 255 ? ['deep'] : [],
    cutShort: isRaw && view.byteLength - offset < needed,
  };
}

function textAt(view: DataView, from: number, to: number): string {
  let text = '';
  for (let at = from; at < Math.min(to, view.byteLength); at++) text += String.fromCharCode(view.getUint8(at));
  return text;
}
