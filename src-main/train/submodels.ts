import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { binaryCrossEntropy, labelsAsAsked } from './losses.ts';

/**
 * Co-training of submodels (arXiv 2212.04884), as `--cosub` of DeiT's main.py: a step shows every image twice, what
 * stochastic depth skips differs, and each of the two answers learns from the label and from the other one.
 * B images of a batch, R rows of noise of a network, K classes.
 */

/** Rows of noise that an image has in a step of a recipe; 0 for none. */
export function noiseRows(student: Model, { cosub }: Recipe): number {
  return (student.noise?.shape(1)[0] ?? 0) * (cosub ? 2 : 1);
}

/** A batch [B, ...] twice, one after the other. */
export function twice<T extends tf.Tensor>(batch: T): T {
  return tf.concat([batch, batch]);
}

/** The noise of both: the first rows [R, B] are of the first, the others of the second. @returns [R, 2·B] */
export function noiseOfBoth(noise: tf.Tensor | null): tf.Tensor | null {
  return noise && tf.concat(tf.split(noise, 2), 1);
}

/** What each of the two has to learn: `loss` is the mean of both. */
export interface SubmodelLosses {
  loss: tf.Scalar;
  /** From the labels alone. */
  lossClass: tf.Scalar;
}

/**
 * Binary cross-entropy against the labels and against what the other submodel says, which is not moved by it.
 * @param logits [2·B, K] of the batch twice
 * @param targets [B, K]
 */
export function submodelLosses(recipe: Recipe, logits: tf.Tensor2D, targets: tf.Tensor2D): SubmodelLosses {
  const [first, second] = tf.split<tf.Tensor2D>(logits, 2);
  const lossClass = binaryCrossEntropy(logits, twice(labelsAsAsked(recipe, targets)));
  const agreement = binaryCrossEntropy(logits, tf.sigmoid(tf.concat([second, first])));
  return { loss: tf.mul(tf.add(lossClass, agreement), 0.5), lossClass };
}
