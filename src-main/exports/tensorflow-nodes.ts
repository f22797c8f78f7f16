import { permuted } from './arrays.ts';
import type { Graph, GraphInput, GraphNode, GraphOp, Pads, Side, Weight } from './graph.ts';

/** The types of numbers in these graphs: TensorFlow's number and name of each, and bytes a number. */
export const TENSORFLOW_TYPES = {
  float32: { code: 1, bytes: 4, name: 'DT_FLOAT' },
  int32: { code: 3, bytes: 4, name: 'DT_INT32' },
  uint8: { code: 4, bytes: 1, name: 'DT_UINT8' },
} as const;

export type TensorFlowType = keyof typeof TENSORFLOW_TYPES;

/**
 * A graph in TensorFlow's ops, channels-last, for SavedModel and TF.js. It has no variables: weights are constants under
 * timm's names, which several signatures share.
 */
export interface TensorFlowNode {
  name: string;
  op: string;
  inputs: string[];
  attrs: Record<string, TensorFlowAttr>;
  /** Of a `Const`. */
  value?: TensorFlowValue;
}

export type TensorFlowAttr =
  | { type: TensorFlowType }
  | { int: number }
  | { ints: readonly number[] }
  | { bool: boolean }
  | { text: string }
  | { shape: readonly number[] };

export interface TensorFlowValue {
  dtype: TensorFlowType;
  shape: readonly number[];
  values(): Float32Array | Int32Array;
}

const FLOAT = { T: { type: 'float32' } } as const;

interface Options {
  /** Write convolutions in groups as one for each: TF.js has no others. */
  divideGroups: boolean;
}

/** Gathers nodes under names. */
export class TensorFlowGraph {
  readonly nodes: TensorFlowNode[] = [];
  private readonly names = new Set<string>();
  private readonly constants = new Map<string, string>();

  constructor(readonly options: Options) {}

  /** @returns the name of the node's first output. */
  op(op: string, inputs: string[], attrs: TensorFlowNode['attrs'], name: string): string {
    const own = this.freshName(name);
    this.nodes.push({ name: own, op, inputs, attrs });
    return own;
  }

  /** Adds a constant, or finds the one of this name. */
  constant(name: string, value: TensorFlowValue): string {
    const known = this.constants.get(name);
    if (known !== undefined) return known;
    const own = this.freshName(name);
    this.nodes.push({ name: own, op: 'Const', inputs: [], attrs: { dtype: { type: value.dtype } }, value });
    this.constants.set(name, own);
    return own;
  }

  weight({ name, shape, values }: Weight): string {
    return this.constant(name, { dtype: 'float32', shape, values });
  }

  number(value: number): string {
    return this.weight({
      name: `number/${String(value).replace('-', 'minus')}`,
      shape: [],
      values: () => Float32Array.of(value),
    });
  }

  /** Whole numbers [n], or in the shape that is given. */
  integers(values: readonly number[], shape = [values.length]): string {
    const name = `integers/${shape.length}/${values.join('_').replaceAll('-', 'm')}`;
    return this.constant(name, { dtype: 'int32', shape, values: () => Int32Array.from(values) });
  }

  private freshName(name: string): string {
    let fresh = name;
    for (let at = 1; this.names.has(fresh); at++) fresh = `${name}_${at}`;
    this.names.add(fresh);
    return fresh;
  }
}

/** An interface of a graph: the names of tensors. */
export interface TensorFlowSignature {
  input: { name: GraphInput; tensor: string; dtype: TensorFlowType; shape: Side[] };
  outputs: { name: string; tensor: string }[];
}

/**
 * Writes the inference of a graph once, below `scope`.
 * @param scope a prefix of all names but those of weights, as `normalised/`
 */
