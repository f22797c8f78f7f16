import { stat } from 'node:fs/promises';
import { StillhouseError } from '../protocol/errors.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { ahead } from './ahead.ts';
import { drawTrain, evalGeometry, type AugmentOptions, type TrainDraw } from './augment.ts';
import { parsePolicy, type Policy } from './auto-augment.ts';
import type { Decode, Pixels } from './decode.ts';
import { readSample, type Dataset, type Sample } from './folder.ts';
import { byteCache } from './byte-cache.ts';
import { drawErase, type Box, type EraseOptions } from './erase.ts';
import { drawMix, isMixing, type MixDraw, type MixOptions } from './mix.ts';
import { lookAt, openPicture, weightOf, type Picture } from './picture.ts';
import { applyOperation } from './pixel-ops.ts';
import { Random, type Draws } from './random.ts';
import { reasonOf } from './read-file.ts';
import { cropPixels, cutWindow, flipRows } from './resize.ts';
import { epochOrder, stepsPerEpoch, type Order } from './sampler.ts';

/**
 * A data folder becomes batches. Letters: B pictures of a batch, S side of the square input, R rows of noise.
 * Every batch is a function of (data set, recipe, epoch, number of the batch): of neither the number of decoders nor
 * where a run was resumed.
 */

/** The part of the recipe that batches depend on. */
export type LoaderRecipe = AugmentOptions &
  Partial<MixOptions & EraseOptions> &
  Pick<Recipe, 'batchSize' | 'evalCropRatio' | 'seed' | 'numWorkers'> & {
    /** Each picture three times in a row, a third of them an epoch (repeated augmentation). */
    repeatedAug?: boolean;
  };

/** A picture that was to be used and could not. */
export interface SkippedPicture {
  /** Relative to the data folder. */
  file: string;
  reason: string;
}

export interface LoaderOptions {
  dataset: Dataset;
  recipe: LoaderRecipe;
  decode: Decode;
  /** R: uniform numbers that each picture gets for stochastic depth; 0 for none. */
  noiseRows: number;
  /** Files (relative) to leave out, as a check found them. */
  excluded?: ReadonlySet<string>;
  /** Told of each file once, however often it fails. */
  onSkip(skipped: SkippedPicture): void;
  /** Milliseconds after which a file that the disk does not deliver counts as unreadable; default 30,000. */
  fileTimeout?: number;
  /** Most bytes of pictures, and as many of what evaluation sees, kept in memory; default 256 MiB each. */
  cacheBytes?: number;
}

/** Images [B, S, S, 3] RGB, labels [B], noise [R, B] uniform in [0, 1) or null. The arrays are the consumer's. */
export interface Batch {
  images: Uint8Array;
  labels: Int32Array;
  noise: Float32Array | null;
  /** The picture each row shows, relative to the data folder. */
  files: string[];
  /** How each row is mixed with its partner, row B − 1 − i; null when the recipe mixes nothing. */
  mix: MixDraw[] | null;
  /** Rectangles to fill with noise after normalising, for each row; null when the recipe erases nothing. */
  erase: Box[][] | null;
}

export interface Loader {
  stepsPerEpoch: number;
  /** Usable pictures; a tenth fewer may be seen in an epoch where the last partial batch is dropped. */
  train: number;
  val: number;
  /** Whole batches of an epoch from number `firstBatch` (from 0) on. A file that fails is replaced by another. */
  trainBatches(epoch: number, firstBatch?: number): AsyncGenerator<Batch, void, undefined>;
  /** Every val picture in order, up to B at a time; those that fail are missing. */
  evalBatches(): AsyncGenerator<Batch, void, undefined>;
  /** Resolves when no picture is being read or decoded: after it, an iteration ended early uses the decoder no more. */
  idle(): Promise<void>;
}

/** Times that repeated augmentation shows a picture in a row. */
export const REPEATS = 3;
/** What a recipe has to be where an epoch of repeats, rounded to whole 256 pictures, is shorter than a batch. */
export const FEW = 'off where an epoch has less than a batch of pictures';
const BATCHES_AHEAD = 3;
const REPLACEMENTS = 20;

/**
 * Makes the loader of a run. Iterating may throw StillhouseError `data.vanished` when the folder is gone or nothing in
 * it can be read any more.
 * @throws StillhouseError `data.too-few` when there is not one batch, `recipe.odd-batch` when such cannot be
 * mixed, `recipe.invalid` when `aa` is not a policy or there are too few pictures to repeat.
 */
