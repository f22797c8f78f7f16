import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import { norm } from './clip.ts';
import type { Optimizer } from './optimizer-types.ts';
import { betaPowers, heldRate, plusShare, shared } from './scalars.ts';
import { PREFIX } from './variables.ts';

/**
 * Makes LAMB (arXiv 1904.00962) as timm has it, which follows NVIDIA: gradients are first shortened to norm 1 together,
 * and parameters with weight decay move by a share of their own norm.
 */
export function lambOptimizer(recipe: Recipe): Optimizer {
  const { optBeta1, optBeta2, optEps } = recipe;
  return {
    slots: [PREFIX.mean, PREFIX.square],
    maxNorm: 1,
    scalars: (step) => {
      const { beta1Power, beta2Power } = betaPowers(recipe, step);
      return { meanScale: 1 / (1 - beta1Power), rootScale: 1 / Math.sqrt(1 - beta2Power) };
    },
    mover: ({ meanScale, rootScale }, good) => {
      const rates = [optBeta1, optBeta2].map((beta) => heldRate(beta, good));
      return ({ value, slots: [mean, square], gradient, lr, decay }) => {
        const newMean = tf.add(mean, tf.mul(tf.sub(gradient, mean), rates[0]));
        const newSquare = tf.add(square, tf.mul(tf.sub(tf.square(gradient), square), rates[1]));
        const root = tf.add(tf.mul(tf.sqrt(newSquare), rootScale), optEps);
        const step = tf.div(tf.mul(newMean, meanScale), root);
        if (decay === 0) return [tf.sub(value, tf.mul(step, lr)), newMean, newSquare];
        const decayed = plusShare(step, value, decay);
        const rate = shared(tf.mul(lr, trust(norm(value), norm(decayed))));
        return [tf.sub(value, tf.mul(decayed, rate)), newMean, newSquare];
      };
    },
  };
}

/** The ratio of the norms, and 1 where one of them is 0. */
function trust(own: tf.Tensor, step: tf.Tensor): tf.Tensor {
  const one = tf.scalar(1);
  return tf.where(tf.greater(own, 0), tf.where(tf.greater(step, 0), tf.div(own, step), one), one);
}