export function addInference(to: TensorFlowGraph, graph: Graph, input: GraphInput, scope: string): TensorFlowSignature {
  const shape = [null, graph.height, graph.width, 3];
  const dtype = input === 'images' ? 'uint8' : 'float32';
  const placed = to.op(
    'Placeholder',
    [],
    { dtype: { type: dtype }, shape: { shape: sidesOf(shape) } },
    `${scope}${input}`,
  );
  const names: string[] = [];
  const rules: Rules = { ...RULES, Input: () => (input === 'images' ? normalised(to, graph, placed, scope) : placed) };
  graph.nodes.forEach((node) => {
    const rule = rules[node.op] as (node: GraphNode, at: Place, inputs: string[]) => string;
    const place: Place = { to, graph, name: (op) => `${scope}${op}` };
    names.push(
      rule(
        node,
        place,
        node.inputs.map((at) => names[at]),
      ),
    );
  });
  const outputs = graph.outputs.map(({ name, node }) => {
    return { name, tensor: `${to.op('Identity', [names[node]], FLOAT, `${scope}${name}`)}:0` };
  });
  return { input: { name: input, tensor: `${placed}:0`, dtype, shape }, outputs };
}

function normalised(to: TensorFlowGraph, { mean, std }: Graph, images: string, scope: string): string {
  const scale = { name: 'preprocess/by', shape: [3], values: () => Float32Array.from(std, (one) => 1 / (255 * one)) };
  const shift = {
    name: 'preprocess/to',
    shape: [3],
    values: () => Float32Array.from(std, (one, at) => -mean[at] / one),
  };
  const types = { SrcT: { type: 'uint8' }, DstT: { type: 'float32' } } as const;
  const pixels = to.op('Cast', [images], types, `${scope}preprocess/pixels`);
  const scaled = to.op('Mul', [pixels, to.weight(scale)], FLOAT, `${scope}preprocess/scaled`);
  return to.op('AddV2', [scaled, to.weight(shift)], FLOAT, `${scope}preprocess/normalised`);
}

interface Place {
  to: TensorFlowGraph;
  graph: Graph;
  name(op: string): string;
}

type Of<Name extends GraphOp['op']> = Extract<GraphNode, { op: Name }>;
type Rules = { [Name in GraphOp['op']]: (node: Of<Name>, place: Place, inputs: string[]) => string };

const plain =
  (op: string) =>
  (_: GraphNode, { to, name }: Place, inputs: string[]) =>
    to.op(op, inputs, FLOAT, name(op));
const int32 = (key: string) => ({ ...FLOAT, [key]: { type: 'int32' as const } });

