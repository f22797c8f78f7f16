import { DTYPES, type Attr, type DType } from '../runtime/dtypes.ts';
import { cluster } from './cluster.ts';
import { attr } from './ops.ts';
import type { Program, ProgramNode, ValueRef } from './program.ts';
import { needed, Rewriter } from './rewrite.ts';

/** Rewrites of a program between recording and compiling. Each takes a program and gives a new one. */

export type Precision = 'float32' | 'bfloat16';

export interface LowerOptions {
  precision: Precision;
  /** Gather element-wise work into clusters for XLA. */
  fuse: boolean;
}

/** All passes, in order. */
export function lower(program: Program, { precision, fuse }: LowerOptions): Program {
  const clean = simplify(program);
  const typed = precision === 'bfloat16' ? simplify(toBfloat16(clean)) : clean;
  return fuse ? cluster(typed) : typed;
}

/** Drops what nothing needs and computes equal things once. Inputs and variables stay. */
export function simplify(program: Program): Program {
  const marks = needed(program);
  const rewriter = new Rewriter();
  const moved = new Array<number>(program.nodes.length);
  const map = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  program.nodes.forEach((node, index) => {
    if (!marks[index] && node.op !== 'Input') return;
    moved[index] = rewriter.add({ ...node, inputs: node.inputs.map(map) });
  });
  return rewriter.finish(program, map);
}

/** Matrix products: bfloat16 in and out, accumulated in float32 by the hardware. */
const PRODUCTS = new Set(['MatMul', 'BatchMatMulV2']);
/** Ops that move values without computing: they keep the type of their first input. */
const MOVES = new Set(['Reshape', 'Transpose', 'Unpack', 'Slice', 'SplitV', 'Pack', 'ConcatV2']);

/**
 * Matrix products in bfloat16, all else in float32: parameters, residual stream, norms, softmax, losses. A product's
 * result stays bfloat16 through reshapes and transposes and is widened where something computes with it.
 */
export function toBfloat16(program: Program): Program {
  const rewriter = new Rewriter();
  const moved = new Array<number>(program.nodes.length);
  const at = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  const as = (ref: ValueRef, dtype: DType) => converted(rewriter, at(ref), dtype);
  const widen = (ref: ValueRef) => (rewriter.spec(at(ref)).dtype === 'bfloat16' ? as(ref, 'float32') : at(ref));
  program.nodes.forEach((node, index) => {
    moved[index] = rewriter.add(
      PRODUCTS.has(node.op) && node.outputs[0].dtype === 'float32'
        ? retyped(node, node.inputs.map((ref) => as(ref, 'bfloat16')))
        : MOVES.has(node.op) && movesBfloat16(rewriter, node, at)
          ? retyped(node, node.inputs.map(at))
          : { ...node, inputs: node.inputs.map(widen) },
    ); // prettier-ignore
  });
  const ends: Program = { ...program };
  return rewriter.finish(ends, (ref) => widen(ref));
}

function movesBfloat16(rewriter: Rewriter, node: ProgramNode, at: (ref: ValueRef) => ValueRef): boolean {
  const values = node.inputs.filter((ref) => ['float32', 'bfloat16'].includes(rewriter.spec(at(ref)).dtype));
  return values.length > 0 && values.every((ref) => rewriter.spec(at(ref)).dtype === 'bfloat16');
}

function retyped(node: ProgramNode, inputs: ValueRef[]): ProgramNode {
  const attrs = node.attrs.map((one): Attr => (one.name === 'T' ? attr.type('T', 'bfloat16') : one));
  const outputs = node.outputs.map(({ shape }) => ({ shape, dtype: 'bfloat16' as const }));
  return { ...node, attrs, inputs, outputs };
}

/** `ref` as `dtype`: itself, what it was widened from, or a cast. */
function converted(rewriter: Rewriter, ref: ValueRef, dtype: DType): ValueRef {
  const { shape, dtype: from } = rewriter.spec(ref);
  if (from === dtype) return ref;
  const source = rewriter.nodes[ref.node];
  if (
    source.op === 'Cast' &&
    rewriter.spec(source.inputs[0]).dtype === dtype &&
    DTYPES[from].bytes > DTYPES[dtype].bytes
  ) {
    return source.inputs[0];
  }
  const attrs = [attr.type('SrcT', from), attr.type('DstT', dtype), attr.bool('Truncate', false)];
  return { node: rewriter.add({ op: 'Cast', attrs, inputs: [ref], outputs: [{ shape, dtype }] }), output: 0 };
}
