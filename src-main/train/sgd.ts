import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import type { Moving, Optimizer } from './optimizer.ts';
import { heldBeta } from './scalars.ts';
import { PREFIX } from './variables.ts';

/** Torch's SGD under timm's names: `sgd` with Nesterov's momentum, `momentum` with the plain one. */
export function sgdOptimizer({ opt, momentum }: Recipe): Optimizer {
  if (momentum === 0) {
    const mover: Optimizer['mover'] = () => (moving) => [tf.sub(moving.value, tf.mul(moving.lr, slope(moving)))];
    return { slots: [], scalars: () => ({}), mover };
  }
  return {
    slots: [PREFIX.momentum],
    scalars: () => ({}),
    mover: (_, good) => {
      const kept = heldBeta(momentum, good);
      return (moving) => {
        const [buffer] = moving.slots;
        const gradient = slope(moving);
        const moved = tf.add(tf.mul(buffer, kept), tf.mul(gradient, good));
        const direction = opt === 'sgd' ? tf.add(gradient, tf.mul(moved, momentum)) : moved;
        return [tf.sub(moving.value, tf.mul(direction, moving.lr)), moved];
      };
    },
  };
}

/** The gradient with that of weight decay, which is not decoupled here. */
function slope({ gradient, value, decay }: Moving): tf.Tensor {
  return decay > 0 ? tf.add(gradient, tf.mul(value, decay)) : gradient;
}
