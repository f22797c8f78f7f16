import { shapeSize } from '../../base/shape-size.ts';
import { platform } from '../../runtime/loader.ts';
import { narrowEnds, withPrecision, type Precision } from '../../trace/narrow.ts';
import { cluster } from './cluster.ts';
import { fuseConvolutions } from './fuse-conv.ts';
import { joinGroups } from './join-groups.ts';
import { reshape } from './nodes.ts';
import { pointProducts } from './point-products.ts';
import { raiseFrozen, splitFrozen, type IsFrozen, type Split } from '../../trace/freeze.ts';
import { attr, hasFlag } from '../../trace/ops.ts';
import type { Program, ProgramNode, ValueRef } from '../../trace/program.ts';
import { rewrite, simplify } from '../../trace/rewrite.ts';

/** Rewrites of a program for TensorFlow, between recording and compiling. Each takes a program and gives a new one. */

export interface LowerOptions {
  precision: Precision;
  /** Gather element-wise work into clusters for XLA. */
  fuse: boolean;
  /** Whether the library has oneDNN's ops; left out: as this system's library. */
  oneDnn?: boolean;
}

/** Runs all passes, in order, on a program and on the bodies of its calls. */
export function lower(program: Program, options: LowerOptions): Program {
  return lowerFrozen(program, options, () => false).program;
}

/**
 * Lowers a program some of whose variables never change while it is used: what follows from these alone is computed
 * once, by `prepare`, into variables that `program` reads.
 */
export function lowerFrozen(program: Program, options: LowerOptions, isFrozen: IsFrozen): Split {
  const bodies = new Map<Program, Program>();
  const lowered = (body: Program): Program => {
    const known = bodies.get(body) ?? clustered(narrowEnds(typed(body, options, isFrozen, lowered)), options);
    bodies.set(body, known);
    return known;
  };
  const whole = typed(raiseFrozen(program, isFrozen), options, isFrozen, lowered);
  const split = splitFrozen(whole, isFrozen);
  return { program: clustered(simplify(split.program), options), prepare: simplify(split.prepare) };
}

function typed(
  program: Program,
  { precision, oneDnn = platform().oneDnn }: LowerOptions,
  isFrozen: IsFrozen,
  lowered: (body: Program) => Program,
): Program {
  const simple = simplify(sumsOverRows(program));
  const clean = oneDnn ? simplify(fuseConvolutions(gradients(simple, precision), isFrozen)) : simple;
  // oneDNN's narrow gradients of depthwise convolutions take three times as long (docs/engine.md).
  const narrow = { precision, convolutions: oneDnn, between: oneDnn, wideDepthwise: oneDnn };
  return fuseBias(simplify(withPrecision(clean, narrow, lowered)));
}

/** Products for 1×1 convolutions take more memory, and are faster in bfloat16 alone (docs/engine.md). */
function gradients(program: Program, precision: Precision): Program {
  const joined = joinGroups(program);
  return precision === 'bfloat16' ? pointProducts(joined) : joined;
}

function clustered(program: Program, { fuse }: LowerOptions): Program {
  const calls = program.nodes.some(({ op }) => op === 'Call');
  return fuse ? cluster(program, calls ? LARGE_PARAMETER : undefined) : program;
}

/** Around calls stand sums of gradients, one a parameter: in small ones XLA costs more than it saves (DeiT-Ti: 968 against 823 ms a step). */
const LARGE_PARAMETER = 200_000;

/**
 * Sums over all axes but the last, as the gradient of a bias is, become TensorFlow's own op for that: its kernel walks
 * memory in order, which neither its general sum nor XLA's does.
 */
export function sumsOverRows(program: Program): Program {
  return rewrite(program, (node, rewriter, inputs) => {
    if (node.op !== 'Sum') return rewriter.add({ ...node, inputs });
    const { shape } = rewriter.spec(inputs[0]);
    if (!isSumOverRows(node, shape, program)) return rewriter.add({ ...node, inputs });
    const width = shape[shape.length - 1];
    const rows = reshape(rewriter, inputs[0], [shapeSize(shape) / width, width]);
    const attrs = [attr.type('T', 'float32'), attr.text('data_format', 'NHWC')];
    return rewriter.add({ op: 'BiasAddGrad', attrs, inputs: [rows], outputs: node.outputs });
  });
}

function isSumOverRows(node: ProgramNode, shape: number[], program: Program): boolean {
  const axes = program.nodes[node.inputs[1].node].values;
  const kept = hasFlag(node, 'keep_dims');
  if (!axes || kept || node.outputs[0].dtype !== 'float32') return false;
  const sorted = Array.from(axes as Int32Array).sort((a, b) => a - b);
  return shape.length > 1 && sorted.length === shape.length - 1 && sorted.every((axis, index) => axis === index);
}

/** Fuses a matrix product with a bias that only this product gets: one op, which adds before it rounds and writes. */
export function fuseBias(program: Program): Program {
  const users = new Map<number, number>();
  const count = ({ node }: ValueRef) => users.set(node, (users.get(node) ?? 0) + 1);
  for (const node of program.nodes) node.inputs.forEach(count);
  for (const { value } of [...program.outputs, ...program.assigns]) count(value);
  const fused = rewrite(program, (node, rewriter, inputs) => {
    const product = node.op === 'BiasAdd' ? rewriter.nodes[inputs[0].node] : undefined;
    const alone = product?.op === 'MatMul' && users.get(node.inputs[0].node) === 1;
    if (!alone) return rewriter.add({ ...node, inputs });
    const attrs = [...product.attrs, attr.text('fused_ops', ['BiasAdd']), attr.int('num_args', 1)];
    return rewriter.add({ ...node, op: '_FusedMatMul', attrs, inputs: [...product.inputs, inputs[1]] });
  });
  return simplify(fused);
}
