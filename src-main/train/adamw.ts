import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import { adamw } from '../trace/ops.ts';
import type { Optimizer } from './optimizer-types.ts';
import { betaPowers, heldBeta, heldRate, plusShare, shared } from './scalars.ts';
import { PREFIX } from './variables.ts';

/** Makes AdamW as torch has it. TensorFlow adds ε to √v where torch adds it to √v/√(1 − β₂ᵗ), so ε is scaled. */
export function adamwOptimizer(recipe: Recipe): Optimizer {
  return {
    slots: [PREFIX.mean, PREFIX.square],
    scalars: (step): Record<string, number> => {
      const { beta1Power, beta2Power } = betaPowers(recipe, step);
      const root = Math.sqrt(1 - beta2Power);
      const epsilon = recipe.optEps * root;
      if (recipe.modelEma) return { epsilon, stepScale: root / (1 - beta1Power) };
      return { beta1Power, beta2Power, epsilon };
    },
    // The fused kernel works in place: what it writes cannot be read again in the same step.
    mover: recipe.modelEma ? plainMover(recipe) : fusedMover(recipe),
  };
}

function fusedMover({ optBeta1, optBeta2 }: Recipe): Optimizer['mover'] {
  return ({ beta1Power, beta2Power, epsilon }, good) => {
    const [beta1, beta2] = [heldBeta(optBeta1, good), heldBeta(optBeta2, good)];
    return ({ value, slots, gradient, lr, decay }) => {
      const scalars = [lr, beta1Power, beta2Power, beta1, beta2, epsilon, decay > 0 ? kept(lr, decay) : tf.scalar(1)];
      return adamw([value, ...slots], gradient, scalars);
    };
  };
}

function plainMover({ optBeta1, optBeta2 }: Recipe): Optimizer['mover'] {
  return ({ stepScale, epsilon }, good) => {
    const [rate1, rate2] = [heldRate(optBeta1, good), heldRate(optBeta2, good)];
    return ({ value, slots: [mean, square], gradient, lr, decay }) => {
      const newMean = tf.add(mean, tf.mul(tf.sub(gradient, mean), rate1));
      const newSquare = tf.add(square, tf.mul(tf.sub(tf.square(gradient), square), rate2));
      const step = tf.mul(tf.div(newMean, tf.add(tf.sqrt(newSquare), epsilon)), stepScale);
      return [tf.sub(value, tf.mul(plusShare(step, value, decay), lr)), newMean, newSquare];
    };
  };
}

/** Computes the factor by which decay shrinks a parameter. */
function kept(lr: tf.Tensor, decay: number): tf.Tensor {
  return shared(tf.sub(1, tf.mul(lr, decay)));
}
