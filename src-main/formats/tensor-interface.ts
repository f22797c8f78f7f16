/** An input or output of a foreign model, as its file declares it. */
export interface TensorInterface {
  name: string;
  /** Element type by NumPy's name, or a number for a rare one. */
  dtype: string;
  /** null where a dimension is not fixed; null as a whole where not even the rank is. */
  shape: (number | null)[] | null;
}

/** Describes an input or output for people, as `images float32 [?, 3, 224, 224]`. */
export function describeInterface({ name, dtype, shape }: TensorInterface): string {
  return `${name} ${dtype} ${shape ? `[${shape.map((side) => side ?? '?').join(', ')}]` : '[…]'}`;
}
