import { ReasonError, reason } from '../protocol/reasons.ts';
import { PickleDict, PickleGlobal, PickleRecord, PickleSpan, PickleTuple, unpickle } from './pickle.ts';
import { PickleReader } from './pickle-reader.ts';
import { badFormat, type ByteSource } from './source.ts';

/** Pickles of dicts, lists, texts, numbers and numpy's arrays: all that Python's CIFAR archives hold. */

const CORES = ['numpy.core', 'numpy._core'];
const GLOBALS = new Set([
  ...CORES.flatMap((core) => [`${core}.multiarray._reconstruct`, `${core}.numeric._frombuffer`]),
  ...['numpy.ndarray', 'numpy.dtype', '_codecs.encode'],
]);

/**
 * Reads the dict that a pickle holds, with its keys as texts, whether they are texts or bytes. Byte strings of `spans`
 * bytes and more are not read; {@link bytesOfArray} says where they lie.
 * @throws StillhouseError `weights.format`
 */
export function readPickledDict(source: ByteSource, path: string, spans: number): Map<string, unknown> {
  const value = unpickle(new PickleReader(source, 0, source.size, path), {
    spans,
    global: (name) => {
      if (!GLOBALS.has(name)) throw badFormat(path, reason('pickle.is', { what: reason('pickle.calls', { name }) }));
      return new PickleGlobal(name, (args) => new PickleRecord(name, args));
    },
    persistent: () => {
      throw badFormat(path, reason('pickle.is', { what: reason('pickle.uncallable') }));
    },
  });
  if (!(value instanceof PickleDict)) throw badFormat(path, reason('pickle.is', { what: reason('pickle.no-dict') }));
  return new Map([...value.items].map(([key, item]) => [textOf(key) ?? '', item]));
}

/** Reads a text, which Python 3 may have read and written as bytes; null for anything else. */
export function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? new TextDecoder('utf-8').decode(value) : null;
}

/** Locates the bytes of a pickled array of uint8 in their source, row by row. */
export interface PickledBytes {
  shape: number[];
  position: number;
}

/**
 * Finds where the bytes of a pickled array lie.
 * @throws ReasonError when it is no array of bytes that lies in the pickle as it is.
 */
export function bytesOfArray(value: unknown): PickledBytes {
  const { shape, dtype, order, data } = partsOf(value);
  const type = dtype instanceof PickleRecord ? textOf(dtype.args[0]) : null;
  const sides = shape instanceof PickleTuple ? shape.items.map(Number) : [];
  if (!/^[|<>=]?u1$|^uint8$/.test(type ?? '') || sides.length === 0 || !sides.every(Number.isSafeInteger) || !order)
    throw new ReasonError(reason('numpy.no-bytes'));
  // Python 3 writes bytes as text in protocols 0 to 2.
  if (!(data instanceof PickleSpan)) throw new ReasonError(reason('numpy.elsewhere'));
  if (data.length !== sides.reduce((product, side) => product * side, 1))
    throw new ReasonError(reason('numpy.no-bytes'));
  return { shape: sides, position: data.position };
}

interface Parts {
  shape: unknown;
  dtype: unknown;
  /** Whether rows follow each other, as in C. */
  order: boolean;
  data: unknown;
}

function partsOf(value: unknown): Parts {
  if (!(value instanceof PickleRecord)) throw new ReasonError(reason('numpy.no-bytes'));
  if (value.type.endsWith('._frombuffer')) {
    const [data, dtype, shape, order] = value.args;
    return { shape, dtype, order: textOf(order) === 'C', data };
  }
  const [, shape, dtype, fortran, data] = value.state instanceof PickleTuple ? value.state.items : [];
  return { shape, dtype, order: fortran === false || fortran === 0, data };
}
