import { permuted } from './arrays.ts';
import type { Graph, GraphNode, GraphOp, Side, Weight } from './graph.ts';
import type { OnnxBuilder } from './onnx-builder.ts';
import { quantizedLinear, type Quantizer } from './onnx-int8.ts';

/**
 * Writes each op in ONNX's standard ops of opset 17. Images are channels-first here, all else as in the graph.
 * Layers keep to the forms that runtimes fuse.
 */
export interface OnnxScope {
  graph: Graph;
  build: OnnxBuilder;
  /** The name of the value that a node makes. */
  value(node: number): string;
  /** Whether only one node reads it. */
  isReadOnce(node: number): boolean;
  /** Where products are of whole numbers; null where they are not. */
  quantizer: Quantizer | null;
}

type Of<Name extends GraphOp['op']> = Extract<GraphNode, { op: Name }>;
export type OnnxRules = { [Name in GraphOp['op']]: (node: Of<Name>, scope: OnnxScope, inputs: string[]) => string };

const plain =
  (type: string) =>
  (_: GraphNode, { build }: OnnxScope, inputs: string[]) =>
    build.op(type, inputs);
const ints = (values: readonly number[]) => ({ ints: values });

export const ONNX_RULES: Omit<OnnxRules, 'Input'> = {
  PatchEmbed({ weight, bias, shape }, { build }, [images]) {
    const sides = weight.shape.slice(2);
    const attrs = { kernel_shape: ints(sides), strides: ints(sides) };
    const conv = build.op('Conv', [images, build.weight(weight), build.weight(bias)], attrs, layerName(weight));
    const flat = build.op('Reshape', [conv, build.integers([0, shape[2]!, shape[1]!])]);
    return build.op('Transpose', [flat], { perm: ints([0, 2, 1]) });
  },
  Tokens({ count, table }, { build }, [patches]) {
    // Written out, so that nothing asks for the size of the batch.
    const padded = build.op('Pad', [patches, build.integers([0, count, 0, 0, 0, 0])]);
    return build.op('Add', [padded, build.weight(table)]);
  },
  LayerNorm({ weight, bias, eps }, { build }, [x]) {
    const attrs = { axis: { int: -1 }, epsilon: { float: eps } };
    return build.op('LayerNormalization', [x, build.weight(weight), build.weight(bias)], attrs, layerName(weight));
  },
  Gelu(_, { build }, [x]) {
    const erf = build.op('Erf', [build.op('Div', [x, build.number(Math.fround(Math.SQRT2))])]);
    const raised = build.op('Mul', [x, build.op('Add', [erf, build.number(1)])]);
    return build.op('Mul', [raised, build.number(0.5)]);
  },
  Linear(node, { build, quantizer }, [x]) {
    const { weight, bias, shape } = node;
    if (quantizer) return quantizedLinear(build, quantizer, node, x);
    const name = layerName(weight);
    if (shape.length === 2)
      return build.op('Gemm', [x, build.weight(matrix(weight)), build.weight(bias)], { transB: { int: 1 } }, name);
    const product = build.op('MatMul', [x, build.weight(transposed(weight))], {}, name);
    return build.op('Add', [product, build.weight(bias)]);
  },
  Conv({ weight, bias, stride, pads, groups }, { build }, [x]) {
    const sizes = { kernel_shape: ints(weight.shape.slice(2)), strides: ints(stride) };
    const attrs = { ...sizes, pads: ints(pads), group: { int: groups } };
    return build.op('Conv', [x, build.weight(weight), build.weight(bias)], attrs, layerName(weight));
  },
  MaxPool({ size, stride, pads }, { build }, [x]) {
    return build.op('MaxPool', [x], { kernel_shape: ints(size), strides: ints(stride), pads: ints(pads) });
  },
  GlobalMean({ inputs: [images] }, { build, isReadOnce }, [x]) {
    // Channels that are read elsewhere too lie plain for that: a runtime need not make them so once more for a pool.
    if (!isReadOnce(images)) return build.op('ReduceMean', [x], { axes: ints([2, 3]), keepdims: { int: 0 } });
    return build.op('Flatten', [build.op('GlobalAveragePool', [x])], { axis: { int: 1 } });
  },
  Relu: plain('Relu'),
  Relu6: (_, { build }, [x]) => build.op('Clip', [x, build.number(0), build.number(6)]),
  Sigmoid: plain('Sigmoid'),
  Log: plain('Log'),
  Softmax: (_, { build }, [x]) => build.op('Softmax', [x], { axis: { int: -1 } }),
  Add: plain('Add'),
  Mul: plain('Mul'),
  Scale: ({ by }, { build }, [x]) => build.op('Mul', [x, build.weight(by)]),
  Gate({ shape }, { build }, [images, gate]) {
    return build.op('Mul', [images, build.op('Reshape', [gate, build.integers([0, shape[3]!, 1, 1])])]);
  },
  Slice({ begin, shape, inputs }, { build, graph }, [x]) {
    const from = graph.nodes[inputs[0]].shape;
    const axes = shape.map((_, axis) => axis).filter((axis) => shape[axis] !== from[axis]);
    const starts = axes.map((axis) => begin[axis]);
    const ends = axes.map((axis) => begin[axis] + shape[axis]!);
    return build.op('Slice', [x, build.integers(starts), build.integers(ends), build.integers(axes)]);
  },
  Reshape: ({ shape }, { build }, [x]) => build.op('Reshape', [x, build.integers(sidesOf(shape))]),
  Transpose: ({ order }, { build }, [x]) => build.op('Transpose', [x], { perm: ints(order) }),
  MatMul: ({ transposeB, inputs }, scope, [a, b]) =>
    scope.build.op('MatMul', [a, transposeB ? swapped(scope, inputs[1], b) : b]),
  Pick: ({ index }, { build }, [x]) => build.op('Gather', [x, build.integers([index], [])], { axis: { int: 1 } }),
};

/** The last two axes exchanged, by the transposition that comes before where there is one. */
function swapped({ graph, build, value, isReadOnce }: OnnxScope, at: number, name: string): string {
  const node = graph.nodes[at];
  const exchange = (order: number[]): number[] => [...order.slice(0, -2), order.at(-1)!, order.at(-2)!];
  if (node.op === 'Transpose' && isReadOnce(at))
    return build.op('Transpose', [value(node.inputs[0])], { perm: ints(exchange(node.order)) });
  return build.op('Transpose', [name], { perm: ints(exchange(node.shape.map((_, axis) => axis))) });
}

/** 0 keeps the batch, which runtimes follow by its name: they join a sum to a convolution where both have one batch. */
function sidesOf(shape: readonly Side[]): number[] {
  return shape.map((side) => side ?? 0);
}

/** Names a layer by its weight: `/blocks.0.attn.qkv` for `blocks.0.attn.qkv.weight`. */
export function layerName({ name }: Weight): string {
  return `/${name.replace(/\.weight$/, '')}`;
}

/** A kernel of 1 × 1 as the matrix that it is. */
function matrix({ name, shape, values }: Weight): Weight {
  return { name, shape: shape.slice(0, 2), values };
}

/** Turns a matrix, whose name then ends in `.T`. */
function transposed({ name, shape: [out, inputs], values }: Weight): Weight {
  const turned = () => permuted({ shape: [out, inputs], values: values() }, [1, 0]).values;
  return { name: `${name}.T`, shape: [inputs, out], values: turned };
}
