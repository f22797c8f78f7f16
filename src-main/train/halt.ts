import * as tf from '@tensorflow/tfjs-core';
import type { State } from '../engines/engine.ts';
import type { TensorSpec } from '../trace/program.ts';
import { PREFIX } from './variables.ts';

/**
 * Holds back the steps that were begun after a bad one, whose loss was not known yet. Without it they would move a
 * state that is to be kept as it was.
 */
const HALTED = `${PREFIX.guard}halted`;

/** The flag's variable: 1 after a bad step. */
export const HALT_VARIABLES: Record<string, TensorSpec> = { [HALTED]: { shape: [], dtype: 'float32' } };

/** Lets steps move the state from now on. */
export function release(state: State): void {
  state.set(HALTED, [], Float32Array.of(0));
}

/** Holds back a step after a bad one. @param good 1, or 0 in a bad step @returns `good`, 0 after a bad step; the flag's next value */
export function heldBack(
  good: tf.Tensor,
  variables: Record<string, tf.Tensor>,
): { good: tf.Tensor; assigns: Record<string, tf.Tensor> } {
  if (!(HALTED in variables)) return { good, assigns: {} };
  const moves = tf.mul(good, tf.sub(1, variables[HALTED]));
  return { good: moves, assigns: { [HALTED]: tf.sub(1, moves) } };
}
