import type { Attr } from '../../../runtime/dtypes.ts';
import type { ProgramNode, TensorSpec } from '../../../trace/program.ts';
import type { Value } from './text.ts';
import type { Writer } from './writer.ts';

/** One node of a program as its lowering sees it. */
export interface Site {
  writer: Writer;
  node: ProgramNode;
  /** The specs of its results. */
  outputs: readonly TensorSpec[];
  /** Reads an attribute. @throws RangeError when the node lacks it. */
  attr(name: string): Attr['value'];
  /** Reads a flag; one that is missing is off. */
  is(name: string): boolean;
  /** Reads the values of a constant input. @throws RangeError for an input that is computed. */
  numbers(index: number): number[];
}

/** Writes a node; gives its results. */
export type Lowering = (site: Site, ...inputs: Value[]) => Value | Value[];

export type Lowerings = Record<string, Lowering>;

/** Resolves an axis that may count from the end. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Axes that may count from the end, ascending. */
export function axesOf(axes: readonly number[], rank: number): number[] {
  return axes.map((axis) => axisOf(axis, rank)).sort((a, b) => a - b);
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
