import type { Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { createLoader } from '../../data/batches/loader.ts';
import type { Engine } from '../../engines/engine.ts';
import type { CheckExportJob } from '../../jobs/job-protocol.ts';
import type { AnswerComparison } from '../../protocol/export.ts';
import { compareAnswers } from '../../train/compare.ts';
import type { EvalStep } from '../../train/step-types.ts';
import type { ReadNetwork } from '../../weights/export-reader.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { progressTeller, type JobContext } from '../job-context.ts';

/** What a check compares an export with, and on what. */
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

/** Shows both networks validation images, evenly chosen over all classes. Null when stopped. */
export async function compareOnImages(
  job: CheckExportJob,
  { checkpoint, dataset, engine }: CheckedAgainst,
  { batchSize, ...steps }: Steps,
  context: JobContext,
): Promise<AnswerComparison | null> {
  let skipped = 0;
  const { model, recipe } = checkpoint;
  const looks = { ...evaluationRecipe(recipe), batchSize };
  const chosen = spread(dataset.val, job.images);
  const loader = createLoader({
    // A loader wants a whole batch to train on, whatever it is asked for.
    dataset: { ...dataset, val: chosen, train: Array.from({ length: batchSize }, () => chosen[0]) },
    ...{ recipe: looks, workers: decodeWorkers(job.engine, engine, looks), noiseRows: 0, onSkip: () => skipped++ },
  });
  try {
    const tell = progressTeller(context, 'compare');
    const answers = await compareAnswers({
      ...{ batches: loader.evalBatches(), ...steps, classes: model.classes, heads: recipe.evalHeads },
      batchBytes: batchSize * model.inputSize ** 2 * 3,
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

/** Makes grey images, to time a network on: what they show does not matter. */
export function greyImages(count: number, side: number): Uint8Array {
  return new Uint8Array(count * side ** 2 * 3).fill(128);
}
