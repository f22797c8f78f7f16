import { crc32 } from 'node:zlib';

/** One file to store; the content is asked for when its turn comes. */
export interface ZipContent {
  name: string;
  size: number;
  content: () => Uint8Array;
}

const ALIGNMENT = 64;
const MAX_32 = 0xffffffff;

interface Placed {
  name: Buffer;
  size: number;
  crc: number;
  offset: number;
}

/**
 * Writes a zip archive, piece by piece, as torch does: nothing compressed, each content at a multiple of 64 bytes.
 * Beyond 4 GB, or when `zip64` asks for it, the directory is in zip64 form.
 */
export function* writeZip(files: readonly ZipContent[], { zip64 = false } = {}): Generator<Uint8Array> {
  const placed: Placed[] = [];
  let offset = 0;
  for (const { name, size, content } of files) {
    const bytes = content();
    if (bytes.length !== size) throw new Error(`writeZip: ${name} expected ${size} bytes, got ${bytes.length}`);
    if (size >= MAX_32) throw new Error(`writeZip: ${name} has ${size} bytes, more than one entry may`);
    const entry = { name: Buffer.from(name), size, crc: crc32(bytes), offset };
    const head = localHeader(entry);
    yield head;
    yield bytes;
    placed.push(entry);
    offset += head.length + size;
  }
  const wide = zip64 || offset >= MAX_32 || placed.length >= 0xffff;
  const directory = Buffer.concat(placed.map((entry) => directoryHeader(entry, wide)));
  yield directory;
  if (wide) yield end64(placed.length, directory.length, offset);
  yield end(placed.length, directory.length, offset, wide);
}

/** Counts the bytes of the archive that {@link writeZip} makes from the same files. */
export function zipBytes(files: readonly { name: string; size: number }[]): number {
  let [offset, directory] = [0, 0];
  for (const { name, size } of files) {
    const entry = { name: Buffer.from(name), size, crc: 0, offset };
    offset += localHeader(entry).length + size;
    directory += directoryHeader(entry, false).length;
  }
  const wide = offset >= MAX_32 || files.length >= 0xffff;
  return offset + directory + 22 + (wide ? 76 + 28 * files.length : 0);
}

// The content is moved to its boundary by an extra field named FB, which torch fills with Z.
function localHeader({ name, size, crc, offset }: Placed): Buffer {
  const unpadded = offset + 30 + name.length + 4;
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  common(head, 4, name, size, crc);
  head.writeUInt16LE(4 + padding, 28);
  const extra = Buffer.alloc(4 + padding, 'Z');
  extra.write('FB', 0, 'latin1');
  extra.writeUInt16LE(padding, 2);
  return Buffer.concat([head, name, extra]);
}

function directoryHeader({ name, size, crc, offset }: Placed, wide: boolean): Buffer {
  const head = Buffer.alloc(46);
  head.writeUInt32LE(0x02014b50, 0);
  head.writeUInt16LE(wide ? 45 : 20, 4);
  common(head, 6, name, size, crc);
  head.writeUInt32LE(wide ? MAX_32 : offset, 42);
  if (!wide) return Buffer.concat([head, name]);
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  for (const [i, value] of [size, size, offset].entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  head.writeUInt32LE(MAX_32, 20);
  head.writeUInt32LE(MAX_32, 24);
  head.writeUInt16LE(28, 30);
  return Buffer.concat([head, name, extra]);
}

// The fields that local and directory headers share, from the version needed to the length of the name. Names are
// marked as UTF-8; the date is 1980-01-01, so that equal contents give equal files.
function common(head: Buffer, at: number, name: Buffer, size: number, crc: number): void {
  head.writeUInt16LE(20, at);
  head.writeUInt16LE(0x0800, at + 2);
  head.writeUInt16LE(0x21, at + 8);
  head.writeUInt32LE(crc, at + 10);
  head.writeUInt32LE(size, at + 14);
  head.writeUInt32LE(size, at + 18);
  head.writeUInt16LE(name.length, at + 22);
}

function end64(count: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(76);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  for (const [i, value] of [count, count, size, offset].entries()) record.writeBigUInt64LE(BigInt(value), 24 + 8 * i);
  record.writeUInt32LE(0x07064b50, 56);
  record.writeBigUInt64LE(BigInt(offset + size), 64);
  record.writeUInt32LE(1, 72);
  return record;
}

function end(count: number, size: number, offset: number, wide: boolean): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(wide ? 0xffff : count, 8);
  record.writeUInt16LE(wide ? 0xffff : count, 10);
  record.writeUInt32LE(wide ? MAX_32 : size, 12);
  record.writeUInt32LE(wide ? MAX_32 : offset, 16);
  return record;
}
