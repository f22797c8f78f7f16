import { shapeSize } from '../base/shape-size.ts';
import { DTYPES, type Attr, type DType } from '../runtime/dtypes.ts';
import { attr } from './ops.ts';
import { inputsOf, type Program, type ProgramNode, type ValueRef } from './program.ts';
import { rewrite, Rewriter, simplify } from './rewrite.ts';

/** The types that a program computes in. Whatever its precision, it is recorded in float32. */

/** Of matrix products. `tf32`: float32 whose factors a device may round to ten bits after the point. */
export type Precision = 'float32' | 'tf32' | 'bfloat16' | 'float16';

/** Tells whether a precision keeps every value in float32. */
export function isWide(precision: Precision): precision is 'float32' | 'tf32' {
  return precision === 'float32' || precision === 'tf32';
}

/** Marks a value that waits for the gradient: what is computed from such values alone is computed where it is used. */
export const KEPT = 'Identity';

export interface PrecisionOptions {
  precision: Precision;
  /** Whether convolutions and their gradients are products too: narrow in bfloat16. */
  convolutions?: boolean;
  /** Whether what stands between narrow convolutions (norms, ReLU, sums, pools) is computed narrow as well. */
  between?: boolean;
  /** Whether the gradients of depthwise convolutions are computed in float32 all the same. */
  wideDepthwise?: boolean;
}

/**
 * Gives a program its precision.
 * @param lowered lowers the body of a call
 */
export function withPrecision(
  program: Program,
  { precision, convolutions = false, between = false, wideDepthwise = false }: PrecisionOptions,
  lowered: (body: Program) => Program,
): Program {
  if (isWide(precision)) return withFloats(program, lowered);
  const also = convolutions && precision === 'bfloat16' ? CONVOLUTIONS : NO_OPS;
  const hasThem = program.nodes.some(({ op }) => also.has(op));
  const wide = new Set([...also].filter((op) => wideDepthwise && op.startsWith('DepthwiseConv2dNativeBackprop')));
  return toNarrow(program, { narrow: precision, convolutions: also, between: between && hasThem, wide }, lowered);
}

/** Lets a body take and give narrow what it would only narrow or widen. */
export function narrowEnds(body: Program): Program {
  return narrowOutputs(narrowInputs(body));
}

/** Where nothing is narrow: what is kept for the gradient stays as it is. */
function withFloats(program: Program, lowered: (body: Program) => Program): Program {
  return rewrite(program, (node, rewriter, inputs) => {
    if (node.op === 'Call') return addCall(rewriter, node, inputs, lowered(node.body!));
    return node.op === 'Saved' && inputs[0].output === 0 ? inputs[0].node : rewriter.add({ ...node, inputs });
  });
}

/** A call of a lowered body. It is given what the body takes: weights that many calls share are converted once. */
function addCall(rewriter: Rewriter, node: ProgramNode, inputs: ValueRef[], body: Program): number {
  const takes = inputsOf(body);
  const given = inputs.map((ref, index) =>
    index < takes.length ? converted(rewriter, ref, takes[index].spec.dtype) : ref,
  );
  const outputs = body.outputs.map(({ value }) => body.nodes[value.node].outputs[value.output]);
  return rewriter.add({ ...node, inputs: given, outputs, body });
}

/** Hands out values narrow that are widened only to be handed out. */
function narrowOutputs(program: Program): Program {
  const bytes = ({ node, output }: ValueRef) => DTYPES[program.nodes[node].outputs[output].dtype].bytes;
  const outputs = program.outputs.map(({ name, value }) => {
    const { op, inputs } = program.nodes[value.node];
    return { name, value: op === 'Cast' && bytes(inputs[0]) < bytes(value) ? inputs[0] : value };
  });
  return simplify({ ...program, outputs });
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
    return rewriter.add(narrow ? { ...node, outputs: [{ ...node.outputs[0], dtype: only }] } : { ...node, inputs });
  });
}

