import * as tf from '@tensorflow/tfjs-core';
import type { Box } from '../data/augment/erase.ts';
import type { MixDraw } from '../data/augment/mix.ts';
import type { Model } from '../model/model.ts';
import { erases, mixes, type Recipe } from '../protocol/recipe.ts';
import type { Values } from '../runtime/dtypes.ts';
import { attr, call, castTo } from '../trace/ops.ts';
import type { TensorSpec } from '../trace/program.ts';

/**
 * Random erasing, Mixup and CutMix inside the step: what was drawn comes as inputs, images and labels are changed in
 * the graph. A recipe that does neither adds nothing to the program. B images of a batch, S side, K classes, R most
 * rectangles in an image.
 *
 * Images are changed before they are normalised, in such a way that the student sees what DeiT makes of normalised
 * ones: erased pixels are the student's mean + its deviation · N(0, 1), and blending commutes with normalising.
 */

/** Random choices of the loader for a batch. */
export interface Draws {
  mix?: MixDraw[] | null;
  erase?: Box[][] | null;
}

type Inputs = Record<string, tf.Tensor>;

/** Lists the inputs that a step needs for the mixing and erasing of a recipe. */
export function drawInputs(recipe: Recipe, batchSize: number): Record<string, TensorSpec> {
  const floats = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
  return {
    ...(erases(recipe) && { eraseBoxes: floats(recipe.recount, 4, batchSize) }),
    ...(erases(recipe) &&
      recipe.remode !== 'const' && { eraseSeed: { shape: [2, batchSize], dtype: 'int32' as const } }),
    ...(mixes(recipe) && { mixShare: floats(batchSize), mixBlend: floats(batchSize), mixBox: floats(4, batchSize) }),
  };
}

/**
 * Computes the values of {@link drawInputs}. The noise of erasing follows from the seed of the recipe, the step and the
 * row, so a resumed run draws the same noise, and it does not matter in which parts a step takes its batch.
 */
export function drawValues(
  { seed, recount }: Recipe,
  { mix, erase }: Draws,
  batchSize: number,
  step: number,
  ranks?: Ranks,
): Record<string, Values> {
  return {
    ...(erase && { eraseBoxes: eraseBoxes(erase, recount), eraseSeed: eraseSeeds(seed, step, batchSize, ranks) }),
    ...(mix && {
      mixShare: Float32Array.from(mix, ({ lambda }) => lambda),
      // Around a pasted box the image is its own.
      mixBlend: Float32Array.from(mix, ({ lambda, box }) => (box ? 1 : lambda)),
      mixBox: boxColumns(mix.map(({ box }) => box), batchSize), // prettier-ignore
    }),
  };
}

/** Ranks that share each step: one has every size-th image of it, from that of its number on. */
export interface Ranks {
  rank: number;
  size: number;
}

/** [2, B]: the seed of each image's noise, by its place in the whole step. */
function eraseSeeds(seed: number, step: number, batchSize: number, { rank, size }: Ranks = { rank: 0, size: 1 }) {
  return Int32Array.from({ length: 2 * batchSize }, (_, at) =>
    at < batchSize ? seed : Math.imul(step, batchSize * size) + (at - batchSize) * size + rank,
  );
}

/** [R, 4, B]: the r-th rectangle of each image; an empty one where there are fewer. */
function eraseBoxes(erase: Box[][], most: number): Float32Array {
  const layers = Array.from({ length: most }, (_, r) => boxColumns(erase.map((boxes) => boxes[r] ?? null), erase.length)); // prettier-ignore
  const all = new Float32Array(most * 4 * erase.length);
  layers.forEach((layer, r) => all.set(layer, r * layer.length));
  return all;
}

/** [4, B]: top, bottom, left and right edges; null is empty. */
function boxColumns(boxes: readonly (Box | null)[], count: number): Float32Array {
  const edges = new Float32Array(4 * count);
  boxes.forEach((box, index) => {
    if (!box) return;
    const { left, top, width, height } = box;
    [top, top + height, left, left + width].forEach((edge, row) => (edges[row * count + index] = edge));
  });
  return edges;
}

/**
 * Erases and mixes the images, which both networks then see.
 * @param images [B, S, S, 3] in [0, 255]
 * @returns the same, erased and mixed as the inputs say
 */
