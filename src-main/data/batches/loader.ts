import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { ahead } from './ahead.ts';
import type { DecodeWorkers } from './workers.ts';
import { drawErase, type Box, type EraseOptions } from '../augment/erase.ts';
import { samplePlace, type Dataset } from '../layout/folder.ts';
import type { Sample } from '../layout/sample.ts';
import { drawMix, isMixing, type MixDraw, type MixOptions } from '../augment/mix.ts';
import type { ViewOptions } from '../decode/image.ts';
import { imageCache, type ImageCache, type SkippedImage, type Wanted } from './image-cache.ts';
import { Random } from '../random.ts';
import { epochOrder, stepsPerEpoch, type Order } from './sampler.ts';

/**
 * A data folder becomes batches. Letters: B images of a batch, S side of the square input, R rows of noise.
 * Every batch is a function of (data set, recipe, epoch, number of the batch): of neither the number of decoders nor
 * where a run was resumed.
 */

/** The part of the recipe that batches depend on. */
export type LoaderRecipe = ViewOptions &
  Partial<MixOptions & EraseOptions> &
  Pick<Recipe, 'batchSize' | 'seed' | 'numWorkers'> & {
    /** Each image three times in a row, a third of them an epoch (repeated augmentation). */
    repeatedAug?: boolean;
  };

export interface LoaderOptions {
  dataset: Dataset;
  recipe: LoaderRecipe;
  /** Who makes the images, for this recipe; the loader closes it. */
  workers: DecodeWorkers;
  /** R: uniform numbers that each image gets for stochastic depth; 0 for none. */
  noiseRows: number;
  /** Which part of each epoch this loader deals out, of how many; default all of it. */
  share?: { rank: number; world: number };
  /** Files (relative) to leave out, as a check found them. */
  excluded?: ReadonlySet<string>;
  /** Told of each file once, however often it fails. */
  onSkip(skipped: SkippedImage): void;
  /** Most bytes of decoded images, and as many of what evaluation sees, kept in memory; default 256 MiB each. */
  cacheBytes?: number;
  /** Milliseconds after which a data folder that does not answer counts as gone; default 30,000. */
  folderTimeout?: number;
}

/**
 * Images [B, S, S, 3] RGB, labels [B], noise [R, B] uniform in [0, 1) or null. The arrays are the consumer's;
 * that of the images is memory that threads share.
 */
export interface Batch {
  images: Uint8Array;
  labels: Int32Array;
  noise: Float32Array | null;
  /** The image each row shows, relative to the data folder. */
  files: string[];
  /** How each row is mixed with its partner, row B − 1 − i; null when the recipe mixes nothing. */
  mix: MixDraw[] | null;
  /** Rectangles to fill with noise after normalising, for each row; null when the recipe erases nothing. */
  erase: Box[][] | null;
}

export interface Loader {
  stepsPerEpoch: number;
  /** Usable images; a tenth fewer may be seen in an epoch where the last partial batch is dropped. */
  train: number;
  val: number;
  /** Whole batches of an epoch from number `firstBatch` (from 0) on. A file that fails is replaced by another. */
  trainBatches(epoch: number, firstBatch?: number): AsyncGenerator<Batch, void, undefined>;
  /**
   * Every val image in order, up to B at a time; those that fail are missing. Of a share, its part of each batch of
   * `world`·B images, which `number` counts from 0: every image comes in one share.
   */
  evalBatches(): AsyncGenerator<Batch & { number: number }, void, undefined>;
  /** Ends the crew: nothing is read or decoded after it, and an iteration under way never goes on. */
  close(): Promise<void>;
}

/** Times that repeated augmentation shows an image in a row. */
export const REPEATS = 3;
/** Says which recipe has too few images: an epoch of repeats, rounded to whole 256 images, is shorter than a batch. */
export const FEW = reason('value.few-images');
const BATCHES_AHEAD = 3;
const REPLACEMENTS = 20;
/** Most rows of a batch made as one task: few messages, and whole repeats of an image. */
const MOST_ROWS = 12;

