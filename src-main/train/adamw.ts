import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import { adamw } from '../trace/ops.ts';
import type { Optimizer } from './optimizer.ts';
import { PREFIX } from './variables.ts';

/**
 * AdamW as torch has it. TensorFlow adds ε to √v where torch adds it to √v/√(1 − β₂ᵗ), so ε is scaled. Where nothing
 * else reads the new values it works in place, by TensorFlow's fused kernel.
 */
export function adamwOptimizer(recipe: Recipe): Optimizer {
  return {
    slots: [PREFIX.mean, PREFIX.square],
    scalars: (step) => {
      const { beta1Power, beta2Power } = betaPowers(recipe, step);
      return { beta1Power, beta2Power, epsilon: recipe.optEps * Math.sqrt(1 - beta2Power) };
    },
    mover: ({ beta1Power, beta2Power, epsilon }, good) => {
      const [beta1, beta2] = [heldBeta(recipe.optBeta1, good), heldBeta(recipe.optBeta2, good)];
      return ({ value, slots, gradient, lr, decay }) => {
        const kept = decay > 0 ? tf.sub(1, tf.mul(lr, decay)) : tf.scalar(1);
        const scalars = [lr, beta1Power, beta2Power, beta1, beta2, epsilon, kept];
        return adamw([value, ...slots], gradient, scalars);
      };
    },
  };
}

/** β₁ᵗ and β₂ᵗ of the float32 β that the engine uses, or early corrections would be off by 1e-5. */
export function betaPowers({ optBeta1, optBeta2 }: Recipe, step: number) {
  return { beta1Power: Math.fround(optBeta1) ** step, beta2Power: Math.fround(optBeta2) ** step };
}

/** β in a good step, 1 in a bad one: what a mean has gathered stays. */
export function heldBeta(beta: number, good: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(beta, good), tf.sub(1, good));
}
