import { basename } from 'node:path';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { createLoader } from '../../data/batches/loader.ts';
import type { Model } from '../../model/model.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { AnswerComparison, ExportCheck, Latency } from '../../protocol/export.ts';
import { stampOf, writeCheck } from '../../runs/export-check-file.ts';
import type { Engine } from '../../engines/engine.ts';
import { loadEngine } from '../../engines/load.ts';
import type { State } from '../../engines/engine.ts';
import { compareAnswers } from '../../train/compare.ts';
import { createEvalStep } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';
import { validationData } from '../evaluation/evaluation-data.ts';
import { comparable, differencesOf, readNetwork, networkSize, type ReadNetwork } from '../../weights/export-reader.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { setParams } from '../training/train-state.ts';
import type { CheckExportJob, JobResults } from '../../jobs/job-protocol.ts';

/** Where the exported network lies in the state, beside the checkpoint's. */
const EXPORTED = 'exported.';
/** Batches that are timed. */
const BATCHES = [1, 32];
const [WARM_UPS, LEAST_RUNS, MOST_RUNS] = [2, 5, 50];
/** Milliseconds after which no batch is timed any more. */
const MOST_TIME = 4000;
/** The greatest difference of logits that rounding may make: the same numbers may be summed in another order. */
const ALLOWED = 1e-4;

/**
 * Reads an export as a stranger would, makes the network from it, and compares it with its checkpoint on validation
 * images. What is wrong with the file is in the report, which is kept beside it; null when it was stopped.
 * @throws StillhouseError what keeps the checkpoint, the data or the engine from being used; `disk.*`
 */
export async function runCheckExportJob(job: CheckExportJob, context: JobContext): Promise<JobResults['check-export']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  stage('weights');
  const checkpoint = await readNetwork(job.checkpoint, job.settings, job);
  const read = await readExport(job.path);
  stage('data');
  const { model, classes: names } = checkpoint;
  const { dataset } = await validationData(checkpoint.recipe, { path: job.checkpoint, count: model.classes, names });
  stage('engine');
  const engine = await loadEngine(job.engine, { threads: job.threads, gpu: job.gpu });
  const found = 'problem' in read ? unread(read.problem) : await compared(job, { checkpoint, exported: read, dataset, engine }, context); // prettier-ignore
  if (!found) return null;
  const check: ExportCheck = {
    ...{ time: Date.now(), path: job.path, checkpoint: job.checkpoint, average: job.average, ...stampOf(job.path) },
    ...networkSize('problem' in read ? checkpoint : read),
    preprocessing: 'problem' in read ? null : read.preprocessing,
    ...{ data: dataset.path, device: engine.device.name, threads: engine.threads, ...found },
  };
  writeCheck(check);
  return check;
}

type Found = Pick<ExportCheck, 'answers' | 'latency' | 'problems'>;

function unread(problem: PlainError): Found {
  return { answers: null, latency: [], problems: [problem] };
}

/** Reads an export; a file that cannot be read is a finding of the check and no failure of it. */
async function readExport(path: string): Promise<ReadNetwork | { problem: PlainError }> {
  try {
    return await readNetwork(path, {});
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code === 'file.missing') throw error;
    return { problem: toPlainError(error) };
  }
}

interface Both {
  checkpoint: ReadNetwork;
  exported: ReadNetwork;
  dataset: Dataset;
  engine: Engine;
}

/** Null when stopped. */
async function compared(job: CheckExportJob, both: Both, context: JobContext): Promise<Found | null> {
  const { checkpoint, exported, engine } = both;
  const problems = differencesOf(job.path, checkpoint, exported);
  // Images that are not square are made nowhere here: arrays and words alone are compared.
  const isSquare = checkpoint.model.inputWidth === undefined;
  if (!isSquare || !comparable(checkpoint, exported)) return { answers: null, latency: [], problems };
  const state = engine.newState();
  try {
    setParams(state, PREFIX.model, checkpoint.model.specs, checkpoint.params);
    setParams(state, EXPORTED, exported.model.specs, exported.params);
    const answers = await answersOf(job, both, state, context);
    const latency = answers && (await latencies(exported, engine, state, context));
    return latency && { answers, latency, problems: [...problems, ...answerProblem(job.path, answers)] };
  } finally {
    state.dispose();
  }
}

