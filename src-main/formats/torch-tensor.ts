import { shapeSize } from '../base/shape-size.ts';
import { DTYPE_BYTES, MAX_RANK, namedArray, type Dtype, type NamedArray } from './named-array.ts';
import { PickleTuple } from './pickle.ts';
import { badFormat } from './source.ts';
import { reason } from '../protocol/reasons.ts';

/** Tensors of a torch file: views with offset and strides on storages that several may share. */

/** A run of elements in the file, by the reference that the pickle makes to it. */
export interface TorchStorage {
  key: string;
  /** null for one of bytes without a type: the tensor says what they are. */
  dtype: Dtype | null;
  /** Elements, or bytes where there is no type. */
  count: number;
  /** Where a view on another storage starts in it, in elements; 0 for a storage of its own. */
  base: number;
  /** Bytes of the storage named `key`. */
  read(offset: number, length: number): Uint8Array;
}

/** A tensor as torch rebuilds it: a view on a storage. Strides and offset are in elements. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly dtype: Dtype,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** Expanded views may have more elements than their storage, up to this many. */
const MAX_EXPANDED = 1 << 24;

/**
 * Checks that a view lies inside its storage.
 * @throws StillhouseError `weights.format`
 */
export function makeTensor(
  storage: unknown,
  dtype: Dtype | null,
  [offset, size, stride]: readonly unknown[],
  path: string,
): TorchTensor {
  if (!isStorage(storage)) throw badFormat(path, reason('torch.tensor-storage'));
  const type = dtype ?? storage.dtype;
  if (!type) throw badFormat(path, reason('torch.no-type'));
  const [shape, strides] = [integers(size, path), integers(stride, path)];
  const [start] = integers([offset], path);
  if (shape.length !== strides.length || shape.length > MAX_RANK)
    throw badFormat(path, reason('torch.strides', { sides: shape.length, strides: strides.length }));
  const count = shapeSize(shape);
  const capacity = storage.dtype ? storage.count : Math.floor(storage.count / DTYPE_BYTES[type]);
  const last = shape.reduce((sum, side, i) => sum + (side - 1) * strides[i], start);
  if (count > 0 && !(last < capacity)) throw badFormat(path, reason('torch.outside', { size: capacity }));
  if (count > Math.max(capacity, MAX_EXPANDED)) throw badFormat(path, reason('torch.claims', { count }));
  return new TorchTensor(storage, type, start, shape, strides);
}

function isStorage(value: unknown): value is TorchStorage {
  return typeof value === 'object' && value !== null && 'key' in value && 'base' in value;
}

function integers(value: unknown, path: string): number[] {
  const items: readonly unknown[] = value instanceof PickleTuple ? value.items : Array.isArray(value) ? value : [null];
  return items.map((item) => {
    if (typeof item !== 'number' || !Number.isSafeInteger(item) || item < 0)
      throw badFormat(path, reason('torch.no-number'));
    return item;
  });
}

/** Turns a tensor into an array that is read on demand. */
export function toNamedArray(tensor: TorchTensor): NamedArray {
  return namedArray(tensor.dtype, tensor.shape, () => readTensor(tensor));
}

function readTensor({ storage, dtype, offset, shape, strides }: TorchTensor): Uint8Array {
  const width = DTYPE_BYTES[dtype];
  const count = shapeSize(shape);
  if (count === 0) return new Uint8Array(0);
  const start = (storage.base + offset) * width;
  if (isRowMajor(shape, strides)) return storage.read(start, count * width);
  const span = shape.reduce((sum, side, i) => sum + (side - 1) * strides[i], 1);
  return gather(storage.read(start, span * width), width, shape, strides);
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}

// Elements of a strided view in row-major order.
function gather(bytes: Uint8Array, width: number, shape: readonly number[], strides: readonly number[]): Uint8Array {
  const count = shapeSize(shape);
  const out = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < count; i++) {
    for (let b = 0; b < width; b++) out[i * width + b] = bytes[from * width + b];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