export function drawnImages(recipe: Recipe, student: Model, images: tf.Tensor4D, inputs: Inputs): tf.Tensor4D {
  const erased = erases(recipe) ? eraseImages(recipe, student, images, inputs) : images;
  return mixes(recipe) ? mixImages(erased, inputs) : erased;
}

/** Mixes targets as their images are mixed: λ · own + (1 − λ) · the partner's. @param targets [B, K] */
export function drawnTargets(recipe: Recipe, targets: tf.Tensor2D, inputs: Inputs): tf.Tensor2D {
  if (!mixes(recipe)) return targets;
  const share = tf.reshape(inputs.mixShare, [-1, 1]);
  return blend(targets, tf.reverse(targets, 0), share);
}

/** own · share + other · (1 − share): exactly one of them where the share is 0 or 1. */
function blend<T extends tf.Tensor>(own: T, other: T, share: tf.Tensor): T {
  return tf.add<T>(tf.mul(own, share), tf.mul(other, tf.sub(1, share)));
}

function mixImages(images: tf.Tensor4D, { mixBlend, mixBox }: Inputs): tf.Tensor4D {
  const around = tf.sub(1, inside(mixBox, images.shape[1]));
  return blend(images, tf.reverse(images, 0), tf.mul(around, tf.reshape(mixBlend, [-1, 1, 1, 1])));
}

function eraseImages(recipe: Recipe, student: Model, images: tf.Tensor4D, inputs: Inputs): tf.Tensor4D {
  const boxes = recipe.recount === 1 ? [tf.reshape(inputs.eraseBoxes, [4, -1])] : tf.unstack(inputs.eraseBoxes);
  const fills = paints(recipe, images.shape, inputs).map((noise) => paint(noise, student));
  return boxes.reduce(
    (erased, box, r) => blend(fills[r % fills.length], erased, inside(box, images.shape[1])),
    images as tf.Tensor,
  ) as tf.Tensor4D;
}

/** Computes the paint of rectangles, normalised: one for all of them, or one for each. */
function paints({ remode, recount }: Recipe, shape: number[], { eraseSeed }: Inputs): tf.Tensor[] {
  if (remode === 'const') return [tf.zeros([1, 1, 1, 3])];
  if (remode === 'pixel') return [noise(shape.slice(1), eraseSeed)];
  const colours = noise([recount, 1, 1, 3], eraseSeed);
  return recount === 1 ? [tf.reshape(colours, [shape[0], 1, 1, 3])] : tf.unstack(colours, 1);
}

/** Normalised values as those of images. */
function paint(noise: tf.Tensor, { mean, std }: Model): tf.Tensor {
  const scale = tf.tensor1d(std.map((value) => 255 * value));
  const shift = tf.tensor1d(mean.map((value) => 255 * value));
  return tf.add(tf.mul(noise, scale), shift);
}

/** N(0, 1) in `shape` for each image, which follows from its seed alone. @param seeds [2, B] @returns [B, …shape] */
function noise(shape: number[], seeds: tf.Tensor): tf.Tensor {
  const attrs = [attr.type('dtype', 'float32'), attr.type('T', 'int32'), attr.type('Tseed', 'int32')];
  const size = tf.tensor1d(shape, 'int32');
  return tf.stack(tf.unstack(seeds, 1).map((seed) => call('StatelessRandomNormal', attrs, [size, seed])[0]));
}

/** [B, S, S, 1]: 1 in a rectangle whose edges are [4, B], else 0. */
function inside(box: tf.Tensor, side: number): tf.Tensor {
  const [top, bottom, left, right] = tf.unstack(box).map((edge) => tf.reshape(edge, [-1, 1, 1, 1]));
  const places = Array.from({ length: side }, (_, place) => place);
  const rows = between(tf.tensor4d(places, [1, side, 1, 1]), top, bottom);
  return tf.mul(rows, between(tf.tensor4d(places, [1, 1, side, 1]), left, right));
}

function between(places: tf.Tensor, first: tf.Tensor, end: tf.Tensor): tf.Tensor {
  const both = tf.logicalAnd(tf.greaterEqual(places, first), tf.less(places, end));
  return castTo(both, 'bool', 'float32');
}
