import type { Attr } from '../../runtime/dtypes.ts';
import { fusedOps, isDepthwise } from '../../trace/composites.ts';
import { frozenNodes, type IsFrozen } from '../../trace/freeze.ts';
import { attr } from '../../trace/ops.ts';
import { needed, Rewriter } from '../../trace/rewrite.ts';
import type { Program, ProgramNode, TensorSpec, ValueRef } from '../../trace/program.ts';

/**
 * Joins a convolution with what is done to its result alone: padding before it, then a bias, the sum with a shortcut
 * and a ReLU after it. One op (`FusedConv`, in `composites.ts`) computes all of it while the result is in registers.
 * What stood for it stays behind, unused.
 */
export function fuseConvolutions(program: Program, isFrozen: IsFrozen): Program {
  const fusing = new Fusing(program, isFrozen);
  program.nodes.forEach((node, index) => fusing.take(node, index));
  return fusing.finish();
}

/** What may follow, in this order, each at most once. */
const BIAS = 'BiasAdd';
const SHORTCUT = 'Add';
const ACTIVATIONS = ['Relu', 'Relu6'];

class Fusing {
  private readonly rewriter = new Rewriter();
  private readonly moved: number[] = [];
  private readonly users: number[];
  private readonly frozen: boolean[];

  constructor(
    private readonly program: Program,
    isFrozen: IsFrozen,
  ) {
    this.users = countUsers(program);
    this.frozen = frozenNodes(program, isFrozen);
  }

  take(node: ProgramNode, index: number): void {
    const inputs = node.inputs.map(this.at);
    this.moved[index] = this.rewriter.add(this.fused(node, inputs) ?? { ...node, inputs });
  }

  finish(): Program {
    return this.rewriter.finish(this.program, this.at);
  }

  private readonly at = ({ node, output }: ValueRef): ValueRef => ({ node: this.moved[node], output });

  /** A node in place of `node` that does the work of the convolution before it too; null where there is none. */
  private fused(node: ProgramNode, inputs: ValueRef[]): ProgramNode | null {
    const only = inputs.length === 2 && ['Add', 'AddV2', 'BiasAdd'].includes(node.op);
    if (node.op === 'PadV2') return this.withZeros(node, inputs);
    if (ACTIVATIONS.includes(node.op)) return this.withActivation(node, inputs);
    if (!only) return null;
    return this.withBias(node, inputs) ?? this.withShortcut(node, inputs);
  }

  /** An op of its own pads with zeros, in any type. */
  private withZeros(node: ProgramNode, inputs: ValueRef[]): ProgramNode | null {
    const zero = this.rewriter.nodes[inputs[2].node].values;
    if (Number(zero?.[0]) !== 0) return null;
    return { ...node, op: 'Pad', inputs: inputs.slice(0, 2) };
  }

  private withActivation(node: ProgramNode, inputs: ValueRef[]): ProgramNode | null {
    const before = this.alone(node, inputs, 0);
    return before?.op === 'FusedConv' && !hasActivation(before) ? grown(before, node.op, []) : null;
  }

  private withBias(node: ProgramNode, inputs: ValueRef[]): ProgramNode | null {
    for (const place of [0, 1]) {
      const before = this.alone(node, inputs, place);
      const bias = this.rewriter.spec(inputs[1 - place]);
      const channels = node.outputs[0].shape[3];
      if (before && CONVOLUTIONS.has(before.op) && isRowOf(bias, channels)) {
        const filter = this.program.nodes[node.inputs[place].node].inputs[1];
        return grown(this.started(before, this.frozen[filter.node]), BIAS, [inputs[1 - place]]);
      }
    }
    return null;
  }

  /** The later of both summands takes the other one: that is computed by then. */
  private withShortcut(node: ProgramNode, inputs: ValueRef[]): ProgramNode | null {
    const shape = node.outputs[0].shape.join();
    const places = inputs[0].node > inputs[1].node ? [0, 1] : [1, 0];
    for (const place of places) {
      const before = this.alone(node, inputs, place);
      const other = inputs[1 - place];
      const fits = before?.op === 'FusedConv' && fusedOps(before).join() === BIAS && !isDepthwise(before);
      if (fits && this.rewriter.spec(other).shape.join() === shape) return grown(before, SHORTCUT, [other]);
    }
    return null;
  }

