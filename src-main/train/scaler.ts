import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../trace/program.ts';
import { finite, multiplyNoNan } from '../trace/ops.ts';
import type { State } from '../engines/engine.ts';
import { PREFIX } from './variables.ts';

/**
 * Dynamic loss scaling, as torch's GradScaler: float16 has no room for small gradients, so the loss is multiplied
 * before the way back and gradients are divided after it. Where one overflows, the step is skipped and the scale
 * halved; after many good steps it is doubled. All of it is part of the recorded step and of its state.
 */
const [SCALE, CLEAN, SKIPPED] = ['scale', 'clean', 'skipped'].map((name) => PREFIX.scaler + name);
const START = 65536;
const GROWTH = 2;
const BACKOFF = 0.5;
/** Good steps in a row before the scale grows. */
const INTERVAL = 2000;

/** The scaler's variables, each a scalar. */
export const SCALER_VARIABLES: Record<string, TensorSpec> = Object.fromEntries(
  [SCALE, CLEAN, SKIPPED].map((name) => [name, { shape: [], dtype: 'float32' as const }]),
);

/** Makes the scaler's variables where a state has none. */
export function startScaler(state: State): void {
  const values = { [SCALE]: START, [CLEAN]: 0, [SKIPPED]: 0 };
  for (const [name, value] of Object.entries(values)) if (!state.has(name)) state.set(name, [], Float32Array.of(value));
}

/** Returns how many steps have been skipped, which torch's optimizer does not count. */
export function skippedSteps(state: State): number {
  return state.has(SKIPPED) ? state.read(SKIPPED)[0] : 0;
}

/** Scales the loss before gradients are taken. @param inputs may hold the scaler's variables; else it stays as it is */
export function scaleLoss(loss: tf.Tensor, inputs: Record<string, tf.Tensor>): tf.Scalar {
  return (SCALE in inputs ? tf.mul(loss, inputs[SCALE]) : loss) as tf.Scalar;
}

/** The new state of the scaler, and the gradients of one step without its scale. */
export interface Unscaled {
  gradients: Record<string, tf.Tensor>;
  /** 1 where all gradients are finite, else 0: the step is to be skipped. */
  fits: tf.Tensor;
  /** The scaler's new values by name; those it has after a bad loss. */
  assigns: Record<string, tf.Tensor>;
}

/** Computes 1 where all gradients are finite, else 0. */
export function gradientsFit(gradients: Record<string, tf.Tensor>): tf.Tensor {
  return finite(tf.addN(Object.values(gradients).map((gradient) => tf.sum(gradient))));
}

/**
 * Divides the gradients by the scale of the loss, and adapts the scale for the next step.
 * @param good 1, or 0 after a loss that is not finite
 */
export function unscale(
  gradients: Record<string, tf.Tensor>,
  variables: Record<string, tf.Tensor>,
  good: tf.Tensor,
): Unscaled {
  const [scale, clean, skipped] = [SCALE, CLEAN, SKIPPED].map((name) => variables[name]);
  const fits = gradientsFit(gradients);
  const entries = Object.entries(gradients).map(([name, gradient]) => [name, tf.div(gradient, scale)] as const);
  const run = tf.mul(tf.add(clean, 1), fits);
  const grows = tf.cast(tf.greaterEqual(run, INTERVAL), 'float32');
  const factor = tf.add(tf.mul(tf.add(tf.mul(grows, GROWTH - 1), 1), fits), tf.mul(tf.sub(1, fits), BACKOFF));
  const next = {
    [SCALE]: [scale, tf.mul(scale, factor)],
    [CLEAN]: [clean, tf.mul(run, tf.sub(1, grows))],
    [SKIPPED]: [skipped, tf.add(skipped, tf.sub(1, fits))],
  };
  const kept = Object.entries(next).map(([name, [old, value]]) => [
    name,
    tf.add(multiplyNoNan(value, good), tf.mul(old, tf.sub(1, good))),
  ]);
  return { gradients: Object.fromEntries(entries), fits, assigns: Object.fromEntries(kept) as Unscaled['assigns'] };
}
