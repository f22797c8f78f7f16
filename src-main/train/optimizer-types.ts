import type * as tf from '@tensorflow/tfjs-core';

/**
 * Moves the parameters of a recorded step. To add one: "An optimizer" in docs/adding.md.
 */
export interface Optimizer {
  /** Prefixes of the variables kept for each parameter, zero at first. */
  slots: readonly string[];
  /** Numbers that change with the step (from 1), by input name. */
  scalars(step: number): Record<string, number>;
  /** The gradients of all parameters are shortened to this norm before anything else. */
  maxNorm?: number;
  /**
   * How the step moves a parameter: its new value, then its new slots.
   * @param good 1, or 0 for a step that must leave everything as it is: then gradients and rates are 0 already.
   */
  mover(inputs: Record<string, tf.Tensor>, good: tf.Tensor): (moving: Moving) => tf.Tensor[];
}

/** One parameter in a step. */
export interface Moving {
  value: tf.Tensor;
  slots: tf.Tensor[];
  gradient: tf.Tensor;
  /** The rate of its layer, a scalar. */
  lr: tf.Tensor;
  /** Weight decay λ; 0 for a parameter that is exempt. */
  decay: number;
}