async function answersOf(
  job: CheckExportJob,
  { checkpoint, exported, dataset, engine }: Both,
  state: State,
  context: JobContext,
): Promise<AnswerComparison | null> {
  const { model, recipe } = checkpoint;
  const batchSize = Math.min(BATCHES.at(-1)!, job.images);
  const looks = { ...evaluationRecipe(recipe), batchSize };
  const chosen = spread(dataset.val, job.images);
  let skipped = 0;
  const loader = createLoader({
    // A loader wants a whole batch to train on, whatever it is asked for.
    dataset: { ...dataset, val: chosen, train: Array.from({ length: batchSize }, () => chosen[0]) },
    ...{ recipe: looks, workers: decodeWorkers(job.engine, engine, looks), noiseRows: 0, onSkip: () => skipped++ },
  });
  const step = (model: Model, prefix: string) =>
    createEvalStep(engine, state, { model, prefix, batchSize, frozen: true });
  try {
    context.tell({ tell: 'progress', stage: 'compile', done: 0, total: 0 });
    const steps = { checkpoint: await step(model, PREFIX.model), exported: await step(exported.model, EXPORTED) };
    const tell = progressTeller(context, 'compare');
    const answers = await compareAnswers({
      ...{ batches: loader.evalBatches(), ...steps, classes: model.classes, heads: recipe.evalHeads },
      batchBytes: batchSize * model.inputSize ** 2 * 3,
      stop: context.stop,
      onProgress: (done) => tell(done, chosen.length),
    });
    steps.checkpoint.dispose();
    steps.exported.dispose();
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

function answerProblem(path: string, answers: AnswerComparison): PlainError[] {
  const { max, images, agreement } = answers;
  if (max !== null && max <= ALLOWED) return [];
  const params = { file: basename(path), images, max: max ?? 'NaN', allowed: ALLOWED, agreement };
  return [toPlainError(new StillhouseError('export.answers', params))];
}

/** Times the exported network on grey images: what they show does not matter. Null when stopped. */
async function latencies(
  { model }: ReadNetwork,
  engine: Engine,
  state: State,
  context: JobContext,
): Promise<Latency[] | null> {
  const measured: Latency[] = [];
  const tell = progressTeller(context, 'latency');
  for (const [at, batch] of BATCHES.entries()) {
    tell(at, BATCHES.length);
    const step = await createEvalStep(engine, state, { model, prefix: EXPORTED, batchSize: batch, frozen: true });
    const images = new Uint8Array(batch * model.inputSize ** 2 * 3).fill(128);
    const times = await timed(() => step.run(images), context.stop);
    step.dispose();
    if (!times) return null;
    measured.push(latencyOf(batch, times));
  }
  return measured;
}

/** Milliseconds of each run, after two that are not counted: the first ones warm caches, allocators and kernels. */
async function timed(run: () => Promise<unknown>, stop: AbortSignal): Promise<number[] | null> {
  const times: number[] = [];
  const end = performance.now() + MOST_TIME;
  for (let at = 0; at < WARM_UPS + MOST_RUNS; at++) {
    if (stop.aborted) return null;
    const started = performance.now();
    await run();
    if (at >= WARM_UPS) times.push(performance.now() - started);
    if (times.length >= LEAST_RUNS && performance.now() > end) break;
  }
  return times;
}

/** Computes median and ninetieth percentile, by the nearest rank. */
export function latencyOf(batch: number, times: readonly number[]): Latency {
  const sorted = [...times].sort((one, other) => one - other);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const median = rank(0.5);
  return { batch, median, p90: rank(0.9), imagesPerSecond: (1000 * batch) / median, runs: sorted.length };
}