/** Matrix products: narrow in and out, accumulated in float32 by the hardware. */
const PRODUCTS = new Set(['MatMul', 'BatchMatMulV2', 'BiasAdd']);
/** In bfloat16. */
const CONVOLUTIONS: ReadonlySet<string> = new Set([
  ...['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'],
  ...['DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropInput', 'DepthwiseConv2dNativeBackpropFilter'],
]);
const NO_OPS: ReadonlySet<string> = new Set();
/** Sums shorter than this keep float32: there is nothing to gain. */
const LONG_SUM = 65536;
/** Ops that move values without computing: they keep the type of their first input. */
const MOVES = new Set(['Reshape', 'Transpose', 'Unpack', 'Slice', 'SplitV', 'Pack', 'ConcatV2', 'MaxPool', 'Pad']);

/**
 * What stands between convolutions: it is computed narrow where the inputs `when` are, and takes the inputs `narrow` so
 * then. Its first result is narrow; the statistics of a batch norm are not.
 */
const BETWEEN: Record<string, { when: number[]; narrow: number[] } | undefined> = {
  FusedBatchNormV2: { when: [0], narrow: [0] },
  FusedBatchNormGradV2: { when: [1], narrow: [0, 1] },
  Relu: { when: [0], narrow: [0] },
  Relu6: { when: [0], narrow: [0] },
  ReluGrad: { when: [1], narrow: [0, 1] },
  Relu6Grad: { when: [1], narrow: [0, 1] },
  MaxPoolGrad: { when: [0], narrow: [0, 1, 2] },
  Add: { when: [0, 1], narrow: [0, 1] },
  AddV2: { when: [0, 1], narrow: [0, 1] },
};

type Narrow = Exclude<Precision, 'float32' | 'tf32'>;

/**
 * Matrix products in a narrow type, all else in float32: parameters, residual stream, norms, softmax, losses. A
 * product's result stays narrow through reshapes and transposes and is widened where something computes with it.
 */
function toNarrow(
  program: Program,
  options: { narrow: Narrow; convolutions: ReadonlySet<string>; between: boolean; wide: ReadonlySet<string> },
  lowered: (body: Program) => Program,
): Program {
  const { narrow, convolutions, between, wide } = options;
  const rewriter = new Rewriter();
  const moved = new Array<number>(program.nodes.length);
  const at = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  const as = (ref: ValueRef, dtype: DType) => converted(rewriter, at(ref), dtype);
  const widen = (ref: ValueRef) => (rewriter.spec(at(ref)).dtype === narrow ? as(ref, 'float32') : at(ref));
  const isNarrowImage = (ref: ValueRef): boolean => {
    const { shape, dtype } = rewriter.spec(at(ref));
    return shape.length === 4 && dtype === narrow;
  };
  const amid = (node: ProgramNode): number | null => {
    const how = between ? BETWEEN[node.op] : undefined;
    if (!how?.when.every((place) => isNarrowImage(node.inputs[place]))) return null;
    const inputs = node.inputs.map((ref, place) => (how.narrow.includes(place) ? as(ref, narrow) : widen(ref)));
    const [first, ...others] = node.outputs;
    const outputs = [{ ...first, dtype: narrow }, ...others];
    return rewriter.add({ ...retyped(node, inputs, narrow), outputs });
  };
  const inFloat32 = (node: ProgramNode): number => rewriter.add({ ...node, inputs: node.inputs.map(widen) });
  const rounded = (node: number): number => converted(rewriter, { node, output: 0 }, narrow).node;
  /** The gradient of an image is rounded after, that of a kernel stays. */
  const wideGradient = (node: ProgramNode): number =>
    node.op.endsWith('Input') ? rounded(inFloat32(node)) : inFloat32(node);
  /** A factor for each image or channel (drop path, squeeze-and-excitation) leaves an image narrow, rounded once. */
  const scaled = (node: ProgramNode): number | null => {
    const isFactor = (ref: ValueRef): boolean => isScale(rewriter.spec(at(ref)).shape);
    const factors = node.inputs.filter(isFactor);
    const images = node.inputs.filter((ref) => isNarrowImage(ref) && !isFactor(ref));
    if (!between || node.op !== 'Mul' || factors.length !== 1 || images.length !== 1) return null;
    return rounded(inFloat32(node));
  };
  const change = (node: ProgramNode): number => {
    if (node.op === 'Saved') return kept(rewriter, as(node.inputs[0], narrow));
    if (node.op === 'Call') return addCall(rewriter, node, node.inputs.map(at), lowered(node.body!));
    if (wide.has(node.op)) return wideGradient(node);
    if (convolutions.has(node.op) || isProduct(rewriter, node, at, narrow)) {
      // Sizes are whole numbers.
      const isFloat = (ref: ValueRef): boolean => rewriter.spec(at(ref)).dtype !== 'int32';
      const inputs = node.inputs.map((ref) => (isFloat(ref) ? as(ref, narrow) : at(ref)));
      return rewriter.add(retyped(node, inputs, narrow));
    }
    const moves = MOVES.has(node.op) && movesNarrow(rewriter, node, at, narrow);
    return (
      amid(node) ?? scaled(node) ?? (moves ? rewriter.add(retyped(node, node.inputs.map(at), narrow)) : inFloat32(node))
    );
  };
  program.nodes.forEach((node, index) => (moved[index] = change(node)));
  return rewriter.finish(program, widen);
}

