import { shapeSize } from '../../base/shape-size.ts';
import { attr } from '../../trace/ops.ts';
import { rewrite, simplify, type Rewriter } from '../../trace/rewrite.ts';
import type { Program, ProgramNode, ValueRef } from '../../trace/program.ts';
import { reshape } from './nodes.ts';

/**
 * Turns the gradients of 1×1 convolutions into products of matrices. These take parameters in the order in which they
 * lie, [out, in], and give their gradient so; a convolution's op wants both transposed, and is slower.
 */
export function pointProducts(program: Program): Program {
  const changed = rewrite(program, (node, rewriter, inputs) => {
    const product = node.op === 'Conv2DBackpropInput' ? toInput(node, rewriter, inputs) : null;
    return product ?? toKernel(node, rewriter, inputs) ?? rewriter.add({ ...node, inputs });
  });
  return simplify(changed);
}

/** dy [B·H·W, out] · kernel [out, in]. */
function toInput({ outputs: [x] }: ProgramNode, rewriter: Rewriter, inputs: ValueRef[]): number | null {
  const [, kernel, dy] = inputs;
  const turned = rewriter.nodes[kernel.node];
  if (turned.op !== 'Transpose' || !isPoint(rewriter.spec(kernel).shape, x.shape, rewriter.spec(dy).shape)) return null;
  const [weight] = turned.inputs;
  const [outs, ins] = rewriter.spec(weight).shape;
  if (!isTurn(rewriter, turned, [2, 3, 1, 0])) return null;
  const factors = [inRows(rewriter, dy, outs), reshape(rewriter, weight, [outs, ins])];
  return reshape(rewriter, product(rewriter, factors, false), x.shape).node;
}

/** dyᵀ [out, B·H·W] · x [B·H·W, in], in place of a kernel's gradient that is transposed to [out, in, 1, 1]. */
function toKernel(node: ProgramNode, rewriter: Rewriter, inputs: ValueRef[]): number | null {
  const gradient = node.op === 'Transpose' ? rewriter.nodes[inputs[0].node] : null;
  if (gradient?.op !== 'Conv2DBackpropFilter' || !isTurn(rewriter, { ...node, inputs }, [3, 2, 0, 1])) return null;
  const [x, , dy] = gradient.inputs;
  const [outs, ins] = node.outputs[0].shape;
  if (!isPoint(gradient.outputs[0].shape, rewriter.spec(x).shape, rewriter.spec(dy).shape)) return null;
  const factors = [inRows(rewriter, dy, outs), inRows(rewriter, x, ins)];
  return reshape(rewriter, product(rewriter, factors, true), node.outputs[0].shape).node;
}

/** Tells whether a kernel [1, 1, in, out] goes over all places of its images, in one group. */
function isPoint(kernel: readonly number[], x: readonly number[], dy: readonly number[]): boolean {
  return kernel[0] * kernel[1] === 1 && kernel[2] === x[3] && x[1] === dy[1] && x[2] === dy[2];
}

function isTurn(rewriter: Rewriter, node: ProgramNode, order: readonly number[]): boolean {
  const { values } = rewriter.nodes[node.inputs[1].node];
  return values !== undefined && String(Array.from(values as Int32Array)) === String(order);
}

/** Adds a value as a matrix of so wide rows. */
function inRows(rewriter: Rewriter, value: ValueRef, width: number): ValueRef {
  return reshape(rewriter, value, [shapeSize(rewriter.spec(value).shape) / width, width]);
}

function product(rewriter: Rewriter, [a, b]: ValueRef[], transposeA: boolean): ValueRef {
  const [{ shape: left, dtype }, { shape: right }] = [rewriter.spec(a), rewriter.spec(b)];
  const attrs = [attr.type('T', dtype), attr.bool('transpose_a', transposeA), attr.bool('transpose_b', false)];
  const outputs = [{ shape: [left[transposeA ? 1 : 0], right[1]], dtype }];
  return { node: rewriter.add({ op: 'MatMul', attrs, inputs: [a, b], outputs }), output: 0 };
}