const RULES: Omit<Rules, 'Input'> = {
  PatchEmbed({ weight, bias, shape }, { to, name }, [images]) {
    const sides = weight.shape.slice(2);
    const attrs = convAttrs(sides, 'VALID');
    const layer = layerName(weight);
    const conv = to.op('Conv2D', [images, to.weight(moved(weight, [2, 3, 1, 0]))], attrs, name(layer));
    const biased = to.op('BiasAdd', [conv, to.weight(bias)], channelsLast(), name(`${layer}/biased`));
    return reshaped(to, biased, sidesOf(shape), name(`${layer}/tokens`));
  },
  Tokens({ count, table }, { to, name }, [patches]) {
    const paddings = to.integers([0, 0, count, 0, 0, 0], [3, 2]);
    const padded = to.op('PadV2', [patches, paddings, to.number(0)], int32('Tpaddings'), name('tokens'));
    return to.op('AddV2', [padded, to.weight(table)], FLOAT, name('positions'));
  },
  LayerNorm({ weight, bias, eps, shape }, { to, name }, [x]) {
    const layer = name(layerName(weight));
    const axis = to.integers([shape.length - 1]);
    const mean = (of: string, as: string): string =>
      to.op('Mean', [of, axis], { ...int32('Tidx'), keep_dims: { bool: true } }, `${layer}/${as}`);
    const centred = to.op('Sub', [x, mean(x, 'mean')], FLOAT, `${layer}/centred`);
    const variance = mean(to.op('Square', [centred], FLOAT, `${layer}/squares`), 'variance');
    const inverse = to.op('Rsqrt', [to.op('AddV2', [variance, to.number(eps)], FLOAT, `${layer}/shifted`)], FLOAT, `${layer}/inverse`); // prettier-ignore
    const unit = to.op('Mul', [centred, inverse], FLOAT, `${layer}/unit`);
    const scaled = to.op('Mul', [unit, to.weight(weight)], FLOAT, `${layer}/scaled`);
    return to.op('AddV2', [scaled, to.weight(bias)], FLOAT, layer);
  },
  // (x · ½) · (erf(x · √½) + 1): the same bits as ours, and the form that TFLite makes one op of.
  Gelu(_, { to, name }, [x]) {
    const root = to.op('Mul', [x, to.number(Math.fround(Math.SQRT1_2))], FLOAT, name('gelu/scaled'));
    const erf = to.op('Erf', [root], FLOAT, name('gelu/erf'));
    const raised = to.op('AddV2', [erf, to.number(1)], FLOAT, name('gelu/raised'));
    return to.op('Mul', [to.op('Mul', [x, to.number(0.5)], FLOAT, name('gelu/half')), raised], FLOAT, name('gelu'));
  },
  Linear({ weight, bias, shape }, { to, name }, [x]) {
    const [out, inputs] = weight.shape;
    const layer = name(layerName(weight));
    const rows = shape.length === 2 ? x : reshaped(to, x, [-1, inputs], `${layer}/rows`);
    const matrix = to.weight({ ...weight, shape: [out, inputs] });
    const attrs = { ...FLOAT, transpose_a: { bool: false }, transpose_b: { bool: true } };
    const product = to.op('MatMul', [rows, matrix], attrs, `${layer}/product`);
    const biased = to.op('BiasAdd', [product, to.weight(bias)], channelsLast(), layer);
    return shape.length === 2 ? biased : reshaped(to, biased, sidesOf(shape), `${layer}/tokens`);
  },
  Conv(node, { to, graph, name }, [x]) {
    const { weight, bias, stride, pads, same, inputs } = node;
    const layer = name(layerName(weight));
    const from = same ? x : padded(to, x, pads, layer);
    const attrs = convAttrs(stride, same ? 'SAME' : 'VALID');
    const channels = graph.nodes[inputs[0]].shape[3]!;
    return to.op(
      'BiasAdd',
      [convolved(to, node, channels, from, attrs, layer), to.weight(bias)],
      channelsLast(),
      layer,
    );
  },
  MaxPool({ size, stride, pads }, { to, name }, [x]) {
    const attrs = { ...windowAttrs(stride, 'VALID'), ksize: { ints: [1, ...size, 1] } };
    return to.op('MaxPool', [padded(to, x, pads, name('pool'))], attrs, name('pool'));
  },
  GlobalMean: (_, { to, name }, [x]) =>
    to.op('Mean', [x, to.integers([1, 2])], { ...int32('Tidx'), keep_dims: { bool: false } }, name('mean')),
  Relu: plain('Relu'),
  Relu6: plain('Relu6'),
  Sigmoid: plain('Sigmoid'),
  Log: plain('Log'),
  Softmax: plain('Softmax'),
  Add: plain('AddV2'),
  Mul: plain('Mul'),
  Scale: ({ by }, { to, name }, [x]) => to.op('Mul', [x, to.weight(by)], FLOAT, name('scale')),
  Gate({ shape }, { to, name }, [images, gate]) {
    const wide = reshaped(to, gate, [-1, 1, 1, shape[3]!], name('gate/channels'));
    return to.op('Mul', [images, wide], FLOAT, name('gate'));
  },
  Slice({ begin, shape }, { to, name }, [x]) {
    return to.op('Slice', [x, to.integers(begin), to.integers(sidesOf(shape))], int32('Index'), name('slice'));
  },
  Reshape: ({ shape }, { to, name }, [x]) => reshaped(to, x, sidesOf(shape), name('reshape')),
  Transpose: ({ order }, { to, name }, [x]) =>
    to.op('Transpose', [x, to.integers(order)], int32('Tperm'), name('transpose')),
  MatMul({ transposeB }, { to, name }, inputs) {
    const attrs = { ...FLOAT, adj_x: { bool: false }, adj_y: { bool: transposeB } };
    return to.op('BatchMatMulV2', inputs, attrs, name('product'));
  },
  Pick({ index, shape, inputs }, { to, graph, name }, [x]) {
    const rest = graph.nodes[inputs[0]].shape.slice(2);
    const size = [-1, 1, ...sidesOf(rest)];
    const row = to.op('Slice', [x, to.integers([0, index, ...rest.map(() => 0)]), to.integers(size)], int32('Index'), name('row')); // prettier-ignore
    return reshaped(to, row, sidesOf(shape), name('pick'));
  },
};

