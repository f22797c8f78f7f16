import * as tf from '@tensorflow/tfjs-core';
import { DISTILLATIONS, type Distillation } from '../protocol/distillations.ts';
import type { Recipe } from '../protocol/recipe.ts';
import type { TensorSpec } from '../trace/program.ts';

/** The losses of the method. B images, K classes; each is a mean over the batch and float32. */

/**
 * Computes cross-entropy against soft targets: −Σ t·log softmax, mean over the batch.
 * @param logits [B, K]
 * @param targets [B, K], rows sum to 1; no gradient
 */
export function softTargetCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const loss = tf.customGrad<tf.Scalar>((...args) => {
    const [logits, save] = args as [tf.Tensor, tf.GradSaveFunc];
    const logProbabilities = logSoftmax(logits as tf.Tensor2D);
    save([logProbabilities, targets]);
    const value = tf.neg<tf.Scalar>(tf.mean(tf.sum(tf.mul(targets, logProbabilities), 1)));
    const gradFunc = (dy: tf.Tensor, [logProbabilities, targets]: tf.Tensor[]) =>
      tf.mul(tf.sub(tf.exp(logProbabilities), targets), tf.div(dy, logits.shape[0]));
    return { value, gradFunc };
  });
  return loss(logits);
}

/**
 * Computes binary cross-entropy, where each class is a yes or no of its own; mean over the batch and the classes.
 * @param logits [B, K]
 * @param targets [B, K], how much of a yes; no gradient
 */
export function binaryCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const loss = tf.customGrad<tf.Scalar>((...args) => {
    const [logits, save] = args as [tf.Tensor2D, tf.GradSaveFunc];
    save([logits, targets]);
    const rest = tf.log1p(tf.exp(tf.neg(tf.abs(logits))));
    const value = tf.mean<tf.Scalar>(tf.add(tf.sub(tf.relu(logits), tf.mul(logits, targets)), rest));
    const gradFunc = (dy: tf.Tensor, [logits, targets]: tf.Tensor[]) =>
      tf.mul(tf.sub(tf.sigmoid(logits), targets), tf.div(dy, logits.size));
    return { value, gradFunc };
  });
  return loss(logits);
}

/**
 * Returns the targets that a recipe asks for: DeiT III says yes to each class that has a share in them.
 * @param targets [B, K]
 */
export function labelsAsAsked({ bceLoss }: Recipe, targets: tf.Tensor2D): tf.Tensor2D {
  return bceLoss ? tf.cast(tf.greater(targets, 0), 'float32') : targets;
}

/**
 * Computes the loss of the class head that a recipe asks for.
 * @param logits [B, K]
 * @param targets [B, K]
 */
export function classLoss(recipe: Recipe, logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
  const loss = recipe.bceLoss ? binaryCrossEntropy : softTargetCrossEntropy;
  return loss(logits, labelsAsAsked(recipe, targets));
}

/** log softmax over the last axis, without gradient of its own. */
function logSoftmax(logits: tf.Tensor2D): tf.Tensor2D {
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true)));
}

/**
 * Makes smoothed one-hot targets: smoothing / K everywhere, and 1 − smoothing more at the label.
 * @param labels [B] int32
 * @returns [B, K]
 */
export function smoothTargets(labels: tf.Tensor1D, classes: number, smoothing: number): tf.Tensor2D {
  const off = smoothing / classes;
  return tf.oneHot(labels, classes, 1 - smoothing + off, off, 'float32') as tf.Tensor2D;
}

/**
 * Hard distillation: cross-entropy against the teacher's decision.
 * @param student [B, K] logits of the distillation head
 * @param decisions [B] int32
 */
function hardDistillation(student: tf.Tensor2D, decisions: tf.Tensor1D): tf.Scalar {
  return softTargetCrossEntropy(student, smoothTargets(decisions, student.shape[1], 0));
}

/**
 * Computes soft distillation: τ² · KL(teacher ‖ student) at temperature τ, divided by B·K as in DeiT's code.
 * @param student [B, K] logits of the distillation head
 * @param teacher [B, K] logits
 */
export function softDistillation(student: tf.Tensor2D, teacher: tf.Tensor2D, temperature: number): tf.Scalar {
  const targets = tf.softmax<tf.Tensor2D>(tf.div(teacher, temperature));
  const negativeEntropy = tf.mean(tf.sum(tf.mul(targets, logSoftmax(tf.div(teacher, temperature))), 1));
  const crossEntropy = softTargetCrossEntropy(tf.div(student, temperature), targets);
  const divergence = tf.add(crossEntropy, detachedScalar(negativeEntropy)); // mean over the batch
  return tf.mul<tf.Scalar>(divergence, (temperature * temperature) / teacher.shape[1]);
}

/** Computes a loss from the logits [B, K] of the student and the answers of the teacher. */
type DistillationLoss = (student: tf.Tensor2D, answers: tf.Tensor, recipe: Recipe) => tf.Scalar;

const DISTILLATION_LOSSES: Readonly<Record<Distillation, DistillationLoss>> = {
  soft: (student, logits, { distillationTau }) => softDistillation(student, logits as tf.Tensor2D, distillationTau),
  hard: (student, decisions) => hardDistillation(student, decisions as tf.Tensor1D),
};

/** Returns the kind of answers that a recipe with a teacher learns from. @throws Error without distillation. */
export function answerKind({ distillationType }: Pick<Recipe, 'distillationType'>): 'logits' | 'decisions' {
  if (distillationType === 'none') throw new Error('answerKind: a recipe without distillation has no answers');
  return DISTILLATIONS[distillationType].answers;
}

/** Takes from a teacher's logits [B, K] what the recipe learns from: these, or its decisions [B]. */
export function answersFrom(recipe: Recipe, logits: tf.Tensor2D): tf.Tensor {
  return answerKind(recipe) === 'decisions' ? tf.argMax(logits, 1) : logits;
}

/** Describes the answers of a teacher to a batch, as the step takes them. */
export function answersSpec(recipe: Recipe, batchSize: number, classes: number): TensorSpec {
  return answerKind(recipe) === 'decisions'
    ? { shape: [batchSize], dtype: 'int32' }
    : { shape: [batchSize, classes], dtype: 'float32' };
}

/**
 * Computes the distillation loss that a recipe asks for.
 * @param student [B, K] logits of the head that learns from the teacher
 * @param answers as {@link answersFrom} makes them
 * @throws Error for a recipe without distillation: a defect of the caller.
 */
export function distillationLoss(recipe: Recipe, student: tf.Tensor2D, answers: tf.Tensor): tf.Scalar {
  if (recipe.distillationType === 'none')
    throw new Error('distillationLoss: a teacher was given to a recipe without distillation');
  return DISTILLATION_LOSSES[recipe.distillationType](student, answers, recipe);
}

/** A value that gradients do not pass through. */
function detachedScalar(value: tf.Tensor): tf.Scalar {
  return tf.customGrad(() => ({ value: tf.clone(value), gradFunc: () => [] }))() as tf.Scalar;
}
