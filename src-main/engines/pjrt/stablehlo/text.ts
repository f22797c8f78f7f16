import { DTYPES, type DType, type Values } from '../../../runtime/dtypes.ts';

/** Types and constants as MLIR writes them. */

/** The element types that a module uses: those of programs, and the unsigned words of random bits. */
export type Element = Exclude<DType, 'string' | 'resource' | 'complex64'> | 'uint32' | 'uint64';

const NAMES: Record<Element, string> = {
  float32: 'f32',
  float64: 'f64',
  bfloat16: 'bf16',
  float16: 'f16',
  int32: 'i32',
  int64: 'i64',
  uint8: 'ui8',
  uint32: 'ui32',
  uint64: 'ui64',
  bool: 'i1',
};

/** A value of a function, by the name that it has there. */
export interface Value {
  name: string;
  shape: readonly number[];
  dtype: Element;
}

/** Narrows a type of a program. @throws RangeError for strings, resources and complex numbers. */
export function elementOf(dtype: DType): Element {
  if (dtype === 'string' || dtype === 'resource' || dtype === 'complex64') {
    throw new RangeError(`StableHLO: no program computes with ${dtype}`);
  }
  return dtype;
}

/** Writes a type, as `tensor<2x3xf32>`. */
export function typeText({ shape, dtype }: Pick<Value, 'shape' | 'dtype'>): string {
  return `tensor<${[...shape, NAMES[dtype]].join('x')}>`;
}

/** Writes a list, as `[1, 2]`. */
export function listText(items: readonly (number | string)[]): string {
  return `[${items.join(', ')}]`;
}

/** Writes an array, as `array<i64: 1, 2>`. */
export function arrayText(numbers: readonly number[]): string {
  return `array<i64${numbers.length > 0 ? `: ${numbers.join(', ')}` : ''}>`;
}

/** Writes one number exactly. Of the narrow floats only 0 and the infinities have a text here. */
export function numberText(value: number, dtype: Element): string {
  switch (dtype) {
    case 'float32':
      return hexText(Float32Array.of(value));
    case 'float64':
      return hexText(Float64Array.of(value));
    case 'bfloat16':
    case 'float16':
      return narrowText(value, dtype);
    case 'bool':
      return value === 0 ? 'false' : 'true';
    default:
      return String(value);
  }
}

const NARROW_INFINITY = { bfloat16: 0x7f80, float16: 0x7c00 } as const;

function narrowText(value: number, dtype: 'bfloat16' | 'float16'): string {
  if (value === 0) return '0x0000';
  if (Number.isFinite(value)) throw new RangeError(`StableHLO: write ${value} as float32 and convert it`);
  return hexText(Uint16Array.of(NARROW_INFINITY[dtype] | (value < 0 ? 0x8000 : 0)));
}

/** The bytes of one number, the highest first. */
function hexText(number: Values): string {
  return `0x${Buffer.from(number.buffer).reverse().toString('hex').toUpperCase()}`;
}

/** Writes the values of a constant: one number for all where they are equal, else their bytes. */
export function denseText(values: Values, dtype: DType): string {
  if (values.length === 0) return '';
  const [first] = values;
  if (
    values.every((value: number | bigint) => Object.is(value, first)) &&
    !(dtype === 'bfloat16' || dtype === 'float16')
  ) {
    return dtype === 'int64' ? String(first) : numberText(Number(first), elementOf(dtype));
  }
  if (dtype === 'bool') return listText(Array.from(values as Uint8Array, (value) => numberText(value, 'bool')));
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.length * DTYPES[dtype].bytes);
  return `"0x${bytes.toString('hex').toUpperCase()}"`;
}