/** The convolution alone, in groups by what the weights say. */
function convolved(
  to: TensorFlowGraph,
  { weight, groups }: Of<'Conv'>,
  channels: number,
  x: string,
  attrs: TensorFlowNode['attrs'],
  layer: string,
): string {
  const [out, depth] = weight.shape;
  if (groups > 1 && depth === 1 && out === channels) {
    return to.op('DepthwiseConv2dNative', [x, to.weight(moved(weight, [2, 3, 0, 1]))], attrs, `${layer}/depthwise`);
  }
  const whole = moved(weight, [2, 3, 1, 0]);
  if (groups === 1 || !to.options.divideGroups) return to.op('Conv2D', [x, to.weight(whole)], attrs, `${layer}/conv`);
  const axis = to.integers([3], []);
  const parts = to.op('Split', [axis, x], { ...FLOAT, num_split: { int: groups } }, `${layer}/split`);
  const convs = Array.from({ length: groups }, (_, group) => {
    const filter = to.weight(moved(groupOf(weight, groups, group), [2, 3, 1, 0]));
    return to.op('Conv2D', [group === 0 ? parts : `${parts}:${group}`, filter], attrs, `${layer}/conv.${group}`);
  });
  return to.op('ConcatV2', [...convs, axis], { ...int32('Tidx'), N: { int: groups } }, `${layer}/conv`);
}

function groupOf({ name, shape, values }: Weight, groups: number, group: number): Weight {
  const [out, ...rest] = shape;
  const own = (): Float32Array => {
    const all = values();
    const size = all.length / groups;
    return all.slice(group * size, (group + 1) * size);
  };
  return { name: `${name}/group.${group}`, shape: [out / groups, ...rest], values: own };
}

function padded(to: TensorFlowGraph, x: string, [top, left, bottom, right]: Pads, layer: string): string {
  if (top + left + bottom + right === 0) return x;
  const paddings = to.integers([0, 0, top, bottom, left, right, 0, 0], [4, 2]);
  return to.op('PadV2', [x, paddings, to.number(0)], int32('Tpaddings'), `${layer}/padded`);
}

function reshaped(to: TensorFlowGraph, x: string, sides: number[], name: string): string {
  return to.op('Reshape', [x, to.integers(sides)], int32('Tshape'), name);
}

function windowAttrs(stride: readonly number[], padding: 'SAME' | 'VALID'): TensorFlowNode['attrs'] {
  return { ...channelsLast(), strides: { ints: [1, ...stride, 1] }, padding: { text: padding } };
}

function convAttrs(stride: readonly number[], padding: 'SAME' | 'VALID'): TensorFlowNode['attrs'] {
  return { ...windowAttrs(stride, padding), dilations: { ints: [1, 1, 1, 1] } };
}

function channelsLast(): TensorFlowNode['attrs'] {
  return { ...FLOAT, data_format: { text: 'NHWC' } };
}

/** A weight with its axes in the order that TensorFlow wants. */
function moved({ name, shape, values }: Weight, order: number[]): Weight {
  const sides = order.map((axis) => shape[axis]);
  return { name, shape: sides, values: () => permuted({ shape, values: values() }, order).values };
}

function layerName({ name }: Weight): string {
  return name.replace(/\.weight$/, '');
}

/** Writes sides as TensorFlow does: −1 for the batch. */
export function sidesOf(shape: readonly Side[]): number[] {
  return shape.map((side) => side ?? -1);
}
