import { DTYPES, sizeOf, type Attr, type DType } from '../runtime/dtypes.ts';
import { cluster } from './cluster.ts';
import { attr } from './ops.ts';
import { inputsOf, type Program, type ProgramNode, type ValueRef } from './program.ts';
import { needed, Rewriter } from './rewrite.ts';

/** Rewrites of a program between recording and compiling. Each takes a program and gives a new one. */

export type Precision = 'float32' | 'bfloat16' | 'float16';

export interface LowerOptions {
  precision: Precision;
  /** Gather element-wise work into clusters for XLA. */
  fuse: boolean;
}

/** All passes, in order; the bodies of calls go through them too. */
export function lower(program: Program, options: LowerOptions): Program {
  const whole = lowerCalls(lowerTypes(program, options.precision), options);
  return options.fuse ? cluster(whole) : whole;
}

function lowerTypes(program: Program, precision: Precision): Program {
  const clean = simplify(sumsOverRows(program));
  return fuseBias(simplify(precision === 'float32' ? dropSaved(clean) : toNarrow(clean, precision)));
}

/**
 * Lowers the bodies of calls. What a body would convert before any other use it is given converted: weights that many
 * calls share are converted once.
 */
function lowerCalls(program: Program, options: LowerOptions): Program {
  const lowered = new Map<Program, Program>();
  return rewrite(program, (node, rewriter, inputs) => {
    if (node.op !== 'Call') return rewriter.add({ ...node, inputs });
    const body = lowered.get(node.body!) ?? lowerBody(node.body!, options);
    lowered.set(node.body!, body);
    const given = inputsOf(body).map(({ spec }, index) => converted(rewriter, inputs[index], spec.dtype));
    return rewriter.add({ ...node, inputs: given, body });
  });
}

function lowerBody(body: Program, options: LowerOptions): Program {
  const typed = narrowInputs(lowerTypes(body, options.precision));
  return options.fuse ? cluster(typed) : typed;
}

/** Inputs that are only ever converted to one smaller type are taken as that type. */
function narrowInputs(program: Program): Program {
  const types = program.nodes.map(() => new Set<DType>());
  for (const node of program.nodes) {
    const target = node.op === 'Cast' ? node.outputs[0].dtype : undefined;
    for (const ref of node.inputs) types[ref.node].add(target ?? program.nodes[ref.node].outputs[ref.output].dtype);
  }
  for (const { value } of program.outputs) types[value.node].add(program.nodes[value.node].outputs[0].dtype);
  const bytes = (dtype: DType) => DTYPES[dtype].bytes;
  return rewrite(program, (node, rewriter, inputs, index) => {
    const [only, ...others] = types[index];
    const narrow = node.op === 'Input' && others.length === 0 && only && bytes(only) < bytes(node.outputs[0].dtype);
    if (narrow) return rewriter.add({ ...node, outputs: [{ ...node.outputs[0], dtype: only }] });
    const done = node.op === 'Cast' && rewriter.spec(inputs[0]).dtype === node.outputs[0].dtype;
    return done ? inputs[0].node : rewriter.add({ ...node, inputs });
  });
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
    const size = rewriter.add(constant(Int32Array.of(sizeOf(shape) / width, width)));
    const float = attr.type('T', 'float32');
    const rows = rewriter.add({
      op: 'Reshape',
      attrs: [float, attr.type('Tshape', 'int32')],
      inputs: [inputs[0], { node: size, output: 0 }],
      outputs: [{ shape: [sizeOf(shape) / width, width], dtype: 'float32' }],
    });
    const attrs = [float, attr.text('data_format', 'NHWC')];
    const inputsOfSum = [{ node: rows, output: 0 }];
    return rewriter.add({ op: 'BiasAddGrad', attrs, inputs: inputsOfSum, outputs: node.outputs });
  });
}

function isSumOverRows(node: ProgramNode, shape: number[], program: Program): boolean {
  const axes = program.nodes[node.inputs[1].node].values;
  const kept = node.attrs.some(({ name, value }) => name === 'keep_dims' && value === true);
  if (!axes || kept || node.outputs[0].dtype !== 'float32') return false;
  const sorted = Array.from(axes as Int32Array).sort((a, b) => a - b);
  return shape.length > 1 && sorted.length === shape.length - 1 && sorted.every((axis, index) => axis === index);
}

