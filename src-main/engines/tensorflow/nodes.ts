import { attr } from '../../trace/ops.ts';
import type { ProgramNode, ValueRef } from '../../trace/program.ts';
import type { Rewriter } from '../../trace/rewrite.ts';

/** Nodes that hold a value before anything is computed. */
export const SOURCES: ReadonlySet<string> = new Set(['Input', 'Variable', 'Constant']);

/** Ops whose result is their first input's memory. */
export const VIEWS: ReadonlySet<string> = new Set([
  ...['Reshape', 'Saved', 'Variable', 'ExpandDims', 'Squeeze', 'Identity', 'IdentityN', 'AdamW'],
]);

/** Makes a constant vector, as ops take sizes and axes. */
export function constant(values: readonly number[]): ProgramNode {
  const outputs = [{ shape: [values.length], dtype: 'int32' as const }];
  return { op: 'Constant', attrs: [], inputs: [], outputs, values: Int32Array.from(values) };
}

/** Adds a value in another shape of as many numbers. */
export function reshape(rewriter: Rewriter, value: ValueRef, shape: number[]): ValueRef {
  const { dtype } = rewriter.spec(value);
  const size = { node: rewriter.add(constant(shape)), output: 0 };
  const attrs = [attr.type('T', dtype), attr.type('Tshape', 'int32')];
  return {
    node: rewriter.add({ op: 'Reshape', attrs, inputs: [value, size], outputs: [{ shape, dtype }] }),
    output: 0,
  };
}
