import { shapeSize } from '../base/shape-size.ts';
import { DTYPE_BYTES, fromFloat32, MAX_RANK, namedArray } from './named-array.ts';
import type { ArrayToWrite, Dtype, NamedArray } from './named-array.ts';
import { HeaderScanner, type HeaderEntry } from './safetensors-header.ts';
import { badFormat, readChecked, uint64At, viewOf, type ByteSource } from './source.ts';
import { reason } from '../protocol/reasons.ts';

/**
 * The safetensors format: 8 bytes of header length, a JSON header of names, dtypes, shapes and byte ranges, then the
 * arrays without gap or overlap. Everything a file may claim is checked before anything is allocated for it.
 */

const MAX_HEADER = 100_000_000;

/** The content of a safetensors file. */
export interface Safetensors {
  metadata: Record<string, string>;
  tensors: Map<string, NamedArray>;
}

/** Tells whether the bytes start like a safetensors file: a header length, then an opening brace. */
export function looksLikeSafetensors(source: ByteSource): boolean {
  return source.size >= 9 && source.read(8, 1)[0] === 0x7b;
}

/**
 * Reads the header; arrays are read when asked for.
 * @throws StillhouseError `weights.format` for every way in which the file is not what the format demands.
 */
export function readSafetensors(source: ByteSource, path: string): Safetensors {
  const { text, dataStart } = readHeader(source, path);
  const { metadata, entries } = new HeaderScanner(text, (reason) => badFormat(path, reason)).scan();
  const dataLength = source.size - dataStart;
  checkLayout(entries, dataLength, path);
  const tensors = new Map<string, NamedArray>();
  for (const [name, { dtype, shape, begin, end }] of entries) {
    const read = () => source.read(dataStart + begin, end - begin);
    tensors.set(name, namedArray(dtype as Dtype, shape, read));
  }
  return { metadata, tensors };
}

function readHeader(source: ByteSource, path: string): { text: Uint8Array; dataStart: number } {
  const length = uint64At(viewOf(readChecked(source, 0, 8, path, reason('part.header-length'))), 0);
  if (length > MAX_HEADER)
    throw badFormat(path, reason('safetensors.header-long', { bytes: length, most: MAX_HEADER }));
  if (8 + length > source.size)
    throw badFormat(path, reason('safetensors.header-beyond', { bytes: length, left: source.size - 8 }));
  return { text: source.read(8, length), dataStart: 8 + length };
}

// The arrays must tile the data exactly: what no array covers could hide anything.
function checkLayout(entries: Map<string, HeaderEntry>, dataLength: number, path: string): void {
  for (const [name, entry] of entries) checkEntry(name, entry, path);
  const sorted = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  for (const [name, { begin, end }] of sorted) {
    if (begin !== reached) throw badFormat(path, reason('safetensors.gap', { name, begin, expected: reached }));
    reached = end;
  }
  if (reached > dataLength) throw badFormat(path, reason('safetensors.short', { needed: reached, has: dataLength }));
  if (reached < dataLength) throw badFormat(path, reason('safetensors.rest', { bytes: dataLength - reached }));
}

function checkEntry(name: string, { dtype, shape, begin, end }: HeaderEntry, path: string): void {
  if (!Object.hasOwn(DTYPE_BYTES, dtype)) throw badFormat(path, reason('safetensors.dtype', { name, dtype }));
  if (shape.length > MAX_RANK)
    throw badFormat(path, reason('safetensors.rank', { name, rank: shape.length, most: MAX_RANK }));
  const bytes = shapeSize(shape) * DTYPE_BYTES[dtype as Dtype];
  if (end - begin !== bytes)
    throw badFormat(path, reason('safetensors.span', { name, bytes: end - begin, needed: bytes }));
}

/** Counts the bytes of the file that {@link writeSafetensors} makes from the same arguments. */
export function safetensorsBytes(arrays: readonly ArrayToWrite[], metadata: Record<string, string>): number {
  return arrays.reduce((sum, array) => sum + bytesOf(array), encodeHeader(arrays, metadata).length);
}

/**
 * Writes a safetensors file, piece by piece: the header, padded so that the data starts at a multiple of 8, then each
 * array.
 * @throws Error when an array's values are not as many as its shape says: a defect of the caller.
 */
export function* writeSafetensors(
  arrays: readonly ArrayToWrite[],
  metadata: Record<string, string>,
): Generator<Uint8Array> {
  yield encodeHeader(arrays, metadata);
  for (const array of arrays) yield encodeArray(array);
}

/** Encodes the elements of an array as bytes of its dtype. */
export function encodeArray({ name, shape, dtype, values }: ArrayToWrite): Uint8Array {
  const floats = typeof values === 'function' ? values() : values;
  if (floats.length !== shapeSize(shape))
    throw new Error(`encodeArray: ${name} [${shape.join(', ')}] expected ${shapeSize(shape)}, got ${floats.length}`);
  return fromFloat32(dtype, floats);
}

function bytesOf({ shape, dtype }: ArrayToWrite): number {
  return shapeSize(shape) * DTYPE_BYTES[dtype];
}

function encodeHeader(arrays: readonly ArrayToWrite[], metadata: Record<string, string>): Uint8Array {
  const names = new Set(arrays.map((array) => array.name));
  if (names.size !== arrays.length || names.has('__metadata__'))
    throw new Error('encodeHeader: names must be distinct and none may be __metadata__');
  const fields = [`"__metadata__":${JSON.stringify(metadata)}`];
  let offset = 0;
  for (const array of arrays) {
    const end = offset + bytesOf(array);
    const value = { dtype: array.dtype, shape: array.shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(array.name)}:${JSON.stringify(value)}`);
    offset = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(',')}}`);
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  viewOf(header).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return header;
}
