import * as tf from '@tensorflow/tfjs-core';
import { drawTrain } from '../../data/augment/augment.ts';
import { parsePolicy } from '../../data/augment/auto-augment.ts';
import { readableSize } from '../../data/decode/reading.ts';
import { samplePlace, type Dataset } from '../../data/layout/folder.ts';
import { createLoader, type Batch } from '../../data/batches/loader.ts';
import { Random } from '../../data/random.ts';
import { readNow } from '../../data/layout/read-now.ts';
import type { Model } from '../../model/model.ts';
import { createModel } from '../../model/zoo.ts';
import type { PreviewImage } from '../../protocol/data-types.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { Engine } from '../../engines/engine.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { encodeJpeg } from '../../runtime/images.ts';
import { drawInputs, drawnImages, drawValues } from '../../train/mix.ts';
import { trainingRecipe } from '../images/loader-recipe.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import type { PreviewJob, JobResults } from '../../jobs/job-protocol.ts';
import { listImages } from './open-training.ts';

const QUALITY = 92;

/**
 * Makes a batch as a training would and shows its first images after everything, by the loader and the very function
 * that the step is recorded from. The noise of erased rectangles alone is other noise.
 * @throws StillhouseError `data.*`, `recipe.*`, `engine.load`.
 */
export async function runPreviewJob(job: PreviewJob): Promise<JobResults['preview']> {
  const { recipe, epoch } = job;
  const dataset = await listImages(recipe, job.excluded);
  const engine = await openEngine(job);
  const options = { classes: dataset.classes.length, inputSize: recipe.inputSize };
  const student = createModel(recipe.model, options);
  const own = trainingRecipe(recipe);
  const loader = createLoader({
    ...{ dataset, recipe: own, noiseRows: 0, workers: decodeWorkers(job.engine, engine, own) },
    // What cannot be read was replaced; a check of the data tells of it.
    onSkip: () => undefined,
  });
  try {
    const number = Math.min(job.batch, loader.stepsPerEpoch - 1);
    const { value: batch } = await loader.trainBatches(epoch, number).next();
    const step = epoch * loader.stepsPerEpoch + number + 1;
    const seen = await finalImages(batch!, { recipe, student, step, count: job.count });
    const images = await Promise.all(
      seen.map(async (data, row) => ({
        ...factsOf(batch!, row, { dataset, recipe, epoch, number }),
        image: await dataUrl(engine, recipe.inputSize, data),
      })),
    );
    return { epoch, batch: number, batches: loader.stepsPerEpoch, images };
  } finally {
    await loader.close();
  }
}

/** The first `count` images of a batch, [S, S, 3] each, erased and mixed as the step does it. */
async function finalImages(
  batch: Batch,
  { recipe, student, step, count }: { recipe: Recipe; student: Model; step: number; count: number },
): Promise<Uint8Array[]> {
  const rows = withPartners(batch.labels.length, count);
  const side = recipe.inputSize;
  const bytes = side * side * 3;
  const pixels = new Float32Array(rows.length * bytes);
  rows.forEach((row, place) => pixels.set(batch.images.subarray(row * bytes, (row + 1) * bytes), place * bytes));
  const of = <One>(all: One[] | null): One[] | null => all && rows.map((row) => all[row]);
  const values = drawValues(recipe, { mix: of(batch.mix), erase: of(batch.erase) }, rows.length, step);
  const seen = tf.tidy(() => {
    const inputs = Object.fromEntries(
      Object.entries(drawInputs(recipe, rows.length)).map(([name, { shape, dtype }]) => [
        name,
        tf.tensor(values[name] as Float32Array, [...shape], dtype as 'float32' | 'int32'),
      ]),
    );
    const images = tf.tensor4d(pixels, [rows.length, side, side, 3]);
    return tf.clipByValue(drawnImages(recipe, student, images, inputs), 0, 255);
  });
  const shown = Uint8Array.from(await seen.data(), Math.round);
  seen.dispose();
  return Array.from({ length: Math.min(count, batch.labels.length) }, (_, row) =>
    shown.subarray(row * bytes, (row + 1) * bytes),
  );
}

/** The first rows of a batch and their partners, each again the partner of its own: all rows where that is most. */
function withPartners(size: number, count: number): number[] {
  const all = [...Array(size).keys()];
  return 2 * count >= size ? all : [...all.slice(0, count), ...all.slice(size - count)];
}

/** Describes the draws of an image, which are those of its makers. */
function factsOf(
  batch: Batch,
  row: number,
  { dataset, recipe, epoch, number }: { dataset: Dataset; recipe: Recipe; epoch: number; number: number },
): Omit<PreviewImage, 'image'> {
  const file = batch.files[row];
  const { width, height } = readableSize(readNow(samplePlace(dataset, file)));
  const draws = new Random(recipe.seed, 'augment', epoch, number * batch.labels.length + row);
  const drawn = drawTrain(draws, width, height, trainingRecipe(recipe), parsePolicy(recipe.aa));
  const { lambda, box } = batch.mix?.[row] ?? { lambda: 1, box: null };
  const partner = batch.labels.length - 1 - row;
  const share = drawn.crop ? (drawn.crop.width * drawn.crop.height) / (width * height) : 1;
  const classes = [{ name: dataset.classes[batch.labels[row]], share: lambda }];
  if (lambda < 1) classes.push({ name: dataset.classes[batch.labels[partner]], share: 1 - lambda });
  return {
    file,
    classes,
    mix: lambda === 1 ? 'none' : box ? 'cutmix' : 'mixup',
    partner: lambda === 1 ? null : batch.files[partner],
    area: share,
    flipped: drawn.flip,
    operations: drawn.operations,
    erased: batch.erase?.[row].length ?? 0,
  };
}

async function dataUrl(engine: Engine, side: number, data: Uint8Array): Promise<string> {
  const jpeg = await encodeJpeg(engine.tensorflow, { width: side, height: side, data }, { quality: QUALITY });
  return `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`;
}
