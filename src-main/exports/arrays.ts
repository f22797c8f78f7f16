import { shapeSize } from '../base/shape-size.ts';
import type { LateBytes } from '../formats/protobuf-writer.ts';

/** An array of numbers in memory, row-major. */
export interface Numbers {
  shape: number[];
  values: Float32Array;
}

/** Puts the axes of an array into another order: axis `order[i]` becomes axis i. */
export function permuted({ shape, values }: Numbers, order: readonly number[]): Numbers {
  const steps = stepsOf(shape);
  const sides = order.map((axis) => shape[axis]);
  const strides = order.map((axis) => steps[axis]);
  const result = new Float32Array(values.length);
  const [last, stride] = [sides.at(-1) ?? 1, strides.at(-1) ?? 0];
  const place = sides.map(() => 0);
  for (let at = 0, from = 0; at < result.length;) {
    for (let index = 0; index < last; index++) result[at++] = values[from + index * stride];
    for (let axis = sides.length - 2; axis >= 0; axis--) {
      from += strides[axis];
      if (++place[axis] < sides[axis]) break;
      from -= sides[axis] * strides[axis];
      place[axis] = 0;
    }
  }
  return { shape: sides, values: result };
}

/** Computes `work` on each pair of numbers; sides of 1 and missing ones at the front are repeated. */
export function paired(one: Numbers, other: Numbers, work: (a: number, b: number) => number): Numbers {
  const rank = Math.max(one.shape.length, other.shape.length);
  const sides = [one, other].map(({ shape }) => [...Array<number>(rank - shape.length).fill(1), ...shape]);
  const shape = sides[0].map((side, axis) => Math.max(side, sides[1][axis]));
  const strides = sides.map((own) => stepsOf(own).map((step, axis) => (own[axis] === 1 ? 0 : step)));
  const steps = stepsOf(shape);
  const at = (index: number, own: number[]): number => {
    let [place, rest] = [0, index];
    for (let axis = 0; axis < rank; axis++) {
      const along = Math.floor(rest / steps[axis]);
      rest -= along * steps[axis];
      place += along * own[axis];
    }
    return place;
  };
  const values = new Float32Array(shapeSize(shape));
  for (let index = 0; index < values.length; index++)
    values[index] = work(one.values[at(index, strides[0])], other.values[at(index, strides[1])]);
  return { shape, values };
}

function stepsOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shapeSize(shape.slice(axis + 1)));
}

/** Views an array as bytes, little-endian as every processor of today has them. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Hands out bytes that are in memory already. */
export function known(bytes: Uint8Array): LateBytes {
  return { size: bytes.length, read: () => bytes };
}
