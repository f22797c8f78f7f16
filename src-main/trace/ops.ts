import * as tf from '@tensorflow/tfjs-core';
import { ATTR, DTYPES, type Attr, type DType } from '../runtime/dtypes.ts';
import type { TensorMetadata } from '../runtime/binding.ts';

/**
 * TensorFlow ops that tfjs has no name for, and attributes to call them with. They work eagerly and while recording;
 * they carry no gradient: wrap them in `tf.customGrad`.
 */

/** The part of tfjs-node's backend used here. */
interface NodeBackend extends tf.KernelBackend {
  binding: { sink: { recording: boolean } };
  createOutputTensor(metadata: TensorMetadata): tf.Tensor;
  getInputTensorIds(tensors: tf.TensorInfo[]): number[];
  executeMultipleOutputs(op: string, attrs: Attr[], inputs: tf.TensorInfo[], outputCount: number): tf.Tensor[];
}

/** Returns the current tfjs backend, which is the one of tfjs-node over our binding. */
export function nodeBackend(): NodeBackend {
  return tf.backend() as NodeBackend;
}

/** Runs or records a TensorFlow op by its own name. */
export function call(op: string, attrs: Attr[], inputs: tf.TensorInfo[], outputCount = 1): tf.Tensor[] {
  return nodeBackend().executeMultipleOutputs(op, attrs, inputs, outputCount);
}

export const attr = {
  type: (name: string, dtype: DType): Attr => ({ name, type: ATTR.type, value: DTYPES[dtype].code }),
  types: (name: string, dtypes: DType[]): Attr => ({
    name,
    type: ATTR.type,
    value: dtypes.map((dtype) => DTYPES[dtype].code),
  }),
  int: (name: string, value: number | number[]): Attr => ({ name, type: ATTR.int, value }),
  float: (name: string, value: number): Attr => ({ name, type: ATTR.float, value }),
  bool: (name: string, value: boolean): Attr => ({ name, type: ATTR.bool, value }),
  text: (name: string, value: string | string[]): Attr => ({ name, type: ATTR.string, value }),
};

/** Tells whether a node has an attribute of this name that is true. */
export function hasFlag({ attrs }: { attrs: readonly Attr[] }, flag: string): boolean {
  return attrs.some(({ name, value }) => name === flag && value === true);
}

/** Converts between types tfjs cannot name: `from` is the tensor's true TensorFlow type. No gradient. */
export function castTo(x: tf.Tensor, from: DType, to: DType): tf.Tensor {
  return call('Cast', [attr.type('SrcT', from), attr.type('DstT', to), attr.bool('Truncate', false)], [x])[0];
}

/**
 * Marks a value that is kept for the gradient: where products are bfloat16 it is kept so too, in half the memory. The
 * value itself goes on as it is. No gradient.
 */
export function saved<T extends tf.Tensor>(x: T): T {
  return nodeBackend().binding.sink.recording ? (call('Saved', [], [x])[0] as T) : x;
}

/** Computes 1 where `x` (a scalar) is a finite number, else 0. It has no gradient. */
export function finite(x: tf.Tensor): tf.Tensor {
  const answer = call('IsFinite', [attr.type('T', 'float32')], [x])[0];
  return castTo(answer, 'bool', 'float32');
}

/** Computes x · y, and 0 where y is 0 even if x is infinite or not a number. It has no gradient. */
export function multiplyNoNan(x: tf.Tensor, y: tf.Tensor): tf.Tensor {
  return call('MulNoNan', [attr.type('T', 'float32')], [x, y])[0];
}

/**
 * Computes one AdamW update (`composites.ts`). Compiled, it changes the state in place.
 * @param state parameter, mean and mean square of its gradient
 * @param scalars learning rate, β₁ᵗ, β₂ᵗ, β₁, β₂, ε·√(1 − β₂ᵗ), 1 − lr·λ
 * @returns the new state, in the same order
 */
export function adamw(state: tf.Tensor[], gradient: tf.Tensor, scalars: tf.Tensor[]): tf.Tensor[] {
  return call('AdamW', [], [...state, gradient, ...scalars], 3);
}
