import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { binaryCrossEntropy, labelsAsAsked } from './losses.ts';

/**
 * Co-training of submodels (arXiv 2212.04884), as `--cosub` of DeiT's main.py: a step shows every image twice, what
 * stochastic depth skips differs, and each of the two answers learns from the label and from the other one.
 * B images of a batch, R rows of noise of a network, K classes.
 */

/** Counts the rows of noise that an image needs in a step of a recipe; 0 for none. */
export function noiseRows(student: Model, { cosub }: Recipe): number {
  return (student.noise?.shape(1)[0] ?? 0) * (cosub ? 2 : 1);
}

/** Repeats a batch [B, ...], one copy after the other. */
export function twice<T extends tf.Tensor>(batch: T): T {
  return tf.concat([batch, batch]);
}

/**
 * Arranges the noise of both submodels side by side: the first rows [R, B] belong to the first one.
 * @returns [R, 2·B]
 */
export function noiseOfBoth(noise: tf.Tensor | null): tf.Tensor | null {
  return noise && tf.concat(tf.split(noise, 2), 1);
}

/** The losses of both submodels: `loss` is the mean of both. */
export interface SubmodelLosses {
  loss: tf.Scalar;
  /** From the labels alone. */
  lossClass: tf.Scalar;
}

/**
 * Computes binary cross-entropy against the labels and against the answers of the other submodel, which get no gradient
 * from it.
 * @param logits [2·B, K] of the batch twice
 * @param targets [B, K]
 */
export function submodelLosses(recipe: Recipe, logits: tf.Tensor2D, targets: tf.Tensor2D): SubmodelLosses {
  const [first, second] = tf.split<tf.Tensor2D>(logits, 2);
  const lossClass = binaryCrossEntropy(logits, twice(labelsAsAsked(recipe, targets)));
  const agreement = binaryCrossEntropy(logits, tf.sigmoid(tf.concat([second, first])));
  return { loss: tf.mul(tf.add(lossClass, agreement), 0.5), lossClass };
}
