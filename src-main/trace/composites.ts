import { attr, hasFlag } from './ops.ts';
import type { Attr } from '../runtime/dtypes.ts';
import type { TensorSpec } from './program.ts';

/**
 * Operations of a program that are several of TensorFlow's: one node in the program, so that the compiler can choose
 * how to run it. `expand` says what one means, in TensorFlow's ops; an eager run and the interpreter use it.
 *
 * To add one: "An operation of programs" in docs/adding.md.
 */
export interface Composite {
  outputs(inputs: TensorSpec[]): TensorSpec[];
  /** `emit` runs one op with one result. */
  expand<T>(emit: (op: string, attrs: Attr[], inputs: T[]) => T, inputs: T[], attrs: readonly Attr[]): T[];
}

const FLOAT = [attr.type('T', 'float32')];

/**
 * One AdamW update. Inputs: parameter, mean and mean square of the gradient, gradient; then scalars: learning rate,
 * β₁ᵗ, β₂ᵗ, β₁, β₂, ε·√(1 − β₂ᵗ), decay (1 − lr·λ). Outputs: the new parameter, mean and mean square.
 */
const adamw: Composite = {
  outputs: ([param, mean, square]) => [param, mean, square],
  expand(emit, [param, mean, square, gradient, lr, power1, power2, beta1, beta2, epsilon, decay]) {
    const binary = (op: string, a: typeof param, b: typeof param) => emit(op, FLOAT, [a, b]);
    const one = binary('Div', lr, lr);
    const rest = (x: typeof param) => binary('Sub', one, x);
    const toward = (old: typeof param, target: typeof param, beta: typeof param) =>
      binary('AddV2', old, binary('Mul', binary('Sub', target, old), rest(beta)));
    const newMean = toward(mean, gradient, beta1);
    const newSquare = toward(square, binary('Mul', gradient, gradient), beta2);
    const rate = binary('Div', binary('Mul', lr, emit('Sqrt', FLOAT, [rest(power2)])), rest(power1));
    const denominator = binary('AddV2', emit('Sqrt', FLOAT, [newSquare]), epsilon);
    const change = binary('Div', binary('Mul', newMean, rate), denominator);
    return [binary('Sub', binary('Mul', param, decay), change), newMean, newSquare];
  },
};

/** A value kept for the gradient, see `saved` in `ops.ts`. */
const saved: Composite = {
  outputs: ([value]) => [value],
  expand: (emit, [value]) => [emit('Identity', FLOAT, [value])],
};

/**
 * A convolution and what is done to its result (`engines/tensorflow/fuse-conv.ts`). Inputs: images, kernel, then the bias and the shortcut
 * that `fused_ops` names. `depthwise`: a kernel for each channel. `is_filter_const`: the kernel is the same in each run.
 */
const fusedConv: Composite = {
  outputs: ([images]) => [images],
  expand(emit, [images, kernel, ...more], attrs) {
    const type = attrs.filter(({ name }) => name === 'T');
    const own = attrs.filter(({ name }) => !OF_FUSED.has(name));
    let result = emit(isDepthwise({ attrs }) ? 'DepthwiseConv2dNative' : 'Conv2D', own, [images, kernel]);
    for (const op of fusedOps({ attrs })) {
      if (op === 'BiasAdd') result = emit(op, [...type, attr.text('data_format', 'NHWC')], [result, more.shift()!]);
      else if (op === 'Add') result = emit('AddV2', type, [result, more.shift()!]);
      else result = emit(op, type, [result]);
    }
    return [result];
  },
};

const OF_FUSED = new Set(['depthwise', 'is_filter_const', 'fused_ops']);

/** Lists what a `FusedConv` does to its result. */
export function fusedOps({ attrs }: { attrs: readonly Attr[] }): string[] {
  return (attrs.find(({ name }) => name === 'fused_ops')?.value ?? []) as string[];
}

/** Tells whether a `FusedConv` has a kernel for each channel. */
export function isDepthwise(node: { attrs: readonly Attr[] }): boolean {
  return hasFlag(node, 'depthwise');
}

export const COMPOSITES: Record<string, Composite> = { AdamW: adamw, Saved: saved, FusedConv: fusedConv };
