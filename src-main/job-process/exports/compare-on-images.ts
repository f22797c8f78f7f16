import type { Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { createLoader } from '../../data/batches/loader.ts';
import type { Engine } from '../../engines/engine.ts';
import type { CheckExportJob } from '../../jobs/job-protocol.ts';
import type { Model } from '../../model/model.ts';
import type { AnswerComparison } from '../../protocol/export.ts';
import { compareAnswers } from '../../train/compare.ts';
import type { EvalBatch } from '../../train/evaluate.ts';
import type { EvalStep } from '../../train/step-types.ts';
import type { ReadNetwork } from '../../weights/export-reader.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { progressTeller, type JobContext } from '../job-context.ts';

/** Says with what a check compares an export, and on which images. */
export interface CheckedAgainst {
  checkpoint: ReadNetwork;
  dataset: Dataset;
  engine: Engine;
}

/** Two networks for batches of `batchSize`. */
interface Steps {
  checkpoint: EvalStep;
  exported: EvalStep;
  batchSize: number;
}

/**
 * Shows both networks validation images, evenly chosen over all classes; those for images that are not square the
 * middle of the squares of their longer side. Null when stopped.
 */
export async function compareOnImages(
  job: CheckExportJob,
  { checkpoint, dataset, engine }: CheckedAgainst,
  { batchSize, ...steps }: Steps,
  context: JobContext,
): Promise<AnswerComparison | null> {
  let skipped = 0;
  const { model, recipe } = checkpoint;
  const { inputSize, inputWidth = inputSize } = model;
  const looks = { ...evaluationRecipe(recipe), batchSize, inputSize: Math.max(inputSize, inputWidth) };
  const chosen = spread(dataset.val, job.images);
  const loader = createLoader({
    // A loader wants a whole batch to train on, whatever it is asked for.
    dataset: { ...dataset, val: chosen, train: Array.from({ length: batchSize }, () => chosen[0]) },
    ...{ recipe: looks, workers: decodeWorkers(job.engine, engine, looks), noiseRows: 0, onSkip: () => skipped++ },
  });
  try {
    const tell = progressTeller(context, 'compare');
    const answers = await compareAnswers({
      ...{ batches: middles(loader.evalBatches(), model), ...steps, classes: model.classes, heads: recipe.evalHeads },
      batchBytes: batchSize * bytesOfImage(model),
      stop: context.stop,
      onProgress: (done) => tell(done, chosen.length),
    });
    return answers && { ...answers, skipped };
  } finally {
    await loader.close();
  }
}

/** Chooses as many items as are wanted, evenly over all, because images lie class by class. */
export function spread(samples: readonly Sample[], count: number): Sample[] {
  if (count >= samples.length) return [...samples];
  return Array.from({ length: count }, (_, at) => samples[Math.floor(((at + 0.5) * samples.length) / count)]);
}

type Sides = Pick<Model, 'inputSize' | 'inputWidth'>;

/** Counts the bytes of an image for a network: one for each colour of a pixel. */
export function bytesOfImage({ inputSize, inputWidth = inputSize }: Sides): number {
  return inputSize * inputWidth * 3;
}

/** Makes grey images, to time a network on: what they show does not matter. */
export function greyImages(count: number, sides: Sides): Uint8Array {
  return new Uint8Array(count * bytesOfImage(sides)).fill(128);
}

/** Cuts the middle out of squares, as high and wide as a network wants it. */
async function* middles(batches: AsyncIterable<EvalBatch>, sides: Sides): AsyncGenerator<EvalBatch> {
  const { inputSize: height, inputWidth: width = height } = sides;
  for await (const batch of batches) {
    if (height === width) yield batch;
    else yield { ...batch, images: middleOf(batch.images, height, width) };
  }
}

/** Cuts the middle [B, height, width, 3] out of squares [B, S, S, 3] of the longer side. */
function middleOf(images: Uint8Array, height: number, width: number): Uint8Array {
  const side = Math.max(height, width);
  const [top, left] = [(side - height) >> 1, (side - width) >> 1];
  const count = images.length / (3 * side ** 2);
  const cut = new Uint8Array(count * height * width * 3);
  for (let image = 0; image < count; image++)
    for (let row = 0; row < height; row++) {
      const from = 3 * ((image * side + top + row) * side + left);
      cut.set(images.subarray(from, from + 3 * width), 3 * (image * height + row) * width);
    }
  return cut;
}
