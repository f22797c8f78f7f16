import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import type { Optimizer } from './optimizer-types.ts';
import { plusShare, shared } from './scalars.ts';
import { PREFIX } from './variables.ts';

/** Makes torch's SGD under timm's names: `sgd` with Nesterov's momentum, `momentum` with the plain one. */
export function sgdOptimizer({ opt, momentum }: Recipe): Optimizer {
  return {
    slots: momentum > 0 ? [PREFIX.momentum] : [],
    scalars: () => ({}),
    mover: (_, good) => {
      const whole = shared(good);
      return ({ value, slots: [buffer], gradient, lr, decay }) => {
        // Decay is not decoupled here.
        const slope = plusShare(gradient, value, decay);
        if (!buffer) return [tf.sub(value, tf.mul(slope, lr))];
        // buffer · momentum + slope; in a bad step the buffer stays.
        const change = tf.mul(tf.sub(tf.mul(slope, 1 / (1 - momentum)), buffer), 1 - momentum);
        const moved = tf.add(buffer, tf.mul(change, whole));
        const direction = opt === 'sgd' ? plusShare(slope, moved, momentum) : moved;
        return [tf.sub(value, tf.mul(direction, lr)), moved];
      };
    },
  };
}
