import { shapeSize } from '../base/shape-size.ts';
import { checked, type Pointer, type Tf } from './library.ts';
import { DTYPES, dtypeOf, type DType, type Values } from './dtypes.ts';

/** Between typed arrays and native tensors. A `TF_Tensor` made here is deleted by the caller. */

/** Makes a native tensor that holds a copy of `values`; for strings, `values` is a list of byte strings. */
export function toTensor(tf: Tf, shape: readonly number[], dtype: DType, values: Values | Uint8Array[]): Pointer {
  const count = shapeSize(shape);
  if (values.length !== count) {
    throw new RangeError(`toTensor: shape [${shape.join(',')}] expects ${count} values, got ${values.length}`);
  }
  const bytes = count * DTYPES[dtype].bytes;
  const tensor: Pointer = tf.TF_AllocateTensor(
    DTYPES[dtype].code,
    BigInt64Array.from(shape, BigInt),
    shape.length,
    bytes,
  );
  const data: Pointer = tf.TF_TensorData(tensor);
  if (dtype === 'string') writeStrings(tf, data, values as Uint8Array[]);
  else if (bytes > 0) tf.libc.copyIn(data, values, bytes);
  return tensor;
}

function writeStrings(tf: Tf, data: Pointer, strings: Uint8Array[]): void {
  strings.forEach((bytes, index) => {
    const slot = data + BigInt(index * DTYPES.string.bytes);
    tf.TF_StringInit(slot);
    tf.TF_StringCopy(slot, bytes, bytes.length);
  });
}

/** Copies the values of a native tensor; bfloat16 and float16 come as 16-bit patterns, strings as byte strings. */
export function fromTensor(tf: Tf, tensor: Pointer, dtype: DType, count: number): Values | Uint8Array[] {
  if (dtype === 'string') return readStrings(tf, tensor, count);
  const values = emptyValues(dtype, count);
  if (count > 0) tf.libc.copyIn(values, tf.TF_TensorData(tensor), values.byteLength);
  return values;
}

/**
 * Deletes a tensor of `count` strings with their bytes. `TF_DeleteTensor` alone frees only the slots: the bytes of every
 * string longer than 22 would stay.
 */
export function deleteStrings(tf: Tf, tensor: Pointer, count: number): void {
  const data: Pointer = tf.TF_TensorData(tensor);
  for (let index = 0; index < count; index++) tf.TF_StringDealloc(data + BigInt(index * DTYPES.string.bytes));
  tf.TF_DeleteTensor(tensor);
}

function readStrings(tf: Tf, tensor: Pointer, count: number): Uint8Array[] {
  const data: Pointer = tf.TF_TensorData(tensor);
  return Array.from({ length: count }, (_, index) => {
    const slot = data + BigInt(index * DTYPES.string.bytes);
    const bytes = new Uint8Array(Number(tf.TF_StringGetSize(slot)));
    if (bytes.length > 0) tf.libc.copyIn(bytes, tf.TF_StringGetDataPointer(slot), bytes.length);
    return bytes;
  });
}

/** Makes room for values of a type. @throws RangeError for one that has no numbers. */
export function emptyValues(dtype: DType, count: number): Values {
  switch (dtype) {
    case 'float32':
      return new Float32Array(count);
    case 'float64':
      return new Float64Array(count);
    case 'int32':
      return new Int32Array(count);
    case 'int64':
      return new BigInt64Array(count);
    case 'uint8':
    case 'bool':
      return new Uint8Array(count);
    case 'bfloat16':
    case 'float16':
      return new Uint16Array(count);
    case 'complex64':
      return new Float32Array(2 * count);
    default:
      throw new RangeError(`fromTensor: cannot read ${dtype}`);
  }
}

/** Makes an eager handle that holds a copy of `values`. */
export function toHandle(tf: Tf, shape: readonly number[], dtype: DType, values: Values | Uint8Array[]): Pointer {
  const tensor = toTensor(tf, shape, dtype, values);
  try {
    return handleOf(tf, tensor);
  } finally {
    tf.TF_DeleteTensor(tensor);
  }
}

/** Makes an eager handle that shares the memory of `tensor`. */
export function handleOf(tf: Tf, tensor: Pointer): Pointer {
  return checked<Pointer>(tf, 'new tensor', (status) => tf.TFE_NewTensorHandle(tensor, status));
}

/** Reads shape and type of an eager handle. */
export function describeHandle(tf: Tf, handle: Pointer): { shape: number[]; dtype: DType } {
  return checked(tf, 'tensor shape', (status) => {
    const rank: number = tf.TFE_TensorHandleNumDims(handle, status);
    const shape = Array.from({ length: Math.max(rank, 0) }, (_, index) =>
      Number(tf.TFE_TensorHandleDim(handle, index, status)),
    );
    return { shape, dtype: dtypeOf(tf.TFE_TensorHandleDataType(handle)) };
  });
}

/** Copies the values of an eager handle. */
export function fromHandle(tf: Tf, handle: Pointer): Values | Uint8Array[] {
  const { shape, dtype } = describeHandle(tf, handle);
  const tensor: Pointer = checked(tf, 'read tensor', (status) => tf.TFE_TensorHandleResolve(handle, status));
  try {
    return fromTensor(tf, tensor, dtype, shapeSize(shape));
  } finally {
    tf.TF_DeleteTensor(tensor);
  }
}