export function createLoader(options: LoaderOptions): Loader {
  const { dataset, recipe, excluded = new Set() } = options;
  const usable = (samples: Sample[]): Sample[] => samples.filter(({ file }) => !excluded.has(file));
  const [train, val] = [usable(dataset.train), usable(dataset.val)];
  const { batchSize } = recipe;
  if (train.length < batchSize) throw new StillhouseError('data.too-few', { count: train.length, batch: batchSize });
  if (isMixing({ ...NO_MIXING, ...recipe }) && batchSize % 2 !== 0)
    throw new StillhouseError('recipe.odd-batch', { batch: batchSize });
  const repeats = recipe.repeatedAug ? REPEATS : 1;
  const steps = stepsPerEpoch({ count: train.length, batchSize, repeats });
  if (steps === 0) throw new StillhouseError('recipe.invalid', { key: 'repeatedAug', expected: FEW, got: 'true' });
  const reader = pictureReader(options);
  const depth = BATCHES_AHEAD;
  const workers = recipe.numWorkers;
  return {
    stepsPerEpoch: steps,
    train: train.length,
    val: val.length,
    trainBatches: (epoch, first = 0) => {
      const order = epochOrder({ count: train.length, seed: recipe.seed, epoch, repeats });
      const fill = trainFiller(options, train, reader, epoch, order);
      return ahead({
        first,
        end: steps,
        parts: () => batchSize,
        make: (number) => trainBatch(options, epoch, number),
        fill,
        workers,
        depth,
      });
    },
    idle: () => reader.idle(),
    evalBatches: async function* () {
      const parts = (number: number): number => Math.min(batchSize, val.length - number * batchSize);
      const end = Math.ceil(val.length / batchSize);
      const make = (number: number): Batch => emptyBatch({ ...options, noiseRows: 0 }, parts(number));
      const fill = evalFiller(options, val, reader);
      for await (const batch of ahead({ first: 0, end, parts, make, fill, workers, depth })) {
        const whole = withoutHoles(batch, recipe.inputSize);
        if (whole.labels.length > 0) yield whole;
      }
    },
  };
}

function emptyBatch({ recipe: { inputSize }, noiseRows }: LoaderOptions, count: number): Batch {
  return {
    images: Buffer.allocUnsafeSlow(count * inputSize * inputSize * 3),
    labels: new Int32Array(count).fill(HOLE),
    noise: noiseRows > 0 ? new Float32Array(noiseRows * count) : null,
    files: new Array<string>(count).fill(''),
    mix: null,
    erase: null,
  };
}

/** An empty training batch with what is drawn for the batch as a whole. */
function trainBatch(options: LoaderOptions, epoch: number, number: number): Batch {
  const { batchSize, inputSize, seed, ...recipe } = options.recipe;
  const mixing = { ...NO_MIXING, ...recipe };
  return {
    ...emptyBatch(options, batchSize),
    mix: isMixing(mixing) ? drawMix(new Random(seed, 'mix', epoch, number), batchSize, inputSize, mixing) : null,
    erase: recipe.reprob ? Array.from({ length: batchSize }, () => []) : null,
  };
}

/** What DeiT sets where a recipe mixes but does not say how. */
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

type Fill = (batch: Batch, number: number, row: number) => Promise<void>;

function trainFiller(
  options: LoaderOptions,
  train: Sample[],
  reader: PictureReader,
  epoch: number,
  order: Order,
): Fill {
  const { seed, batchSize, inputSize, reprob = 0, recount = 1 } = options.recipe;
  return async (batch, number, row) => {
    const turn = number * batchSize + row;
    const place = order.places[turn];
    drawNoise(batch, row, options.noiseRows, new Random(seed, 'dropPath', epoch, place));
    if (batch.erase) {
      const draws = new Random(seed, 'erase', epoch, place);
      batch.erase[row] = drawErase(draws, inputSize, inputSize, { reprob, recount });
    }
    const replacement = new Random(seed, 'replacement', epoch, place);
    let sample = train[order.pictures[turn]];
    for (let attempt = 0; attempt <= REPLACEMENTS; attempt++) {
      const pixels = await reader.train(sample, new Random(seed, 'augment', epoch, place));
      if (pixels) return put(batch, row, pixels, sample, inputSize);
      sample = train[replacement.integer(train.length)]!;
    }
    throw new StillhouseError('data.vanished', { path: options.dataset.path, reason: reader.lastReason() });
  };
}

function drawNoise({ noise, labels }: Batch, row: number, rows: number, random: Random): void {
  if (!noise) return;
  for (let r = 0; r < rows; r++) noise[r * labels.length + row] = random.uniform();
}

function evalFiller(options: LoaderOptions, val: Sample[], reader: PictureReader): Fill {
  const { batchSize, inputSize } = options.recipe;
  return async (batch, number, row) => {
    const sample = val[number * batchSize + row];
    const pixels = await reader.eval(sample);
    if (pixels) put(batch, row, pixels, sample, inputSize);
  };
}

