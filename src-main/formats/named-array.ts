import { viewOf } from './source.ts';

/** Element types by their safetensors names, with bytes an element. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

/** An array in a weight file. Nothing is read before it is asked for, and nothing read is kept. */
export interface NamedArray {
  readonly shape: number[];
  readonly dtype: Dtype;
  /** The elements in row-major order, little-endian. Each access reads the file. */
  readonly data: Uint8Array;
  /** The elements as float32, row-major, in memory of their own. */
  toFloat32(): Float32Array;
}

/** An array with values to write. A function is called when its turn comes, so that one array is in memory at a time. */
export interface ArrayToWrite {
  name: string;
  shape: readonly number[];
  dtype: Dtype;
  values: Float32Array | (() => Float32Array);
}

/** Largest rank of an array in any file. */
export const MAX_RANK = 16;

/** Makes an array whose elements `read` supplies. */
export function namedArray(dtype: Dtype, shape: number[], read: () => Uint8Array): NamedArray {
  return {
    dtype,
    shape,
    get data() {
      return read();
    },
    toFloat32: () => toFloat32(dtype, read()),
  };
}

/** Reads little-endian elements as float32. Float32 input with aligned memory is viewed, not copied. */
export function toFloat32(dtype: Dtype, bytes: Uint8Array): Float32Array {
  const count = bytes.length / DTYPE_BYTES[dtype];
  if (dtype === 'F32' && bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  const out = new Float32Array(count);
  if (dtype === 'F32') new Uint8Array(out.buffer).set(bytes);
  else if (dtype === 'BF16') widenBfloat16(bytes, new Uint32Array(out.buffer));
  else if (dtype === 'F16') widenFloat16(bytes, new Uint32Array(out.buffer));
  else convert(dtype, viewOf(bytes), out);
  return out;
}

/** Writes values as little-endian elements of `dtype`: F32, F16 (the nearest), I32 (whole numbers below 2²⁴) or I64. */
export function fromFloat32(dtype: Dtype, values: Float32Array): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === 'F16') return narrowToFloat16(values);
  if (dtype === 'I32') return new Uint8Array(Int32Array.from(values).buffer);
  if (dtype !== 'I64') throw new Error(`fromFloat32: expected F32, F16, I32 or I64, got ${dtype}`);
  return new Uint8Array(BigInt64Array.from(values, (value) => BigInt(Math.round(value))).buffer);
}

function widenBfloat16(bytes: Uint8Array, bits: Uint32Array): void {
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
}

function widenFloat16(bytes: Uint8Array, bits: Uint32Array): void {
  for (let i = 0; i < bits.length; i++) bits[i] = float16Bits(bytes[2 * i] | (bytes[2 * i + 1] << 8));
}

function narrowToFloat16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint8Array(Uint16Array.from(bits, halfOfBits).buffer);
}

// The half nearest to the float32 of these bits; of two as near the even one.
function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  // Below the least normal half the leading 1 is a bit of the fraction.
  const shift = Math.max(13, 126 - exponent);
  if (shift > 24) return sign;
  const whole = exponent > 112 ? ((exponent - 112) << 23) | fraction : fraction | 0x800000;
  const half = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  const rounded = half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0);
  return sign | Math.min(rounded, 0x7c00);
}

// The bits of a half as the bits of the equal float32.
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

const ELEMENT: Record<Exclude<Dtype, 'F32' | 'BF16' | 'F16'>, (view: DataView, at: number) => number> = {
  F64: (view, at) => view.getFloat64(at, true),
  I64: (view, at) => Number(view.getBigInt64(at, true)),
  I32: (view, at) => view.getInt32(at, true),
  I16: (view, at) => view.getInt16(at, true),
  I8: (view, at) => view.getInt8(at),
  U64: (view, at) => Number(view.getBigUint64(at, true)),
  U32: (view, at) => view.getUint32(at, true),
  U16: (view, at) => view.getUint16(at, true),
  U8: (view, at) => view.getUint8(at),
  BOOL: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

function convert(dtype: keyof typeof ELEMENT, view: DataView, out: Float32Array): void {
  const [element, bytes] = [ELEMENT[dtype], DTYPE_BYTES[dtype]];
  for (let i = 0; i < out.length; i++) out[i] = element(view, i * bytes);
}
