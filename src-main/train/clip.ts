import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import { shared } from './scalars.ts';

/** Bounds gradients, given by parameter name, as a recipe asks: timm's three modes. */
export function clip(
  { clipGrad, clipMode }: Recipe,
  gradients: Record<string, tf.Tensor>,
  params: Record<string, tf.Tensor>,
  names: readonly string[],
): Record<string, tf.Tensor> {
  if (clipGrad === 0) return gradients;
  if (clipMode === 'norm') return clipNorm(gradients, clipGrad, 1e-6);
  if (clipMode === 'value')
    return mapValues(gradients, (gradient) => tf.minimum(tf.maximum(gradient, -clipGrad), clipGrad));
  // As in timm the last weight and bias, a head's, are left out.
  const free = new Set(names.slice(-2));
  return mapValues(gradients, (gradient, name) =>
    free.has(name) ? gradient : adapted(gradient, params[name], clipGrad),
  );
}

/**
 * Shortens all gradients alike so that their common norm is at most `most`. `slack` is added to the norm, as in torch.
 */
export function clipNorm(gradients: Record<string, tf.Tensor>, most: number, slack: number): Record<string, tf.Tensor> {
  const squares = Object.values(gradients).map((gradient) => shared(sumOfSquares(gradient)));
  const total = tf.sqrt(tf.sum(tf.stack(squares)));
  const share = shared(tf.minimum(tf.div(most, tf.maximum(tf.add(total, slack), TINY)), 1));
  return mapValues(gradients, (gradient) => tf.mul(gradient, share));
}

/** Below any norm that matters, above 0. */
const TINY = 1e-30;

/** Computes the Euclidean norm over all numbers of a tensor. */
export function norm(x: tf.Tensor): tf.Tensor {
  return tf.sqrt(sumOfSquares(x));
}

// Row by row first: one long float32 sum would lose digits.
function sumOfSquares(x: tf.Tensor): tf.Tensor {
  const squares = tf.square(x);
  return tf.sum(x.rank > 1 ? tf.sum(squares, -1) : squares);
}

/** Adaptive clipping (arXiv 2102.06171): the norm of each unit's gradient is at most a share of that of its weights. */
function adapted(gradient: tf.Tensor, param: tf.Tensor, share: number): tf.Tensor {
  const most = tf.mul(tf.maximum(unitNorm(param), 1e-3), share);
  const own = unitNorm(gradient);
  const clipped = tf.mul(gradient, tf.div(most, tf.maximum(own, 1e-6)));
  return tf.where(tf.broadcastTo(tf.less(own, most), gradient.shape), gradient, clipped);
}

/** The norm of each row of a weight as [out, 1, …]; of a vector as a whole. */
function unitNorm(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  return tf.sqrt(x.rank > 1 ? tf.sum(tf.square(x), axes, true) : tf.sum(tf.square(x)));
}

function mapValues(
  tensors: Record<string, tf.Tensor>,
  change: (tensor: tf.Tensor, name: string) => tf.Tensor,
): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor, name)]));
}