function put(batch: Batch, row: number, pixels: Uint8Array, sample: Sample, inputSize: number): void {
  batch.images.set(pixels, row * inputSize * inputSize * 3);
  batch.labels[row] = sample.label;
  batch.files[row] = sample.file;
}

/** Reads one picture as training or evaluation sees it, [S, S, 3]; null when it cannot be read, which is told once. */
interface PictureReader {
  train(sample: Sample, random: Random): Promise<Uint8Array | null>;
  eval(sample: Sample): Promise<Uint8Array | null>;
  lastReason(): string;
  idle(): Promise<void>;
}

function pictureReader(options: LoaderOptions): PictureReader {
  const { dataset, recipe, decode, fileTimeout: timeout = 30_000, cacheBytes = 256 * 2 ** 20 } = options;
  const pictures = byteCache<Picture>(cacheBytes);
  const evaluated = byteCache<Uint8Array>(cacheBytes);
  const policy = parsePolicy(recipe.aa ?? '');
  const told = new Set<string>();
  const active = new Set<Promise<unknown>>();
  let reason = '';
  const open = async (file: string): Promise<Picture> =>
    openPicture(await readSample(dataset, file, { timeout }), decode);
  const attempt = async (file: string, work: Promise<Uint8Array>): Promise<Uint8Array | null> => {
    active.add(work);
    try {
      return await work;
    } catch (error) {
      await assertFolder(dataset.path, error);
      reason = `${file}: ${reasonOf(error)}`;
      if (!told.has(file)) options.onSkip({ file, reason: reasonOf(error) });
      told.add(file);
      return null;
    } finally {
      active.delete(work);
    }
  };
  const asTrained = async (file: string, random: Random): Promise<Uint8Array> => {
    const known = pictures.get(file);
    const picture = known ?? (await open(file));
    if (!known) pictures.keep(file, picture, weightOf(picture));
    return trainPixels(picture, random, recipe, policy, decode);
  };
  const asEvaluated = async (file: string): Promise<Uint8Array> => {
    const known = evaluated.get(file);
    if (known) return known;
    const pixels = await evaluationPixels(await open(file), recipe, decode);
    return evaluated.keep(file, pixels, pixels.byteLength);
  };
  return {
    train: ({ file }, random) => attempt(file, asTrained(file, random)),
    eval: ({ file }) => attempt(file, asEvaluated(file)),
    lastReason: () => reason,
    idle: async () => void (await Promise.allSettled(active)),
  };
}

// One file missing is an accident, the whole folder missing is the end.
async function assertFolder(path: string, cause: unknown): Promise<void> {
  if (cause instanceof StillhouseError || !(cause instanceof Error) || !('code' in cause)) return;
  await stat(path).catch((error: unknown) => {
    throw new StillhouseError('data.vanished', { path, reason: reasonOf(error) }, { cause });
  });
}

/**
 * A picture as one training draw shows it, [S, S, 3]. `policy` is what `parsePolicy` made of the recipe's `aa`.
 * Rejects with an Error when it cannot be decoded.
 */
export async function trainPixels(
  picture: Picture,
  draws: Draws,
  options: AugmentOptions,
  policy: Policy | null,
  decode: Decode,
): Promise<Uint8Array> {
  const draw = drawTrain(draws, picture.width, picture.height, options, policy);
  const size = draw.window?.size ?? { width: options.inputSize, height: options.inputSize };
  const { crop, filter, flip, window } = draw;
  const pixels = await lookAt(picture, { crop, size, filter, mirror: flip && !window }, decode);
  return applyDraw(pixels, draw).data;
}

/** ImageNet's mean colour: what timm fills in from outside a picture. */
const FILL = [124, 116, 104] as const;

/** What is left to do once a picture is resized, and mirrored unless a window is to be cut first. */
function applyDraw(pixels: Pixels, { window, flip, filter, operations }: TrainDraw): Pixels {
  const cut = window ? cutWindow(pixels, window) : pixels;
  const settings = { fill: FILL, resampling: filter };
  return operations.reduce(
    (picture, operation) => applyOperation(picture, operation, settings),
    window && flip ? flipRows(cut) : cut,
  );
}

/**
 * A picture as evaluation shows it, [S, S, 3].
 * Rejects with an Error when it cannot be decoded.
 */
export async function evaluationPixels(
  picture: Picture,
  { inputSize, evalCropRatio }: Pick<Recipe, 'inputSize' | 'evalCropRatio'>,
  decode: Decode,
): Promise<Uint8Array> {
  const { source, size, crop } = evalGeometry(picture.width, picture.height, inputSize, evalCropRatio);
  const pixels = await lookAt(picture, { crop: source, size, filter: 'bicubic', mirror: false }, decode);
  return cropPixels(pixels, crop).data;
}
