import type { ValueRef } from '../trace/program.ts';
import { evaluate, type ParamSource } from './fold.ts';
import type { Graph, GraphNode, GraphOp, GraphOptions, Pads, Side, Weight } from './graph.ts';
import { Finder, geluAt, layerNormAt, linearAt, patchEmbedAt, tokensAt } from './patterns.ts';
import { BatchFree, type Recording } from './recording.ts';

/**
 * Makes the graph of a network from its recording: free of the batch, what depends on parameters alone computed, and
 * layers found again. Nothing is computed before a writer asks for a weight.
 * @param params gives the network's parameters by timm's names.
 */
export function exportGraph(recording: Recording, params: ParamSource, options: GraphOptions): Graph {
  const { model, two, three } = recording;
  const lowering = new Lowering(new BatchFree(two, three), params);
  const heads = two.outputs.map(({ value }) => lowering.node(value));
  const { inputSize, inputWidth = inputSize, name, classes, mean, std, family } = model;
  return {
    ...{ architecture: name, transformer: family === 'deit' || family === 'vit' },
    ...{ height: inputSize, width: inputWidth, classes, mean: [...mean], std: [...std] },
    outputs: outputsOf(lowering, heads, classes, options),
    nodes: lowering.nodes,
    ...{ heads, decides: heads.length === 1 ? null : options.heads },
  };
}

function outputsOf(lowering: Lowering, heads: number[], classes: number, options: GraphOptions): Graph['outputs'] {
  if (heads.length === 1) return [{ name: 'logits', node: heads[0] }];
  const [head, headDist] = heads;
  const both = [
    { name: 'cls_logits', node: head },
    { name: 'distillation_logits', node: headDist },
  ];
  const logits = { name: 'logits', node: decidingNode(lowering, [head, headDist], classes, options) };
  return options.logitsAlone ? [logits] : [logits, ...both];
}

/** What decides, as `train/metrics.ts` computes it. */
function decidingNode(
  lowering: Lowering,
  [head, headDist]: [number, number],
  classes: number,
  { heads }: GraphOptions,
): number {
  if (heads === 'class') return head;
  if (heads === 'distillation') return headDist;
  const shape = [null, classes];
  const add = (op: GraphOp, ...inputs: number[]): number => lowering.add({ ...op, inputs, shape });
  const half: GraphOp = { op: 'Scale', by: scalar('half', 0.5) };
  if (heads === 'mean') return add(half, add({ op: 'Add' }, head, headDist));
  const probabilities = [head, headDist].map((logits) => add({ op: 'Softmax' }, logits));
  return add({ op: 'Log' }, add(half, add({ op: 'Add' }, ...probabilities)));
}

function scalar(name: string, value: number): Weight {
  return { name, shape: [], values: () => Float32Array.of(value) };
}

/** Turns values of the program into nodes, each once. */
class Lowering {
  readonly nodes: GraphNode[] = [];
  private readonly made = new Map<string, number>();
  private readonly find: Finder;

  constructor(
    private readonly free: BatchFree,
    private readonly params: ParamSource,
  ) {
    this.find = new Finder(free);
  }

  add(node: GraphNode): number {
    this.nodes.push(node);
    return this.nodes.length - 1;
  }

  /** The number of the node for a value. */
  node(given: ValueRef): number {
    const ref = this.find.peeled(given);
    const key = `${ref.node}.${ref.output}`;
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const { inputs, ...op } = this.layer(ref) ?? this.single(ref);
    const number = this.add({ ...op, inputs: inputs.map((input) => this.node(input)), shape: this.free.shape(ref) });
    this.made.set(key, number);
    return number;
  }

  /** A layer of several ops that ends with this value. */
  private layer(ref: ValueRef): Found | null {
    return this.embedding(ref) ?? this.dense(ref) ?? this.conv(ref);
  }

  private embedding(ref: ValueRef): Found | null {
    const patch = patchEmbedAt(this.find, this.free, ref);
    if (patch)
      return {
        op: 'PatchEmbed',
        weight: this.weight(patch.weight),
        bias: this.weight(patch.bias),
        inputs: [patch.images],
      };
    const tokens = tokensAt(this.find, this.free, ref);
    if (!tokens) return null;
    return { op: 'Tokens', count: tokens.tokens.length, table: this.table(ref, tokens), inputs: [tokens.patches] };
  }