/** Tells whether a shape is that of factors of whole images, or of whole channels of them. */
function isScale(shape: readonly number[]): boolean {
  return shape.length === 4 && shape[1] === 1 && shape[2] === 1;
}

/** A value that waits for the gradient: what is computed from it is not what the forward pass computed before. */
function kept(rewriter: Rewriter, value: ValueRef): number {
  const { shape, dtype } = rewriter.spec(value);
  return rewriter.add({ op: KEPT, attrs: [attr.type('T', dtype)], inputs: [value], outputs: [{ shape, dtype }] });
}

function isProduct(rewriter: Rewriter, node: ProgramNode, at: (ref: ValueRef) => ValueRef, narrow: Narrow): boolean {
  if (node.outputs[0].dtype !== 'float32') return false;
  // A sum of many float16 can be too large for one.
  if (node.op === 'BiasAddGrad') {
    return narrow === 'bfloat16' && shapeSize(rewriter.spec(at(node.inputs[0])).shape) >= LONG_SUM;
  }
  // Convolutions of float16 have no kernel on most processors.
  return PRODUCTS.has(node.op) || (node.op === 'FusedConv' && narrow === 'bfloat16');
}

function movesNarrow(rewriter: Rewriter, node: ProgramNode, at: (ref: ValueRef) => ValueRef, narrow: Narrow): boolean {
  const values = node.inputs.filter((ref) => ['float32', narrow].includes(rewriter.spec(at(ref)).dtype));
  return values.length > 0 && values.every((ref) => rewriter.spec(at(ref)).dtype === narrow);
}

function retyped(node: ProgramNode, inputs: ValueRef[], dtype: DType): ProgramNode {
  const attrs = node.attrs.map((one): Attr => (one.name === 'T' ? attr.type('T', dtype) : one));
  const outputs = node.outputs.map(({ shape }) => ({ shape, dtype }));
  return { ...node, attrs, inputs, outputs };
}

/** Tells whether a node only gives a parameter another shape or order: then half the bytes are moved. */
function isMovedParameter(rewriter: Rewriter, { op, inputs }: ProgramNode): boolean {
  if (op !== 'Reshape' && op !== 'Transpose') return false;
  const source = rewriter.nodes[inputs[0].node];
  return source.op === 'Variable' || source.op === 'Input' || isMovedParameter(rewriter, source);
}

/** `ref` as `dtype`: itself, what it was widened from, or a cast. A parameter is cast before it is reshaped or transposed. */
function converted(rewriter: Rewriter, ref: ValueRef, dtype: DType): ValueRef {
  const { shape, dtype: from } = rewriter.spec(ref);
  if (from === dtype) return ref;
  const source = rewriter.nodes[ref.node];
  if (DTYPES[from].bytes > DTYPES[dtype].bytes) {
    if (source.op === 'Cast' && rewriter.spec(source.inputs[0]).dtype === dtype) return source.inputs[0];
    if (isMovedParameter(rewriter, source)) {
      const [value, order] = source.inputs;
      return { node: rewriter.add(retyped(source, [converted(rewriter, value, dtype), order], dtype)), output: 0 };
    }
  }
  const attrs = [attr.type('SrcT', from), attr.type('DstT', dtype), attr.bool('Truncate', false)];
  return { node: rewriter.add({ op: 'Cast', attrs, inputs: [ref], outputs: [{ shape, dtype }] }), output: 0 };
}