  /** The node that makes an input, where nothing else needs what it makes. */
  private alone(node: ProgramNode, inputs: ValueRef[], place: number): ProgramNode | null {
    return this.users[node.inputs[place].node] === 1 ? this.rewriter.nodes[inputs[place].node] : null;
  }

  /** A convolution as `FusedConv` that does nothing more yet, but pads its input where that was done before it. */
  private started(conv: ProgramNode, constant: boolean): ProgramNode {
    const attrs = [
      ...conv.attrs.filter(({ name }) => KEPT.has(name) && (conv.op === 'Conv2D' || name !== 'explicit_paddings')),
      attr.bool('depthwise', conv.op !== 'Conv2D'),
      attr.bool('is_filter_const', constant),
    ];
    const padding = conv.op === 'Conv2D' ? this.padding(conv) : null;
    const own = attrs.filter(({ name }) => !padding || !PADDING.has(name));
    return {
      ...conv,
      op: 'FusedConv',
      attrs: [...own, ...(padding?.attrs ?? [])],
      inputs: padding?.inputs ?? conv.inputs,
    };
  }

  /** oneDNN pads for itself, but not where there is a kernel for each channel. */
  private padding(conv: ProgramNode): Pick<ProgramNode, 'attrs' | 'inputs'> | null {
    const pad = this.rewriter.nodes[conv.inputs[0].node];
    const sides = pad.op === 'Pad' ? this.rewriter.nodes[pad.inputs[1].node].values : null;
    if (!sides || !conv.attrs.some(({ name, value }) => name === 'padding' && value === 'VALID')) return null;
    const explicit = Array.from(sides as Int32Array);
    if ([0, 1, 6, 7].some((place) => explicit[place] !== 0)) return null;
    const attrs = [attr.text('padding', 'EXPLICIT'), attr.int('explicit_paddings', explicit)];
    return { attrs, inputs: [pad.inputs[0], ...conv.inputs.slice(1)] };
  }
}

const CONVOLUTIONS = new Set(['Conv2D', 'DepthwiseConv2dNative']);
const KEPT = new Set(['T', 'strides', 'padding', 'explicit_paddings', 'data_format', 'dilations']);
const PADDING = new Set(['padding', 'explicit_paddings']);

function grown(conv: ProgramNode, op: string, inputs: ValueRef[]): ProgramNode {
  const attrs = [
    ...conv.attrs.filter(({ name }) => name !== 'fused_ops'),
    attr.text('fused_ops', [...fusedOps(conv), op]),
  ];
  return { ...conv, attrs, inputs: [...conv.inputs, ...inputs] };
}

function hasActivation(conv: ProgramNode): boolean {
  return fusedOps(conv).some((op) => ACTIVATIONS.includes(op));
}

function isRowOf({ shape }: TensorSpec, channels: number): boolean {
  return shape.length === 1 && shape[0] === channels;
}

function countUsers(program: Program): number[] {
  const users = program.nodes.map(() => 0);
  const marks = needed(program);
  program.nodes.forEach((node, index) => {
    if (marks[index]) for (const { node: from } of node.inputs) users[from]++;
  });
  for (const { value } of [...program.outputs, ...program.assigns]) users[value.node]++;
  return users;
}

/** Attributes and op of a `FusedConv` where oneDNN computes it. */
export function oneDnnConv(node: ProgramNode): { op: string; attrs: Attr[] } {
  const own = node.attrs.filter(({ name }) => name !== 'depthwise');
  const [{ dtype }] = node.outputs;
  // TensorFlow chooses such kernels by this name alone.
  const kernel = attr.text('_kernel', 'MklNameChangeOp');
  if (isDepthwise(node)) return { op: '_MklNativeFusedDepthwiseConv2dNative', attrs: [...own, kernel] };
  const count = node.inputs.length - 2;
  const types = attr.types(
    'TArgs',
    Array.from({ length: count }, () => dtype),
  );
  return { op: '_MklNativeFusedConv2D', attrs: [...own, kernel, types, attr.int('num_args', count)] };
}
