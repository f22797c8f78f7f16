import { namedArray, type NamedArray } from '../formats/named-array.ts';
import type { Tensors } from './key-names.ts';

/** Weights of a model with a distillation token for one without, and the other way round. */

export const DIST_TOKEN = 'dist_token';

/** Arrays that exist only with the token. Its position is the second row of the position embedding. */
const OF_TOKEN = [DIST_TOKEN, 'head_dist.weight', 'head_dist.bias'];

/**
 * Fits arrays to a model of `specs` with or without a distillation token: drops the arrays of the token where the model
 * has none, and adds a position of zeros where only the file has none. The caller draws token and head.
 * @returns the arrays, and the names that were left out.
 */
export function withTokensOf(
  specs: ReadonlyMap<string, unknown>,
  tensors: Tensors,
): { tensors: Tensors; left: string[] } {
  const [wanted, given, positions] = [specs.has(DIST_TOKEN), tensors.has(DIST_TOKEN), tensors.get('pos_embed')];
  if (wanted === given || !positions || positions.shape.length !== 3) return { tensors, left: [] };
  const left = wanted ? [] : OF_TOKEN.filter((name) => tensors.has(name));
  const kept = new Map([...tensors].filter(([name]) => !left.includes(name)));
  return { tensors: kept.set('pos_embed', wanted ? withRow(positions) : withoutRow(positions)), left };
}

/** The rows [1, N, D] with one of zeros after the first. */
function withRow(array: NamedArray): NamedArray {
  const [one, rows, width] = array.shape;
  return derived([one, rows + 1, width], (values) => {
    values.copyWithin(2 * width, width, rows * width);
    values.fill(0, width, 2 * width);
  }, array); // prettier-ignore
}

/** The rows [1, N, D] without the second. */
function withoutRow(array: NamedArray): NamedArray {
  const [one, rows, width] = array.shape;
  return derived([one, rows - 1, width], (values) => values.copyWithin(width, 2 * width), array);
}

function derived(shape: number[], change: (values: Float32Array) => void, array: NamedArray): NamedArray {
  return namedArray('F32', shape, () => {
    const [, rows, width] = shape;
    const old = array.toFloat32();
    const values = new Float32Array(Math.max(old.length, rows * width));
    values.set(old);
    change(values);
    return new Uint8Array(values.buffer.slice(0, 4 * rows * width));
  });
}
