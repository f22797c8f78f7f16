import { inflateRawSync } from 'node:zlib';
import { badFormat, readChecked, uint64At, viewOf, type ByteSource } from './source.ts';
import { reason } from '../protocol/reasons.ts';

/**
 * Reading zip archives as torch writes them: by the central directory, entries stored without compression. Deflated
 * entries are read too, within bounds. Checksums are not compared: torch has an option to write none.
 */

const [LOCAL, CENTRAL, END, END64, LOCATOR64] = [0x04034b50, 0x02014b50, 0x06054b50, 0x06064b50, 0x07064b50];
const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY = 64 << 20;
/** Deflate cannot do better than this; what claims to is a bomb. */
const MAX_RATIO = 1032;
const MAX_INFLATED = 256 << 20;
/** How often all that is deflated may be inflated: a thousand views on one storage must not inflate it a thousand times. */
const MAX_INFLATIONS = 8;

/** One file in the archive. */
export interface ZipEntry {
  name: string;
  /** Of the content, bytes. */
  size: number;
  /** Part of the content. A deflated entry is inflated whole for it. @throws StillhouseError `weights.format` */
  read(offset: number, length: number): Uint8Array;
}

interface Record {
  name: string;
  method: number;
  packed: number;
  size: number;
  local: number;
  start: number;
}

/** Tells whether the bytes start like a zip archive. */
export function looksLikeZip(source: ByteSource): boolean {
  return source.size >= 22 && viewOf(source.read(0, 4)).getUint32(0, true) === LOCAL;
}

/**
 * Reads the entries of an archive by name. Directory, local headers and ranges are checked; contents are read on
 * demand.
 * @throws StillhouseError `weights.format`
 */
export function readZip(source: ByteSource, path: string): Map<string, ZipEntry> {
  const directory = findDirectory(source, path);
  const records = readDirectory(source, directory, path);
  checkOverlap(records, directory.offset, path);
  const deflated = records.filter(({ method }) => method === 8);
  const budget = { left: MAX_INFLATIONS * deflated.reduce((sum, { size }) => sum + size, 0) };
  return new Map(records.map((record) => [record.name, toEntry(source, record, budget, path)]));
}

interface Directory {
  offset: number;
  size: number;
  count: number;
}

function findDirectory(source: ByteSource, path: string): Directory {
  const tailSize = Math.min(source.size, 22 + 0xffff);
  const tail = viewOf(source.read(source.size - tailSize, tailSize));
  for (let at = tailSize - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END || at + 22 + tail.getUint16(at + 20, true) !== tailSize) continue;
    const end = source.size - tailSize + at;
    const plain = {
      count: tail.getUint16(at + 10, true),
      size: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const directory = readEnd64(source, end, path) ?? plain;
    if (directory.offset + directory.size > end) throw badFormat(path, reason('zip.directory-beyond'));
    return directory;
  }
  throw badFormat(path, reason('zip.cut'));
}

function readEnd64(source: ByteSource, end: number, path: string): Directory | null {
  if (end < 20) return null;
  const locator = viewOf(source.read(end - 20, 20));
  if (locator.getUint32(0, true) !== LOCATOR64) return null;
  const record = viewOf(readChecked(source, uint64At(locator, 8), 56, path, reason('part.zip64')));
  if (record.getUint32(0, true) !== END64) throw badFormat(path, reason('zip.zip64'));
  return { count: uint64At(record, 32), size: uint64At(record, 40), offset: uint64At(record, 48) };
}

function readDirectory(source: ByteSource, { offset, size, count }: Directory, path: string): Record[] {
  if (size > MAX_DIRECTORY || count > MAX_ENTRIES || count * 46 > size)
    throw badFormat(path, reason('zip.claims', { count, bytes: size }));
  const view = viewOf(readChecked(source, offset, size, path, reason('part.zip')));
  const records: Record[] = [];
  const names = new Set<string>();
  for (let at = 0, i = 0; i < count; i++) {
    const { record, next } = readRecord(view, at, path);
    if (names.has(record.name)) throw badFormat(path, reason('zip.twice', { name: record.name }));
    names.add(record.name);
    records.push({ ...record, start: contentStart(source, record, path) });
    at = next;
  }
  return records;
}