  private dense(ref: ValueRef): Found | null {
    const norm = layerNormAt(this.find, this.free, ref);
    if (norm) {
      const { x, weight, bias, eps } = norm;
      return { op: 'LayerNorm', weight: this.weight(weight), bias: this.weight(bias), eps, inputs: [x] };
    }
    const gelu = geluAt(this.find, ref);
    if (gelu) return { op: 'Gelu', inputs: [gelu] };
    const linear = linearAt(this.find, this.free, ref);
    if (!linear) return null;
    return { op: 'Linear', weight: this.weight(linear.weight), bias: this.weight(linear.bias), inputs: [linear.x] };
  }

  /** A convolution and the bias behind it, with the border before it. */
  private conv(ref: ValueRef): Found | null {
    const [found, bias] = this.find.inputs(ref, 'Add', 'AddV2') ?? [];
    const [given, filter] = this.find.inputs(found, 'Conv2D', 'DepthwiseConv2dNative') ?? [];
    if (!given || !this.free.isFixed(bias)) return null;
    const { op, inputs } = this.free.node(filter);
    const order = this.free.node(found).op === 'Conv2D' ? '2,3,1,0' : '2,3,0,1';
    if (op !== 'Transpose' || this.find.numbers(inputs[1]).join() !== order) throw new Error('conv: unknown filter');
    const weight = this.weight(inputs[0]);
    const { x, ...border } = this.border(found, given, weight.shape.slice(2));
    const folded = { ...this.weight(bias), name: weight.name.replace(/weight$/, 'bias') };
    const groups = this.free.recorded(x)[3] / weight.shape[1];
    return { op: 'Conv', weight, bias: folded, groups, ...border, inputs: [x] };
  }

  private border(ref: ValueRef, given: ValueRef, size: number[]) {
    const [, high, wide] = this.free.attr(ref, 'strides') as number[];
    const stride: [number, number] = [high, wide];
    const same = this.free.attr(ref, 'padding') === 'SAME';
    const [padded, widths] = this.find.inputs(given, 'PadV2', 'Pad') ?? [];
    if (same) return { x: given, stride, same, pads: samePads(this.free.recorded(given).slice(1, 3), size, stride) };
    if (!padded) return { x: given, stride, same, pads: [0, 0, 0, 0] as Pads };
    const [, , top, bottom, left, right] = this.find.numbers(widths);
    return { x: padded, stride, same, pads: [top, left, bottom, right] as Pads };
  }

  private single(ref: ValueRef): Found {
    const { op, inputs } = this.free.node(ref);
    switch (op) {
      case 'Input':
        return { op, inputs: [] };
      case 'Relu':
      case 'Relu6':
      case 'Sigmoid':
      case 'Softmax':
        return { op, inputs };
      case 'Add':
      case 'AddV2':
        return { op: 'Add', inputs };
      case 'Mul':
        return this.product(ref);
      case 'Mean':
        return this.mean(ref);
      case 'MaxPool':
        return this.maxPool(ref);
      case 'BatchMatMulV2':
        return { op: 'MatMul', transposeB: this.free.attr(ref, 'adj_y') === true, inputs };
      case 'Reshape':
        return { op, inputs: [inputs[0]] };
      case 'Transpose':
        return { op, order: this.find.numbers(inputs[1]), inputs: [inputs[0]] };
      case 'Slice':
        return { op, begin: this.find.numbers(inputs[1]), inputs: [inputs[0]] };
      case 'Unpack':
        return { op: 'Pick', index: ref.output, inputs };
    }
    throw new Error(`exportGraph: no rule for ${op}`);
  }

