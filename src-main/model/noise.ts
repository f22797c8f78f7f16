import * as tf from '@tensorflow/tfjs-core';
import { attr, call, castTo } from '../trace/ops.ts';
import type { Model, ModelOptions } from './model.ts';

/**
 * What a training forward draws. The noise of a batch [R, B] is given from outside: a row for each branch that
 * stochastic depth may skip, then two rows of which dropout's seed is made. So a step repeats itself exactly when it
 * is given the same noise. B images.
 */
export interface Noise {
  /** A tensor [B] for each branch; null where none is skipped. */
  branches: tf.Tensor[] | null;
  /** [2] int32, each below 2²⁵; null without dropout. */
  seed: tf.Tensor | null;
}

type Rates = Pick<ModelOptions, 'dropPath' | 'drop'>;

/** A float in [0, 1) has at least this many values, evenly spread. */
const LEVELS = 2 ** 24;

/** The noise of a network with this many branches; null when it draws nothing. */
export function noiseOf(branches: number, { dropPath = 0, drop = 0 }: Rates): Model['noise'] {
  const rows = (dropPath > 0 ? branches : 0) + (drop > 0 ? 2 : 0);
  return rows > 0 ? { shape: (batch) => [rows, batch] } : null;
}

/** Takes apart what {@link noiseOf} asked for; all null for no noise. */
export function divideNoise(noise: tf.Tensor | null, branches: number, { dropPath = 0, drop = 0 }: Rates): Noise {
  const rows = dropPath > 0 ? branches : 0;
  return {
    branches: noise && rows > 0 ? tf.unstack(noise).slice(0, rows) : null,
    seed: noise && drop > 0 ? seedOf(tf.slice(noise, [rows, 0], [2, 1])) : null,
  };
}

function seedOf(uniforms: tf.Tensor): tf.Tensor {
  return castTo(tf.floor(tf.mul(tf.reshape(uniforms, [2]), LEVELS)), 'float32', 'int32');
}

/**
 * Stochastic depth: drops the branch of some images and scales the rest by 1 / (1 − rate).
 * @param branch [B, ...]
 * @param uniforms [B] in [0, 1): an image keeps the branch where (1 − rate) + u ≥ 1; null keeps all, unscaled
 */
export function dropPath<T extends tf.Tensor>(branch: T, rate: number, uniforms: tf.Tensor | null): T {
  if (rate === 0 || !uniforms) return branch;
  const ones = branch.shape.slice(1).map(() => 1);
  return tf.mul(branch, tf.reshape(kept(uniforms, rate), [branch.shape[0], ...ones]));
}

/**
 * Dropout: makes some numbers 0 and scales the rest by 1 / (1 − rate). Which ones follows from the seed and the place
 * alone, by TensorFlow's counter-based generator.
 * @param seed of {@link Noise}; null keeps all, unscaled
 * @param place below 127, another one for each dropout of a network
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, seed: tf.Tensor | null, place: number): T {
  if (rate === 0 || !seed) return x;
  // The seed's numbers are below the step from place to place: no two places ever share one.
  const own = tf.add(seed, tf.tensor1d([place * LEVELS, 0], 'int32'));
  const attrs = [attr.type('dtype', 'float32'), attr.type('T', 'int32'), attr.type('Tseed', 'int32')];
  const [uniforms] = call('StatelessRandomUniform', attrs, [tf.tensor1d(x.shape, 'int32'), own]);
  return tf.mul(x, kept(uniforms, rate));
}

/** 1 / (1 − rate) where (1 − rate) + u ≥ 1, else 0. */
function kept(uniforms: tf.Tensor, rate: number): tf.Tensor {
  return tf.div(tf.floor(tf.add(uniforms, 1 - rate)), 1 - rate);
}