function constant(values: Int32Array): ProgramNode {
  return { op: 'Constant', attrs: [], inputs: [], outputs: [{ shape: [values.length], dtype: 'int32' }], values };
}

/** A matrix product and the bias added to it alone become one op, which adds before it rounds and writes. */
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

/** What is kept for the gradient stays as it is. */
export function dropSaved(program: Program): Program {
  return rewrite(program, (node, rewriter, inputs) =>
    node.op === 'Saved' && inputs[0].output === 0 ? inputs[0].node : rewriter.add({ ...node, inputs }),
  );
}

/** Copies a program node by node; `change` adds what stands for a node and says where it is. */
function rewrite(
  program: Program,
  change: (node: ProgramNode, rewriter: Rewriter, inputs: ValueRef[], index: number) => number,
): Program {
  const rewriter = new Rewriter();
  const moved: number[] = [];
  const map = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  program.nodes.forEach((node, index) => moved.push(change(node, rewriter, node.inputs.map(map), index)));
  return rewriter.finish(program, map);
}

/** Matrix products: narrow in and out, accumulated in float32 by the hardware. */
const PRODUCTS = new Set(['MatMul', 'BatchMatMulV2', 'BiasAdd']);
/** Sums shorter than this keep float32: there is nothing to gain. */
const LONG_SUM = 65536;
/** Ops that move values without computing: they keep the type of their first input. */
const MOVES = new Set(['Reshape', 'Transpose', 'Unpack', 'Slice', 'SplitV', 'Pack', 'ConcatV2']);

type Narrow = Exclude<Precision, 'float32'>;

/**
 * Matrix products in a narrow type, all else in float32: parameters, residual stream, norms, softmax, losses. A
 * product's result stays narrow through reshapes and transposes and is widened where something computes with it.
 */
function toNarrow(program: Program, narrow: Narrow): Program {
  const rewriter = new Rewriter();
  const moved = new Array<number>(program.nodes.length);
  const at = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  const as = (ref: ValueRef, dtype: DType) => converted(rewriter, at(ref), dtype);
  const widen = (ref: ValueRef) => (rewriter.spec(at(ref)).dtype === narrow ? as(ref, 'float32') : at(ref));
  const change = (node: ProgramNode): number => {
    if (node.op === 'Saved') return as(node.inputs[0], narrow).node;
    if (isProduct(rewriter, node, at, narrow)) {
      const inputs = node.inputs.map((ref) => as(ref, narrow));
      return rewriter.add(retyped(node, inputs, narrow));
    }
    const moves = MOVES.has(node.op) && movesNarrow(rewriter, node, at, narrow);
    return rewriter.add(
      moves ? retyped(node, node.inputs.map(at), narrow) : { ...node, inputs: node.inputs.map(widen) },
    );
  };
  program.nodes.forEach((node, index) => (moved[index] = change(node)));
  return rewriter.finish(program, widen);
}

function isProduct(rewriter: Rewriter, node: ProgramNode, at: (ref: ValueRef) => ValueRef, narrow: Narrow): boolean {
  if (node.outputs[0].dtype !== 'float32') return false;
  // A sum of many float16 can be too large for one.
  if (node.op === 'BiasAddGrad') {
    return narrow === 'bfloat16' && sizeOf(rewriter.spec(at(node.inputs[0])).shape) >= LONG_SUM;
  }
  return PRODUCTS.has(node.op);
}

function movesNarrow(rewriter: Rewriter, node: ProgramNode, at: (ref: ValueRef) => ValueRef, narrow: Narrow): boolean {
  const values = node.inputs.filter((ref) => ['float32', narrow].includes(rewriter.spec(at(ref)).dtype));
  return values.length > 0 && values.every((ref) => rewriter.spec(at(ref)).dtype === narrow);
}

function retyped(node: ProgramNode, inputs: ValueRef[], dtype: Narrow): ProgramNode {
  const attrs = node.attrs.map((one): Attr => (one.name === 'T' ? attr.type('T', dtype) : one));
  const outputs = node.outputs.map(({ shape }) => ({ shape, dtype }));
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