  private product(ref: ValueRef): Found {
    const [one, other] = this.free.node(ref).inputs;
    if (this.free.isFixed(other)) return { op: 'Scale', by: this.weight(other), inputs: [one] };
    const gate = this.find.inputs(other, 'Reshape')?.[0];
    const [from, to] = [this.free.recorded(one), this.free.recorded(other)];
    if (from.join() === to.join()) return { op: 'Mul', inputs: [one, other] };
    if (!gate || from.length !== 4 || to.slice(1, 3).join() !== '1,1') throw new Error('product: unknown shapes');
    return { op: 'Gate', inputs: [one, gate] };
  }

  private mean(ref: ValueRef): Found {
    const [x, axes] = this.free.node(ref).inputs;
    const kept = this.free.attr(ref, 'keep_dims') === true;
    if (kept || this.find.numbers(axes).join() !== '1,2') throw new Error('mean: expected one over height and width');
    return { op: 'GlobalMean', inputs: [x] };
  }

  private maxPool(ref: ValueRef): Found {
    const [, high, wide] = this.free.attr(ref, 'ksize') as number[];
    const { x, stride, pads } = this.border(ref, this.free.node(ref).inputs[0], [high, wide]);
    if (!this.find.inputs(x, 'Relu')) throw new Error('maxPool: expected numbers of at least 0');
    return { op: 'MaxPool', size: [high, wide], stride, pads, inputs: [x] };
  }

  /** Tokens and positions as one table [1, N, D]: zeros stand where patches are only moved. */
  private table(ref: ValueRef, { tokens, positions, skipped }: NonNullable<ReturnType<typeof tokensAt>>): Weight {
    const [count, width] = this.free.recorded(ref).slice(1);
    const values = (): Float32Array => {
      const table = new Float32Array(count * width);
      if (positions) table.set(this.values(positions), skipped * width);
      const rows = tokens.map((token) => this.values(token));
      rows.forEach((row, at) => row.forEach((value, place) => (table[at * width + place] += value)));
      return table;
    };
    return { name: positions ? 'pos_embed.with_tokens' : 'cls_token.padded', shape: [1, count, width], values };
  }

  private values(ref: ValueRef): Float32Array {
    return evaluate(this.free.program, ref, this.params).values;
  }

  /** @throws Error where it depends on the images. */
  private weight(ref: ValueRef): Weight {
    if (!this.free.isFixed(ref)) throw new Error(`weight: ${this.free.node(ref).op} depends on the images`);
    return { name: this.nameOf(ref), shape: this.free.recorded(ref), values: () => this.values(ref) };
  }

  /** The parameter that a value is made of; of several the convolution's, and without one a name of its own. */
  private nameOf(ref: ValueRef): string {
    const { op, name, inputs } = this.free.node(ref);
    if (op === 'Variable') return name!;
    if (inputs.length === 0) return `constant.${ref.node}`;
    return this.nameOf(inputs[0]);
  }
}

type Found = GraphOp & { inputs: ValueRef[] };

/** TensorFlow's padding of the name: what is odd goes to the bottom and right. */
function samePads(sides: number[], size: number[], stride: number[]): Pads {
  const totals = sides.map((side, axis) => {
    const steps = Math.ceil(side / stride[axis]) - 1;
    return Math.max(steps * stride[axis] + size[axis] - side, 0);
  });
  const [top, left] = totals.map((total) => total >> 1);
  return [top, left, totals[0] - top, totals[1] - left];
}

/** Prints a graph, one line a node, for people and tests. */
export function printGraph({ nodes, outputs }: Graph): string {
  const side = (one: Side): string => String(one ?? 'B');
  const lines = nodes.map((node, at) => {
    const { op, inputs, shape, ...facts } = node;
    const words = Object.entries(facts).map(([key, fact]) => `${key}=${wordOf(fact)}`);
    return [
      `%${at} = ${op}(${inputs.map((input) => `%${input}`).join(', ')})`,
      ...words,
      `[${shape.map(side).join(', ')}]`,
    ].join(' ');
  });
  return [...lines, ...outputs.map(({ name, node }) => `${name} = %${node}`), ''].join('\n');
}

function wordOf(fact: unknown): string {
  if (typeof fact !== 'object' || fact === null) return String(fact);
  if (Array.isArray(fact)) return fact.join();
  const { name, shape } = fact as Weight;
  return `${name}[${shape.join()}]`;
}
