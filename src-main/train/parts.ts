import * as tf from '@tensorflow/tfjs-core';
import type { Model } from '../model/model.ts';
import type { DType } from '../runtime/dtypes.ts';
import { batchAxis } from '../trace/batch-axis.ts';
import { attr, call } from '../trace/ops.ts';

/**
 * A batch in parts: each part goes forward and backward for itself, gradients are summed, and the optimizer moves once.
 * Parts that run side by side keep every core busy with work of its own, a few images at a time stay in its cache,
 * and memory holds the activations of the parts that run, not of the whole batch.
 */

/** Images of a part, by their places in the batch, ascending. */
export type Part = readonly number[];

/**
 * A part where nothing else is asked: 8 images of 224 pixels, fewer where tokens are wider than those of DeiT-S.
 * Measured for speed (docs/engine.md); more only need more memory.
 */
const TOKENS = 8 * 198;
const WIDTH = 384;

/** Chooses how the threads of an engine train a model best: each runs parts of the batches, or all share each op. */
export function threadingOf(student: Model): 'lanes' | 'ops' {
  return looksAtWholeBatch(student) ? 'ops' : 'lanes';
}

/** Whether a model in training looks at the batch as a whole, as batch normalization does. */
function looksAtWholeBatch(model: Model): boolean {
  return model.specs.some(({ buffer }) => buffer);
}

/** Chooses how many images a part has: as asked, or as many as keep `lanes` busy and are fast. */
export function partSize(model: Model, batchSize: number, lanes: number, asked: number): number {
  if (asked > 0) return Math.min(asked, batchSize);
  return lanes < 2 ? batchSize : fastSize(model, batchSize, lanes);
}

function fastSize(model: Model, batchSize: number, lanes: number): number {
  const [tokens, width] = tokensOf(model);
  const most = Math.max(1, Math.floor((TOKENS * Math.min(1, WIDTH / width)) / tokens));
  return Math.min(most, Math.ceil(batchSize / lanes));
}

/** Multiplications of an image's way through a network whose layers are small against what they move. */
const LIGHT = 1e9;

/**
 * Chooses how many images a part has where only answers are wanted and nothing is done again for each part, as with a
 * frozen network: a convolutional one keeps what it moves in the cache (docs/engine.md).
 */
export function answerPartSize(model: Model, batchSize: number, lanes: number): number {
  const transformer = model.specs.some(({ name }) => name === 'pos_embed');
  const few = model.macs < LIGHT ? 2 : 4;
  return partSize(model, batchSize, lanes, transformer || lanes < 2 ? 0 : few);
}

/** How many tokens an image becomes, and how wide they are; of a convolutional network as if it were a small one. */
function tokensOf(model: Model): [number, number] {
  const shape = model.specs.find(({ name }) => name === 'pos_embed')?.shape;
  return shape ? [shape[1], shape[2]] : [(model.inputSize / 16) ** 2, WIDTH];
}

/**
 * Divides a batch into parts of at most `size` images (of two when that is one), of nearly equal sizes, as many for
 * each lane. Each part holds both images of a mixed pair, so reversing a part pairs them as reversing the batch does.
 */
export function mirroredParts(batchSize: number, size: number, lanes: number): Part[] {
  const pairs = Math.ceil(batchSize / 2);
  return split(pairs, Math.max(1, Math.floor(size / 2)), lanes).map(([from, to]) => {
    const front = Array.from({ length: to - from }, (_, index) => from + index);
    const back = front.map((place) => batchSize - 1 - place).reverse();
    return [...new Set([...front, ...back])];
  });
}

/** Divides a batch into parts of neighbours, of at most `size` images. */
export function neighbourParts(batchSize: number, size: number, lanes: number): Part[] {
  return split(batchSize, size, lanes).map(([from, to]) =>
    Array.from({ length: to - from }, (_, index) => from + index),
  );
}

/** How a step takes its batch; it computes every image `views` times, once where that is left out. */
interface Taking {
  batchSize: number;
  microBatch: number;
  lanes: number;
  views?: number;
  /** One of several ranks, on a processor. */
  isRank?: boolean;
}

/**
 * Lists the parts in which a step takes a batch, in order; null where it takes the whole batch at once. A rank takes
 * parts also in one lane, and one part as such: sums of gradients around it are faster uncompiled (docs/distributed.md).
 */
export function stepParts(student: Model, taking: Taking): Part[] | null {
  const { batchSize, microBatch, lanes, views = 1, isRank = false } = taking;
  if (looksAtWholeBatch(student)) return null;
  const chosen = isRank && microBatch === 0 ? fastSize(student, batchSize, lanes) : null;
  const size = chosen ?? partSize(student, batchSize, lanes, microBatch);
  const images = microBatch > 0 ? size : Math.max(1, Math.floor(size / views));
  return images < batchSize || isRank ? mirroredParts(batchSize, images, lanes) : null;
}

/** Selects the inputs that belong to the images of a part. */
export function partOf(inputs: Record<string, tf.Tensor>, part: Part): Record<string, tf.Tensor> {
  const entries = Object.entries(inputs).filter(([, { rank }]) => rank > 0);
  return Object.fromEntries(
    entries.map(([name, tensor]) => {
      if (name === 'images') return [name, rowsOf(tensor, part, 0, 'uint8')];
      const axis = batchAxis(name, tensor.rank)!;
      return [name, rowsOf(tensor, part, axis, tensor.dtype as DType)];
    }),
  );
}

/** [from, to) ranges of nearly equal lengths ≤ `size` that cover `count`; a multiple of `lanes` where it can be. */
function split(count: number, size: number, lanes: number): [number, number][] {
  const rounds = Math.ceil(count / (size * lanes));
  const parts = Math.min(count, rounds * lanes);
  const edge = (index: number) => Math.round((index * count) / parts);
  return Array.from({ length: parts }, (_, index) => [edge(index), edge(index + 1)]);
}

/** Slices the rows of a part from `tensor` along `axis`; `dtype` is its true type. */
export function rowsOf<T extends tf.Tensor>(tensor: T, part: Part, axis: number, dtype: DType): T {
  const attrs = [attr.type('Tparams', dtype), attr.type('Tindices', 'int32'), attr.type('Taxis', 'int32')];
  return call('GatherV2', attrs, [tensor, tf.tensor1d([...part], 'int32'), tf.scalar(axis, 'int32')])[0] as T;
}
