import * as tf from '@tensorflow/tfjs-core';
import type { Model, Params } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import type { TeacherCard } from '../protocol/teacher-card.ts';
import type { Engine } from '../engines/engine.ts';
import { attr, call, castTo } from '../trace/ops.ts';
import type { Program, TensorSpec } from '../trace/program.ts';
import { record } from '../trace/recorder.ts';
import { answersFrom } from './losses.ts';
import { drawInputs, drawnImages, type Ranks } from './mix.ts';
import { inParts } from './part-programs.ts';
import { mirroredParts, partSize } from './parts.ts';
import { pick, PREFIX, variablesOf } from './variables.ts';

/**
 * Prepares images for a teacher: the images of the student, after crop, augmentation, erasing and mixing, at the
 * teacher's own size and with its own mean and std. Letters: B images of a batch, S side of the student's, T side of
 * the teacher's, K classes of the data.
 */

/** Says how a teacher wants its images. */
export type TeacherView = Pick<TeacherCard, 'inputSize' | 'mean' | 'std' | 'interpolation' | 'layout'>;

/** A teacher whose network is part of the recorded step. */
export interface StepTeacher extends Model {
  /** Of the student's images to its size; bicubic when left out. */
  interpolation?: TeacherCard['interpolation'];
  /** Which of its outputs stands for each class of the data, [K]; null or left out: they are the same. */
  columns?: readonly number[] | null;
}

/**
 * Computes the answers of a frozen teacher to images.
 * @param images [B, S, S, 3] in [0, 255]
 * @returns logits [B, K]; of a distilled network the mean of both heads, as it answers in evaluation.
 */
export function teacherLogits(teacher: StepTeacher, params: Params, images: tf.Tensor4D): tf.Tensor2D {
  const { inputSize, mean, std, interpolation = 'bicubic', columns } = teacher;
  const seen = teacherImages(images, { inputSize, mean, std, interpolation, layout: 'NHWC' });
  const { head, headDist } = teacher.predict(params, seen);
  const logits = headDist ? tf.mul<tf.Tensor2D>(tf.add(head, headDist), 0.5) : head;
  return columns ? pickColumns(logits, columns) : logits;
}

/**
 * Prepares images for a teacher.
 * @param images [B, S, S, 3] in [0, 255]
 * @returns normalised, [B, T, T, 3] or [B, 3, T, T] as its layout says
 */
export function teacherImages(images: tf.Tensor4D, view: TeacherView): tf.Tensor4D {
  const sized = resizeImages(images, view.inputSize, view.interpolation);
  const normal = normaliseImages(sized, view);
  return view.layout === 'NCHW' ? tf.transpose(normal, [0, 3, 1, 2]) : normal;
}

/** Maps [0, 255] to the normalised range of a network. */
export function normaliseImages(images: tf.Tensor4D, { mean, std }: Pick<TeacherView, 'mean' | 'std'>): tf.Tensor4D {
  const scale = std.map((value) => 1 / (255 * value));
  const shift = std.map((value, channel) => -mean[channel] / value);
  return tf.add(tf.mul(images, tf.tensor1d(scale)), tf.tensor1d(shift));
}

/**
 * Resizes as torch's `interpolate` with `antialias=True` and `align_corners=False` does (bicubic with a = −0.5), without
 * clipping. Images of that size already are returned as they are. No gradient.
 * @param images [B, S, S, 3] @returns [B, side, side, 3]
 */
export function resizeImages(
  images: tf.Tensor4D,
  side: number,
  interpolation: TeacherCard['interpolation'],
): tf.Tensor4D {
  const from = images.shape[1];
  if (from === side) return images;
  const kernel = attr.text('kernel_type', interpolation === 'bicubic' ? 'keyscubic' : 'triangle');
  const attrs = [attr.type('T', 'float32'), kernel, attr.bool('antialias', true)];
  const scale = tf.tensor1d([side / from, side / from]);
  const inputs = [images, tf.tensor1d([side, side], 'int32'), scale, tf.tensor1d([0, 0])];
  return call('ScaleAndTranslate', attrs, inputs)[0] as tf.Tensor4D;
}

/** Columns of [B, N], in the given order. tfjs's own gather reads the places, which a recording cannot. */
function pickColumns(logits: tf.Tensor2D, columns: readonly number[]): tf.Tensor2D {
  const attrs = [attr.type('Tparams', 'float32'), attr.type('Tindices', 'int32'), attr.type('Taxis', 'int32')];
  const inputs = [logits, tf.tensor1d([...columns], 'int32'), tf.scalar(1, 'int32')];
  return call('GatherV2', attrs, inputs)[0] as tf.Tensor2D;
}

/** Says whose images are drawn, and how many at a time. */
export interface DrawnBatch {
  student: Model;
  recipe: Recipe;
  batchSize: number;
  /** Which of the ranks that share each step has these images. */
  ranks?: Ranks;
}

/**
 * Records what a teacher outside of the step is shown: inputs are the images `images` [B, S, S, 3] and what was drawn
 * for them (`drawInputs`), the output is `images`, as {@link teacherImages} makes them.
 */
export function recordDrawnImages(engine: Engine, batch: DrawnBatch, view: TeacherView): Program {
  const { student, recipe, batchSize } = batch;
  const inputs = { ...imagesInput(batchSize, student.inputSize), ...drawInputs(recipe, batchSize) };
  return record(engine, inputs, {}, (given) => {
    const images = drawnImages(recipe, student, castTo(given.images, 'uint8', 'float32') as tf.Tensor4D, given);
    return { outputs: { images: teacherImages(images, view) }, assigns: {} };
  });
}

/**
 * Records a teacher's answers to drawn batches, by itself: inputs are as those of {@link recordDrawnImages}, variables
 * its parameters, the output is `answers`, as the step takes them.
 */
export function recordTeacherAnswers(engine: Engine, batch: DrawnBatch, teacher: StepTeacher): Program {
  const { student, recipe, batchSize } = batch;
  const given = { ...imagesInput(batchSize, student.inputSize), ...drawInputs(recipe, batchSize) };
  const forward = (inputs: Record<string, tf.Tensor>) => {
    const asRead = castTo(inputs.images, 'uint8', 'float32') as tf.Tensor4D;
    const images = drawnImages(recipe, student, asRead, inputs);
    return { answers: answersFrom(recipe, teacherLogits(teacher, pick(inputs, PREFIX.teacher), images)) };
  };
  const size = partSize(teacher, batchSize, engine.lanes, 0);
  return record(engine, given, variablesOf(PREFIX.teacher, teacher.specs), (inputs, params) => {
    // Both images of a mixed pair are in one part.
    const parts = mirroredParts(batchSize, size, engine.lanes);
    const outputs =
      size < batchSize ? inParts(engine, parts, inputs, params, forward) : forward({ ...inputs, ...params });
    return { outputs, assigns: {} };
  });
}

/** Records {@link teacherImages} of images that have the teacher's size already, `images` [B, T, T, 3]. */
export function recordPlainImages(engine: Engine, batchSize: number, view: TeacherView): Program {
  return record(engine, imagesInput(batchSize, view.inputSize), {}, ({ images }) => {
    const pixels = castTo(images, 'uint8', 'float32') as tf.Tensor4D;
    return { outputs: { images: teacherImages(pixels, view) }, assigns: {} };
  });
}

function imagesInput(batchSize: number, side: number): Record<string, TensorSpec> {
  return { images: { shape: [batchSize, side, side, 3], dtype: 'uint8' } };
}