function readRecord(view: DataView, at: number, path: string): { record: Omit<Record, 'start'>; next: number } {
  const malformed = () => badFormat(path, reason('zip.directory'));
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== CENTRAL) throw malformed();
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
  const extraAt = at + 46 + nameLength;
  const next = extraAt + extraLength + commentLength;
  if (next > view.byteLength) throw malformed();
  const name = textOf(view, at + 46, nameLength);
  if (view.getUint16(at + 8, true) & 1) throw badFormat(path, reason('zip.encrypted', { name }));
  const fields = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  const [size, packed, local] = widen(fields, view, extraAt, extraLength, malformed);
  return { record: { name, method: view.getUint16(at + 10, true), size, packed, local }, next };
}

// A field of all ones stands in the zip64 extra, in this order.
function widen(fields: number[], view: DataView, at: number, length: number, malformed: () => Error): number[] {
  if (!fields.includes(0xffffffff)) return fields;
  for (let from = at; from + 4 <= at + length;) {
    const [id, bytes] = [view.getUint16(from, true), view.getUint16(from + 2, true)];
    if (id === 1 && from + 4 + bytes <= at + length) {
      let [next, left] = [from + 4, bytes];
      return fields.map((field) => {
        if (field !== 0xffffffff) return field;
        if (left < 8) throw malformed();
        [next, left] = [next + 8, left - 8];
        return uint64At(view, next - 8);
      });
    }
    from += 4 + bytes;
  }
  throw malformed();
}

function contentStart(source: ByteSource, record: Omit<Record, 'start'>, path: string): number {
  const header = viewOf(readChecked(source, record.local, 30, path, reason('part.zip-entry', { name: record.name })));
  if (header.getUint32(0, true) !== LOCAL) throw badFormat(path, reason('zip.elsewhere', { name: record.name }));
  const [nameLength, extraLength] = [header.getUint16(26, true), header.getUint16(28, true)];
  const name = readChecked(
    source,
    record.local + 30,
    nameLength,
    path,
    reason('part.zip-entry', { name: record.name }),
  );
  if (textOf(viewOf(name), 0, nameLength) !== record.name)
    throw badFormat(path, reason('zip.other-name', { name: record.name }));
  return record.local + 30 + nameLength + extraLength;
}

// Entries that share bytes make a small file unfold to a huge one.
function checkOverlap(records: readonly Record[], limit: number, path: string): void {
  const sorted = [...records].sort((a, b) => a.local - b.local);
  sorted.forEach((record, i) => {
    const end = record.start + record.packed;
    if (!(end <= (sorted[i + 1]?.local ?? limit))) throw badFormat(path, reason('zip.overlap', { name: record.name }));
    if (record.method === 0 && record.packed !== record.size)
      throw badFormat(path, reason('zip.sizes', { name: record.name }));
    const bound = Math.min(record.packed * MAX_RATIO, MAX_INFLATED);
    if (record.method === 8 && !(record.size <= bound))
      throw badFormat(path, reason('zip.bomb', { name: record.name, bytes: record.size, packed: record.packed }));
    if (record.method !== 0 && record.method !== 8)
      throw badFormat(path, reason('zip.method', { name: record.name, method: record.method }));
  });
}

function toEntry(source: ByteSource, record: Record, budget: { left: number }, path: string): ZipEntry {
  const { name, method, packed, size, start } = record;
  const read = (offset: number, length: number): Uint8Array => {
    if (!(offset >= 0 && length >= 0 && offset + length <= size))
      throw badFormat(path, reason('zip.short', { name, bytes: size }));
    if (method === 0) return readChecked(source, start + offset, length, path, reason('part.zip-entry', { name }));
    budget.left -= size;
    if (budget.left < 0) throw badFormat(path, reason('zip.again', { name }));
    return inflate(source.read(start, packed), size, name, path).slice(offset, offset + length);
  };
  return { name, size, read };
}

function inflate(packed: Uint8Array, size: number, name: string, path: string): Uint8Array {
  let content: Uint8Array;
  try {
    content = inflateRawSync(packed, { maxOutputLength: Math.max(size, 1) });
  } catch (error) {
    throw badFormat(path, reason('zip.inflate', { name }), error);
  }
  if (content.length !== size) throw badFormat(path, reason('zip.length', { name }));
  return content;
}

function textOf(view: DataView, at: number, length: number): string {
  return new TextDecoder('utf-8').decode(new Uint8Array(view.buffer, view.byteOffset + at, length));
}