/**
 * Makes the loader of a run. Iterating may throw StillhouseError `data.vanished` when the folder is gone or nothing in
 * it can be read any more.
 * @throws StillhouseError `data.too-few` when there is not one batch, `recipe.odd-batch` when such cannot be
 * mixed, `recipe.invalid` when there are too few images to repeat.
 */
export function createLoader(options: LoaderOptions): Loader {
  const { dataset, recipe, workers, excluded = new Set() } = options;
  const usable = (samples: Sample[]): Sample[] => samples.filter(({ file }) => !excluded.has(file));
  const [train, val] = [usable(dataset.train), usable(dataset.val)];
  const { batchSize } = recipe;
  if (train.length < batchSize) throw new StillhouseError('data.too-few', { count: train.length, batch: batchSize });
  if (isMixing({ ...NO_MIXING, ...recipe }) && batchSize % 2 !== 0)
    throw new StillhouseError('recipe.odd-batch', { batch: batchSize });
  const repeats = recipe.repeatedAug ? REPEATS : 1;
  const { rank, world } = options.share ?? { rank: 0, world: 1 };
  const steps = stepsPerEpoch({ count: train.length, batchSize, repeats, world });
  if (steps === 0) throw new StillhouseError('recipe.invalid', { key: 'repeatedAug', expected: FEW, got: 'true' });
  const shelf = imageCache({ ...options, place: (file) => samplePlace(dataset, file), path: dataset.path });
  const rows = Math.min(MOST_ROWS, Math.ceil(batchSize / workers.size));
  const run = { workers: workers.size, depth: BATCHES_AHEAD };
  return {
    stepsPerEpoch: steps,
    train: train.length,
    val: val.length,
    trainBatches: (epoch, first = 0) => {
      const order = epochOrder({ count: train.length, seed: recipe.seed, epoch, repeats, world, rank });
      return ahead({
        ...run,
        first,
        end: steps,
        parts: () => Math.ceil(batchSize / rows),
        make: (number) => trainBatch(options, epoch, number * world + rank),
        fill: trainFiller(options, train, shelf, epoch, order, rows),
      });
    },
    evalBatches: async function* () {
      const first = (number: number): number => (number * world + rank) * batchSize;
      const size = (number: number): number => Math.min(batchSize, val.length - first(number));
      const batches = ahead({
        ...run,
        first: 0,
        end: Math.max(0, Math.ceil((val.length - first(0)) / (batchSize * world))),
        parts: (number) => Math.ceil(size(number) / rows),
        make: (number) => emptyBatch({ ...options, noiseRows: 0 }, size(number)),
        fill: evalFiller(val, shelf, rows, first),
      });
      let number = 0;
      for await (const batch of batches) {
        const whole = withoutHoles(batch, recipe.inputSize);
        if (whole.labels.length > 0) yield { ...whole, number };
        number++;
      }
    },
    close: () => workers.close(),
  };
}

function emptyBatch({ recipe: { inputSize }, noiseRows }: LoaderOptions, count: number): Batch {
  return {
    images: new Uint8Array(new SharedArrayBuffer(count * inputSize * inputSize * 3)),
    labels: new Int32Array(count).fill(HOLE),
    noise: noiseRows > 0 ? new Float32Array(noiseRows * count) : null,
    files: new Array<string>(count).fill(''),
    mix: null,
    erase: null,
  };
}

/** An empty training batch with what is drawn for the batch as a whole; `number` counts those of all ranks. */
function trainBatch(options: LoaderOptions, epoch: number, number: number): Batch {
  const { batchSize, inputSize, seed, ...recipe } = options.recipe;
  const mixing = { ...NO_MIXING, ...recipe };
  return {
    ...emptyBatch(options, batchSize),
    mix: isMixing(mixing) ? drawMix(new Random(seed, 'mix', epoch, number), batchSize, inputSize, mixing) : null,
    erase: recipe.reprob ? Array.from({ length: batchSize }, () => []) : null,
  };
}

