import * as tf from '@tensorflow/tfjs-core';
import { attr, call, castTo } from '../trace/ops.ts';
import type { Model, ModelOptions } from './model.ts';

/**
 * Describes the random numbers that a training forward draws. The noise of a batch [R, B] is given from outside: a row
 * for each branch that stochastic depth may skip, then the rows of which dropout makes its masks. An image's masks
 * follow from its own column, whatever else is in the batch. So a step repeats itself exactly, in however many parts it
 * is done. B images.
 */
export interface Noise {
  /** A tensor [B] for each branch; null where none is skipped. */
  branches: tf.Tensor[] | null;
  /** {@link KEYS} tensors [B] of odd int32; null without dropout. */
  keys: tf.Tensor[] | null;
}

type Rates = Pick<ModelOptions, 'dropPath' | 'drop'>;

/** Rows of noise that dropout needs. */
const KEYS = 3;

/** A float in [0, 1) has at least this many values, evenly spread. */
const LEVELS = 2 ** 24;

/** Returns the noise that a network with this many branches needs; null when it draws nothing. */
export function noiseOf(branches: number, { dropPath = 0, drop = 0 }: Rates): Model['noise'] {
  const rows = (dropPath > 0 ? branches : 0) + (drop > 0 ? KEYS : 0);
  return rows > 0 ? { shape: (batch) => [rows, batch] } : null;
}

/** Takes apart what {@link noiseOf} asked for; all null for no noise. */
export function divideNoise(noise: tf.Tensor | null, branches: number, { dropPath = 0, drop = 0 }: Rates): Noise {
  const rows = noise && tf.unstack(noise); // R of [B]
  const count = dropPath > 0 ? branches : 0;
  return {
    branches: rows && count > 0 ? rows.slice(0, count) : null,
    keys: rows && drop > 0 ? rows.slice(count, count + KEYS).map(keyOf) : null,
  };
}

function keyOf(uniforms: tf.Tensor): tf.Tensor {
  const whole = castTo(tf.floor(tf.mul(uniforms, LEVELS)), 'float32', 'int32');
  return tf.add(tf.mul(whole, tf.scalar(2, 'int32')), tf.scalar(1, 'int32'));
}

/**
 * Drops the branch of some images and scales the rest by 1 / (1 − rate): stochastic depth.
 * @param branch [B, ...]
 * @param uniforms [B] in [0, 1): an image keeps the branch where (1 − rate) + u ≥ 1; null keeps all, unscaled
 */
export function dropPath<T extends tf.Tensor>(branch: T, rate: number, uniforms: tf.Tensor | null): T {
  if (rate === 0 || !uniforms) return branch;
  const ones = branch.shape.slice(1).map(() => 1);
  return tf.mul(branch, tf.reshape(kept(uniforms, rate), [branch.shape[0], ...ones]));
}

/**
 * Makes some numbers 0 and scales the rest by 1 / (1 − rate): dropout. The bits of a number are Σ keyₖ · wordₖ modulo
 * 2³². The keys belong to its image; the random words belong to its place, and TensorFlow's counter-based generator
 * draws them anew in each step from the same seed. An odd key permutes all words, so the bits within an image are as
 * independent as the words are.
 * @param x [B, ...]
 * @param keys of {@link Noise}; null keeps all, unscaled
 * @param place another one for each dropout of a network
 */
export function dropout<T extends tf.Tensor>(x: T, rate: number, keys: tf.Tensor[] | null, place: number): T {
  if (rate === 0 || !keys) return x;
  const [batch, ...sides] = x.shape;
  const ones = sides.map(() => 1);
  const terms = words(sides, place).map((word, k) => tf.mul(word, tf.reshape(keys[k], [batch, ...ones])));
  const bits = terms.reduce((sum, term) => tf.add(sum, term));
  const uniforms = tf.add(tf.mul(castTo(bits, 'int32', 'float32'), 2 ** -32), 0.5);
  return tf.mul(x, kept(uniforms, rate));
}

/** {@link KEYS} tensors [1, ...sides] of 32 random bits. */
function words(sides: number[], place: number): tf.Tensor[] {
  const attrs = [attr.type('dtype', 'int32'), attr.type('T', 'int32'), attr.type('Tseed', 'int32')];
  const inputs = [tf.tensor1d([KEYS, 1, ...sides], 'int32'), tf.tensor1d([place, 0], 'int32')];
  return tf.unstack(call('StatelessRandomUniformFullInt', attrs, inputs)[0]);
}

/** 1 / (1 − rate) where (1 − rate) + u ≥ 1, else 0. */
function kept(uniforms: tf.Tensor, rate: number): tf.Tensor {
  return tf.div(tf.floor(tf.add(uniforms, 1 - rate)), 1 - rate);
}
