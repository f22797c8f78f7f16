import { crc32, deflateSync, inflateSync } from 'node:zlib';
import type { Pixels } from './pixels.ts';

/**
 * Enough of PNG to build a data set without an engine: reads 8-bit and palette images that are not interlaced, writes
 * RGB. The training path decodes with the engine.
 */

/** RGBA bytes, row by row. */
export interface PixelsWithAlpha {
  width: number;
  height: number;
  data: Uint8Array;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const LARGEST_SIDE = 8192;
/** Samples a pixel by PNG's colour type: grey, RGB, palette, grey and alpha, RGBA. */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

interface Header {
  width: number;
  height: number;
  depth: number;
  colour: number;
}

/**
 * Decodes a PNG.
 * @throws Error when it is damaged or of a kind that is not read here (16 bits, interlaced).
 */
export function decodePng(bytes: Uint8Array): PixelsWithAlpha {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!file.subarray(0, 8).equals(SIGNATURE)) throw new Error('decodePng: no PNG signature');
  const chunks = chunksOf(file);
  const header = headerOf(chunks);
  const { width, height, depth, colour } = header;
  const rowBytes = Math.ceil((width * CHANNELS[colour] * depth) / 8);
  const expected = height * (rowBytes + 1);
  const packed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data));
  const raw = inflateSync(packed, { maxOutputLength: expected });
  if (raw.length !== expected) throw new Error(`decodePng: expected ${expected} bytes of pixels, got ${raw.length}`);
  const step = Math.max(1, (CHANNELS[colour] * depth) >> 3);
  return { width, height, data: toRgba(unfilter(raw, height, rowBytes, step), header, rowBytes, chunks) };
}

interface Chunk {
  type: string;
  data: Buffer;
}

function chunksOf(file: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at);
    if (length > file.length - at - 12) throw new Error('decodePng: a chunk is longer than the file');
    const body = file.subarray(at + 4, at + 8 + length);
    if (crc32(body) !== file.readUInt32BE(at + 8 + length)) throw new Error('decodePng: a checksum is wrong');
    chunks.push({ type: body.toString('latin1', 0, 4), data: body.subarray(4) });
    at += 12 + length;
  }
  return chunks;
}

function headerOf(chunks: Chunk[]): Header {
  const data = chunks[0]?.type === 'IHDR' ? chunks[0].data : undefined;
  if (data?.length !== 13) throw new Error('decodePng: no header');
  const [width, height, depth, colour] = [data.readUInt32BE(0), data.readUInt32BE(4), data[8], data[9]];
  const known = CHANNELS[colour] !== undefined && (depth === 8 || (colour === 3 && [1, 2, 4].includes(depth)));
  if (!known || data[12] !== 0) throw new Error(`decodePng: colour type ${colour} with ${depth} bits is not read here`);
  if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE)
    throw new Error(`decodePng: ${width} × ${height} pixels`);
  return { width, height, depth, colour };
}

// Undoes the per-row prediction: [height, 1 + rowBytes] → [height, rowBytes].
function unfilter(raw: Buffer, height: number, rowBytes: number, step: number): Uint8Array {
  const rows = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (rowBytes + 1)];
    for (let x = 0; x < rowBytes; x++) {
      const at = y * rowBytes + x;
      const left = x >= step ? rows[at - step] : 0;
      const up = y > 0 ? rows[at - rowBytes] : 0;
      const corner = x >= step && y > 0 ? rows[at - rowBytes - step] : 0;
      rows[at] = raw[y * (rowBytes + 1) + 1 + x] + predicted(filter, left, up, corner);
    }
  }
  return rows;
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) throw new Error(`decodePng: row filter ${filter}`);
  const [toLeft, toUp, toCorner] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs) as [
    number,
    number,
    number,
  ];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

function toRgba(rows: Uint8Array, header: Header, rowBytes: number, chunks: Chunk[]): Uint8Array {
  const { width, height, depth, colour } = header;
  const palette = chunks.find(({ type }) => type === 'PLTE')?.data;
  const alphas = chunks.find(({ type }) => type === 'tRNS')?.data;
  if (colour === 3 && !palette) throw new Error('decodePng: no palette');
  const channels = CHANNELS[colour];
  const data = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    if (palette && colour === 3) {
      const bit = x * depth;
      const entry = (rows[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
      for (let c = 0; c < 3; c++) data[pixel * 4 + c] = palette[entry * 3 + c] ?? 0;
      data[pixel * 4 + 3] = alphas?.[entry] ?? 255;
    } else {
      const at = y * rowBytes + x * channels;
      for (let c = 0; c < 3; c++) data[pixel * 4 + c] = rows[at + (channels > 2 ? c : 0)]!;
      data[pixel * 4 + 3] = channels % 2 === 0 ? rows[at + channels - 1] : 255;
    }
  }
  return data;
}

/** Lays `pixels` over one colour, so that no transparency is left. */
export function onBackground({ width, height, data }: PixelsWithAlpha, background: readonly number[]): Pixels {
  const result = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const alpha = data[pixel * 4 + 3] / 255;
    for (let c = 0; c < 3; c++)
      result[pixel * 3 + c] = Math.round(data[pixel * 4 + c] * alpha + background[c] * (1 - alpha));
  }
  return { width, height, data: result };
}

/** Encodes an 8-bit RGB PNG. */
export function encodePng({ width, height, data }: Pixels): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = width * 3;
  const raw = Buffer.alloc(height * (row + 1));
  // Each row is written as the difference to the one above (filter 2): it compresses well.
  for (let y = 0; y < height; y++) {
    raw[y * (row + 1)] = 2;
    for (let x = 0; x < row; x++)
      raw[y * (row + 1) + 1 + x] = data[y * row + x] - (y > 0 ? data[(y - 1) * row + x] : 0);
  }
  const body = deflateSync(raw, { level: 6 });
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  frame.set(body, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}