/** DeiT's defaults where a recipe mixes but does not say how. */
const NO_MIXING: MixOptions = { mixup: 0, cutmix: 0, mixupProb: 1, mixupSwitchProb: 0.5, mixupMode: 'batch' };

const HOLE = -1;

function withoutHoles(batch: Batch, inputSize: number): Batch {
  const rows = [...batch.labels.keys()].filter((row) => batch.labels[row] !== HOLE);
  if (rows.length === batch.labels.length) return batch;
  const bytes = inputSize * inputSize * 3;
  rows.forEach((row, place) => batch.images.copyWithin(place * bytes, row * bytes, (row + 1) * bytes));
  return {
    images: batch.images.subarray(0, rows.length * bytes),
    labels: Int32Array.from(rows, (row) => batch.labels[row]),
    noise: null,
    files: rows.map((row) => batch.files[row]),
    mix: null,
    erase: null,
  };
}

type Fill = (batch: Batch, number: number, part: number) => Promise<void>;

/** The rows of a batch that a part of it holds. */
function rowsOf({ labels }: Batch, part: number, rows: number): number[] {
  const first = part * rows;
  return Array.from({ length: Math.min(rows, labels.length - first) }, (_, at) => first + at);
}

function trainFiller(
  options: LoaderOptions,
  train: Sample[],
  shelf: ImageCache,
  epoch: number,
  order: Order,
  rows: number,
): Fill {
  const { seed, batchSize } = options.recipe;
  return async (batch, number, part) => {
    let wanted = rowsOf(batch, part, rows).map((row): Wanted & { replacement: Random } => {
      const turn = number * batchSize + row;
      const place = order.places[turn];
      drawForRow(batch, row, options, epoch, place);
      const replacement = new Random(seed, 'replacement', epoch, place);
      return { sample: train[order.images[turn]], row, draw: { epoch, place }, replacement };
    });
    for (let attempt = 0; wanted.length > 0; attempt++) {
      if (attempt > REPLACEMENTS)
        throw new StillhouseError('data.vanished', { path: options.dataset.path, reason: shelf.lastReason() });
      const failed = new Set(await shelf.fill(batch.images, wanted));
      for (const one of wanted) if (!failed.has(one)) name(batch, one);
      wanted = [...failed].map((one) => ({ ...one, sample: train[one.replacement.integer(train.length)] }));
    }
  };
}

/** Draws the random choices of a row besides its image. */
function drawForRow(batch: Batch, row: number, options: LoaderOptions, epoch: number, place: number): void {
  const { seed, inputSize, reprob = 0, recount = 1 } = options.recipe;
  drawNoise(batch, row, options.noiseRows, new Random(seed, 'dropPath', epoch, place));
  if (!batch.erase) return;
  batch.erase[row] = drawErase(new Random(seed, 'erase', epoch, place), inputSize, inputSize, { reprob, recount });
}

function drawNoise({ noise, labels }: Batch, row: number, rows: number, random: Random): void {
  if (!noise) return;
  for (let r = 0; r < rows; r++) noise[r * labels.length + row] = random.uniform();
}

function evalFiller(val: Sample[], shelf: ImageCache, rows: number, first: (number: number) => number): Fill {
  return async (batch, number, part) => {
    const wanted = rowsOf(batch, part, rows).map((row): Wanted => ({
      sample: val[first(number) + row],
      row,
      draw: null,
    }));
    const failed = new Set(await shelf.fill(batch.images, wanted));
    for (const one of wanted) if (!failed.has(one)) name(batch, one);
  };
}

function name(batch: Batch, { sample, row }: Wanted): void {
  batch.labels[row] = sample.label;
  batch.files[row] = sample.file;
}
