/** Counts the elements of a shape: 1 for a scalar, Infinity beyond 2^53. */
export function shapeSize(shape: readonly number[]): number {
  let count = 1;
  for (const side of shape) count *= side;
  return Number.isSafeInteger(count) ? count : Infinity;
}
