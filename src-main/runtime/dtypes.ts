/** TensorFlow's data types as this project uses them: enum value, bytes an element, typed array. */
export const DTYPES = {
  float32: { code: 1, bytes: 4 },
  float64: { code: 2, bytes: 8 },
  int32: { code: 3, bytes: 4 },
  uint8: { code: 4, bytes: 1 },
  string: { code: 7, bytes: 24 },
  complex64: { code: 8, bytes: 8 },
  int64: { code: 9, bytes: 8 },
  bool: { code: 10, bytes: 1 },
  bfloat16: { code: 14, bytes: 2 },
  float16: { code: 19, bytes: 2 },
  resource: { code: 20, bytes: 0 },
} as const;

export type DType = keyof typeof DTYPES;

const byCode = new Map<number, DType>(Object.entries(DTYPES).map(([name, { code }]) => [code, name as DType]));

/** Returns the name of a TF_DataType value. @throws RangeError for one this project does not use. */
export function dtypeOf(code: number): DType {
  const dtype = byCode.get(code);
  if (!dtype) throw new RangeError(`dtypeOf: unknown TF_DataType ${code}`);
  return dtype;
}

/** TF_AttrType values. */
export const ATTR = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5, tensor: 6, func: 8 } as const;

/** One attribute of an op. A list is an array value (a shape is one too). */
export interface Attr {
  name: string;
  type: number;
  value: boolean | number | string | number[] | string[];
}

export type Values = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | BigInt64Array;
