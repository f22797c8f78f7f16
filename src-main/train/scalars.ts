import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import { attr, call } from '../trace/ops.ts';

/** Scalars of the update that every parameter reads. */

/**
 * Marks a computed scalar that many parameters read as one shared value. Without it all their updates would become one
 * cluster, which takes long to compile and holds all results in memory at once.
 */
export function shared(scalar: tf.Tensor): tf.Tensor {
  return call('Identity', [attr.type('T', 'float32')], [scalar])[0];
}

/** Computes β in a good step, 1 in a bad one, where the mean must stay. */
export function heldBeta(beta: number, good: tf.Tensor): tf.Tensor {
  return shared(tf.add(tf.mul(beta, good), tf.sub(1, good)));
}

/** Computes how far a mean of decay β moves towards a new value: 1 − β in a good step, 0 in a bad one. */
export function heldRate(beta: number, good: tf.Tensor): tf.Tensor {
  return shared(tf.mul(tf.sub(1, beta), good));
}

/**
 * Computes x + decay · value in an order in which every op needs x: an op without it would become a cluster of its own.
 */
export function plusShare(x: tf.Tensor, value: tf.Tensor, decay: number): tf.Tensor {
  return decay > 0 ? tf.mul(tf.add(tf.mul(x, 1 / decay), value), decay) : x;
}

/** Computes β₁ᵗ and β₂ᵗ from the float32 β that the engine uses; otherwise early corrections would be off by 1e-5. */
export function betaPowers({ optBeta1, optBeta2 }: Recipe, step: number) {
  return { beta1Power: Math.fround(optBeta1) ** step, beta2Power: Math.fround(optBeta2) ** step };
}
