import { createLoader } from '../../data/batches/loader.ts';
import type { SkippedImage } from '../../data/batches/image-cache.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { JobResults, PredictFilesJob } from '../../jobs/job-protocol.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { filledUp } from '../../train/evaluate.ts';
import { deciding } from '../../train/metrics.ts';
import { createEvalStep } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import type { JobContext } from '../job-context.ts';
import { loadNetwork, topOf } from './predict-job.ts';

/** Images at a time, where there are so many. */
const MOST_ROWS = 32;

/**
 * Names the classes of image files, prepared as an evaluation prepares them.
 * @throws StillhouseError `weights.*`, `engine.load`, `data.vanished`.
 */
export async function runPredictFilesJob(
  job: PredictFilesJob,
  context: JobContext,
): Promise<JobResults['predict-files']> {
  const engine = await openEngine(job);
  const state = engine.newState();
  const skipped: SkippedImage[] = [];
  const { recipe, classes, student, interpolation, notes } = await loadNetwork(job, state);
  const batchSize = Math.min(MOST_ROWS, Math.max(1, job.files.length));
  const looks = { ...evaluationRecipe(recipe), evalInterpolation: interpolation, batchSize };
  const loader = createLoader({
    ...{ dataset: listOf(job, classes), recipe: looks, workers: decodeWorkers(job.engine, engine, looks) },
    ...{ noiseRows: 0, onSkip: (one: SkippedImage) => skipped.push(one) },
  });
  const step = await createEvalStep(engine, state, { model: student, prefix: PREFIX.model, batchSize, frozen: true });
  state.trim(() => true);
  let images = 0;
  try {
    for await (const batch of loader.evalBatches()) {
      if (context.stop.aborted) break;
      const { head, headDist } = await step.run(filledUp(batch.images, batchSize * recipe.inputSize ** 2 * 3));
      const logits = deciding(recipe.evalHeads, { head, headDist }, classes.length);
      const row = (at: number): Float32Array => logits.subarray(at * classes.length, (at + 1) * classes.length);
      const rows = batch.files.map((file, at) => ({ file, top: topOf(row(at), classes, job.top) }));
      context.tell({ tell: 'predictions', rows });
      images += rows.length;
      context.tell({ tell: 'progress', stage: 'predict', done: images + skipped.length, total: job.files.length });
    }
    return { model: recipe.model, images, skipped, notes };
  } finally {
    step.dispose();
    await loader.close();
    state.dispose();
  }
}

/** The files as a data set of which nothing is known but the images. A loader looks for some to train on, too. */
function listOf({ root, files }: PredictFilesJob, classes: readonly string[]): Dataset {
  const samples = files.map((file) => ({ file, label: 0 }));
  const nothing = { warnings: [], notes: [], excluded: 0, archives: null, splitMade: false, set: null };
  return { path: root, layout: 'classes', classes: [...classes], train: samples, val: samples, ...nothing };
}
