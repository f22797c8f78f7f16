import type { ValueRef } from '../trace/program.ts';
import { evaluate } from './fold.ts';
import type { BatchFree } from './recording.ts';

/**
 * Finds the layers of `model/layers.ts` in what was recorded of them. Each function looks at the value that a layer
 * ends with, and returns what the layer begins with; null where it is none.
 */

/** A value with the op that makes it, seen through conversions that change nothing. */
export class Finder {
  constructor(private readonly free: BatchFree) {}

  /** The inputs of `ref` where `op` makes it. */
  inputs(ref: ValueRef | undefined, ...ops: string[]): ValueRef[] | null {
    if (!ref) return null;
    const { op, inputs } = this.free.node(ref);
    if (op === 'Cast') return this.inputs(inputs[0], ...ops);
    return ops.includes(op) && !this.free.isFixed(ref) ? inputs : null;
  }

  isSame(one: ValueRef | undefined, other: ValueRef | undefined): boolean {
    if (!one || !other) return false;
    const [a, b] = [one, other].map((ref) => this.peeled(ref));
    return a.node === b.node && a.output === b.output;
  }

  /** The value before conversions of float32 to float32. */
  peeled(ref: ValueRef): ValueRef {
    const { op, inputs } = this.free.node(ref);
    return op === 'Cast' ? this.peeled(inputs[0]) : ref;
  }

  /** A number that does not depend on the images; null where it is none. */
  number(ref: ValueRef | undefined): number | null {
    if (!ref || !this.free.isFixed(ref) || this.free.recorded(ref).length > 0) return null;
    return this.numbers(ref)[0];
  }

  /** The numbers of a constant. */
  numbers(ref: ValueRef): number[] {
    const { values } = evaluate(this.free.program, ref, () => {
      throw new Error('numbers: expected a constant, got what depends on parameters');
    });
    return Array.from(values);
  }
}

/** Finds (x − mean) · rsqrt(mean of squares + eps) · weight + bias. */
export function layerNormAt(find: Finder, free: BatchFree, ref: ValueRef) {
  const [scaled, bias] = find.inputs(ref, 'Add', 'AddV2') ?? [];
  const [unit, weight] = find.inputs(scaled, 'Mul') ?? [];
  const [centred, inverse] = find.inputs(unit, 'Mul') ?? [];
  const [x, mean] = find.inputs(centred, 'Sub') ?? [];
  const [averaged] = find.inputs(mean, 'Mean') ?? [];
  const [shifted] = find.inputs(inverse, 'Rsqrt') ?? [];
  const [variance, eps] = find.inputs(shifted, 'Add', 'AddV2') ?? [];
  const [squares] = find.inputs(variance, 'Mean') ?? [];
  const [squared] = find.inputs(squares, 'Square') ?? [];
  const added = find.number(eps);
  if (!find.isSame(x, averaged) || !find.isSame(squared, centred) || added === null) return null;
  if (!free.isFixed(weight) || !free.isFixed(bias)) return null;
  return { x, weight, bias, eps: added };
}

/** Finds x · ((erf(x · √½) + 1) · ½). */
export function geluAt(find: Finder, ref: ValueRef): ValueRef | null {
  const [x, probability] = find.inputs(ref, 'Mul') ?? [];
  const [raised, half] = find.inputs(probability, 'Mul') ?? [];
  const [erf, one] = find.inputs(raised, 'Add', 'AddV2') ?? [];
  const [scaled] = find.inputs(erf, 'Erf') ?? [];
  const [inner, root] = find.inputs(scaled, 'Mul') ?? [];
  const asGelu = find.number(half) === 0.5 && find.number(one) === 1 && find.number(root) === Math.fround(Math.SQRT1_2);
  return asGelu && find.isSame(x, inner) ? x : null;
}

/** Finds a layer [..., in] → [..., out], computed over rows where x has more than two axes. */
export function linearAt(find: Finder, free: BatchFree, ref: ValueRef) {
  const divided = find.inputs(ref, 'Reshape')?.[0];
  const [product, bias] = find.inputs(divided ?? ref, 'BiasAdd') ?? [];
  const [rows, weight] = find.inputs(product, 'MatMul') ?? [];
  if (!product || free.attr(product, 'transpose_b') !== true || free.attr(product, 'transpose_a') !== false)
    return null;
  if (!divided) return { x: rows, weight, bias };
  const x = find.inputs(rows, 'Reshape')?.[0];
  if (!x) return null;
  const [from, to] = [free.recorded(x), free.recorded(ref)];
  const onlyLast = from.length === to.length && from.slice(0, -1).join() === to.slice(0, -1).join();
  return onlyLast && from.at(-1) === free.recorded(rows)[1] ? { x, weight, bias } : null;
}

/** Finds images cut into patches, each projected by a kernel that is a parameter with its axes in another order. */
export function patchEmbedAt(find: Finder, free: BatchFree, ref: ValueRef) {
  const divided = find.inputs(ref, 'Reshape')?.[0];
  const [product, bias] = find.inputs(divided, 'BiasAdd') ?? [];
  const [rows, kernel] = find.inputs(product, 'MatMul') ?? [];
  const patches = find.inputs(rows, 'Reshape')?.[0];
  const [cut, order] = find.inputs(patches, 'Transpose') ?? [];
  const images = find.inputs(cut, 'Reshape')?.[0];
  if (!images || find.numbers(order).join() !== '0,1,3,2,4,5') return null;
  const moved = free.node(kernel).inputs[0];
  const [weight, kernelOrder] = free.node(moved).inputs;
  const side = free.recorded(weight)[2];
  const square = free.recorded(cut)[2] === side && free.recorded(cut)[4] === side;
  return square && find.numbers(kernelOrder).join() === '0,2,3,1' ? { images, weight, bias } : null;
}

/**
 * Finds tokens that every image gets before its patches, and positions that are added: to all [1, N, D], or to the patches
 * alone (DeiT III).
 */
export function tokensAt(find: Finder, free: BatchFree, ref: ValueRef) {
  const [joined, positions] = find.inputs(ref, 'Add', 'AddV2') ?? [];
  const all = joined && free.isFixed(positions) ? find.inputs(joined, 'ConcatV2') : null;
  const parts = all ?? find.inputs(ref, 'ConcatV2');
  if (!parts) return null;
  const tokens = parts.slice(0, -2).map((part) => find.inputs(part, 'Tile')?.[0]);
  if (tokens.length === 0 || !tokens.every((token) => token && free.isFixed(token))) return null;
  const found = { tokens: tokens as ValueRef[], patches: parts.at(-2)! };
  if (all) return { ...found, positions, skipped: 0 };
  const [patches, own] = find.inputs(found.patches, 'Add', 'AddV2') ?? [];
  if (!patches || !free.isFixed(own)) return { ...found, positions: null, skipped: 0 };
  return { ...found, patches, positions: own, skipped: tokens.length };
}
