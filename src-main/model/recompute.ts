import * as tf from '@tensorflow/tfjs-core';
import { attr, call } from '../trace/ops.ts';
import type { Params } from './model.ts';

/**
 * Computes `f` of a value and of parameters without keeping intermediate values: the gradient computes them again from
 * the inputs. That costs one more forward pass of `f` and saves the memory of those values.
 */
export function recomputed<T extends tf.Tensor>(f: (x: T, params: Params) => T, x: T, params: Params): T {
  const names = Object.keys(params);
  const named = (tensors: tf.Tensor[]) => Object.fromEntries(names.map((name, index) => [name, tensors[index]]));
  const run = tf.customGrad<tf.Tensor>((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [x, ...values] = args as tf.Tensor[];
    save([x, ...values]);
    const gradFunc = (dy: tf.Tensor, kept: tf.Tensor[]) => {
      const [x, ...values] = kept;
      return gradients(([x, ...values]) => f(x as T, named(values)), [onceHere(x, dy), ...values], dy);
    };
    return { value: f(x as T, named(values)), gradFunc };
  });
  return run(x, ...names.map((name) => params[name])) as T;
}

/** `x`, but not before `dy` is here: else it would be computed again at once and kept after all. */
function onceHere(x: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  const types = { ...attr.type('T', 'float32'), value: [1, 1].map(() => attr.type('T', 'float32').value as number) };
  return call('IdentityN', [types], [x, dy], 2)[0];
}

/** Gradients of `f` at `xs` within another gradient: on its tape, or tfjs would drop that. */
function gradients(f: (xs: tf.Tensor[]) => tf.Tensor, xs: tf.Tensor[], dy: tf.Tensor): tf.Tensor[] {
  const engine = tf.engine();
  engine.state.gradientDepth++;
  try {
    return engine.gradients(() => f(xs), xs, dy).grads;
  } finally {
    engine.state.gradientDepth--;
  }
}
