import * as tf from '@tensorflow/tfjs-core';
import type { Model, Params } from './model.ts';

/**
 * Computes how alike class and distillation token are at each place of a distilled transformer: at first, after each
 * block, and after the last norm (section 4 of the paper).
 * @param images [B, S, S, 3], normalised.
 * @returns cosines [places, B].
 * @throws Error of a network without two tokens.
 */
export function tokenCosines(
  { tokens, distilled, name }: Pick<Model, 'tokens' | 'distilled' | 'name'>,
  params: Params,
  images: tf.Tensor4D,
): tf.Tensor2D {
  if (!tokens || !distilled) throw new Error(`tokenCosines: expected a network with two tokens, got ${name}`);
  return tf.tidy(() => tf.stack(tokens(params, images).map(cosine)) as tf.Tensor2D);
}

/** Of the two tokens of each image: [B, 2, D] to [B]. */
function cosine(pair: tf.Tensor3D): tf.Tensor {
  const [one, other] = tf.unstack(pair, 1);
  const dot = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(tf.mul(a, b), 1);
  return tf.div(dot(one, other), tf.sqrt(tf.mul(dot(one, one), dot(other, other))));
}
