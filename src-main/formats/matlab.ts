import { inflateSync } from 'node:zlib';
import { ReasonError, reason } from '../protocol/reasons.ts';

/**
 * Enough of MATLAB's level 5 files (version 6 and later, compressed or not) to read a struct array of texts and
 * numbers, such as `synsets` in ImageNet's `meta.mat`, an array of numbers, or a cell array of texts. Letters: N elements of the array, F fields.
 */

/** One element of a struct array: text, numbers, or null for what is not read here (cells, structs in structs). */
export type MatlabStruct = Record<string, string | number[] | null>;

const INT8 = 1;
const MATRIX = 14;
const COMPRESSED = 15;
const CELL_CLASS = 1;
const STRUCT_CLASS = 2;
const CHAR_CLASS = 4;
/** Classes of numbers: double, single, and integers of 8 to 64 bits. */
const NUMERIC_CLASSES = [6, 15] as const;
/** Bytes that a compressed variable may unpack to. */
const LARGEST = 256 * 2 ** 20;
const MOST_FIELDS = 1000;

/** Reads the struct array `name` of a MATLAB file. @throws Error saying what is wrong with the file. */
export function readMatlabStructs(bytes: Uint8Array, name: string): MatlabStruct[] {
  return structs(variable(bytes, name));
}

/**
 * Reads the numbers of an array `name`, column by column, as level 5 stores them. Throws as {@link readMatlabStructs}.
 */
export function readMatlabNumbers(bytes: Uint8Array, name: string): number[] {
  const [flags, , , content] = variable(bytes, name);
  const kind = classOf(flags);
  const isNumeric = kind >= NUMERIC_CLASSES[0] && kind <= NUMERIC_CLASSES[1];
  if (!isNumeric) throw new ReasonError(reason('matlab.no-numbers', { name }));
  return content ? numbers(content) : [];
}

/** Reads the texts of a cell array `name`. Throws as {@link readMatlabStructs}. */
export function readMatlabTexts(bytes: Uint8Array, name: string): string[] {
  const [flags, , , ...cells] = variable(bytes, name);
  const texts = cells.map(valueOf);
  if (classOf(flags) !== CELL_CLASS || !texts.every((one): one is string => typeof one === 'string'))
    throw new ReasonError(reason('matlab.no-texts', { name }));
  return texts;
}

/** The elements of a variable: flags, dimensions, name, and what it holds. */
function variable(bytes: Uint8Array, name: string): Element[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < 128 || file.toString('latin1', 126, 128) !== 'IM') throw new ReasonError(reason('matlab.other'));
  for (const element of elements(file.subarray(128))) {
    const whole = element.type === COMPRESSED ? inflated(element.data) : null;
    const [matrix] = whole ? elements(whole) : [element];
    if (matrix?.type !== MATRIX) continue;
    const parts = [...elements(matrix.data)];
    if (text(parts[2]) === name) return parts;
  }
  throw new ReasonError(reason('matlab.no-variable', { name }));
}

function inflated(data: Buffer): Buffer {
  try {
    return inflateSync(data, { maxOutputLength: LARGEST });
  } catch (cause) {
    throw new ReasonError(reason('matlab.damaged'), { cause });
  }
}

interface Element {
  type: number;
  data: Buffer;
}

/** The elements that lie one after the other: 8 bytes of type and size, or 4 with up to 4 bytes of data after them. */
function* elements(bytes: Buffer): Generator<Element> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const first = bytes.readUInt32LE(at);
    const small = first >>> 16;
    const size = small || bytes.readUInt32LE(at + 4);
    const start = at + (small ? 4 : 8);
    if (start + size > bytes.length || small > 4) throw new ReasonError(reason('matlab.cut'));
    const type = small ? first & 0xffff : first;
    yield { type, data: bytes.subarray(start, start + size) };
    // Compressed elements are not padded to 8 bytes, all others are.
    at = small ? at + 8 : start + (type === COMPRESSED ? size : Math.ceil(size / 8) * 8);
  }
}

function structs(parts: readonly Element[]): MatlabStruct[] {
  const [flags, dimensions, , width, names, ...values] = parts;
  if (classOf(flags) !== STRUCT_CLASS || !dimensions || !width || !names)
    throw new ReasonError(reason('matlab.no-structs'));
  const length = numbers(width)[0] ?? 0;
  const count = numbers(dimensions).reduce((product, side) => product * side, 1);
  const fields = length > 0 ? Math.floor(names.data.length / length) : 0;
  if (fields < 1 || fields > MOST_FIELDS) throw new ReasonError(reason('matlab.fields', { count: fields }));
  if (values.length !== fields * count)
    throw new ReasonError(reason('matlab.values', { expected: fields * count, got: values.length }));
  const keys = Array.from({ length: fields }, (_, field) =>
    names.data.toString('latin1', field * length, (field + 1) * length).replace(/\0.*$/s, ''),
  );
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(keys.map((key, field) => [key, valueOf(values[row * fields + field])])),
  );
}

function valueOf({ type, data }: Element): MatlabStruct[string] {
  if (type !== MATRIX) return null;
  const [flags, , , content] = elements(data);
  const kind = classOf(flags);
  if (kind === CHAR_CLASS) return text(content);
  return kind >= NUMERIC_CLASSES[0] && kind <= NUMERIC_CLASSES[1] ? (content ? numbers(content) : []) : null;
}

function classOf(flags: Element | undefined): number {
  return flags && flags.data.length >= 4 ? flags.data[0] : 0;
}

/** Characters of 8 bits, UTF-8, or 16 bits. */
function text(element: Element | undefined): string {
  if (!element) return '';
  const wide = element.type === 4 || element.type === 17;
  return element.data.toString(wide ? 'utf16le' : element.type === INT8 ? 'latin1' : 'utf8');
}

/** Numbers by their type on disk, which may be narrower than that of the variable. */
function numbers({ type, data }: Element): number[] {
  const read = READERS[type];
  if (!read) throw new ReasonError(reason('matlab.numbers', { type }));
  const [bytes, at] = read;
  return Array.from({ length: Math.floor(data.length / bytes) }, (_, index) => at(data, index * bytes));
}

const READERS: Readonly<Record<number, readonly [bytes: number, at: (data: Buffer, offset: number) => number]>> = {
  1: [1, (data, at) => data.readInt8(at)],
  2: [1, (data, at) => data.readUInt8(at)],
  3: [2, (data, at) => data.readInt16LE(at)],
  4: [2, (data, at) => data.readUInt16LE(at)],
  5: [4, (data, at) => data.readInt32LE(at)],
  6: [4, (data, at) => data.readUInt32LE(at)],
  7: [4, (data, at) => data.readFloatLE(at)],
  9: [8, (data, at) => data.readDoubleLE(at)],
  12: [8, (data, at) => Number(data.readBigInt64LE(at))],
  13: [8, (data, at) => Number(data.readBigUInt64LE(at))],
};
