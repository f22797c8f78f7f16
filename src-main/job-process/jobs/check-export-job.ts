import type { Model } from '../../model/model.ts';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { AnswerComparison, ExportCheck, Latency } from '../../protocol/export.ts';
import { stampOf, writeCheck } from '../../runs/export-check-file.ts';
import type { Engine } from '../../engines/engine.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import type { State } from '../../engines/engine.ts';
import { createEvalStep } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';
import { validationData } from '../evaluation/evaluation-data.ts';
import { comparable, differencesOf, readNetwork, networkSize, type ReadNetwork } from '../../weights/export-reader.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import { graphFormatAt, readGraphExport, type GraphExport } from '../../weights/graph-export.ts';
import { checkGraph } from '../exports/check-graph.ts';
import { checkParts, type PartFindings } from '../exports/check-parts.ts';
import { compareOnImages, greyImages, type CheckedAgainst } from '../exports/compare-on-images.ts';
import { isDemo, readDemo, type ReadDemo } from '../exports/read-demo.ts';
import { judge } from '../exports/judge.ts';
import { BATCHES, latencyOfRuns } from '../exports/latency.ts';
import { setParams } from '../training/train-state.ts';
import type { CheckExportJob, JobResults } from '../../jobs/job-protocol.ts';

/** Where the exported network lies in the state, beside the checkpoint's. */
const EXPORTED = 'exported.';

/**
 * Reads an export as a stranger would, makes the network from it, and compares it with its checkpoint on validation
 * images. What is wrong with the file is in the report, which is kept beside it; null when it was stopped.
 * @throws StillhouseError what keeps the checkpoint, the data or the engine from being used; `disk.*`
 */
export async function runCheckExportJob(job: CheckExportJob, context: JobContext): Promise<JobResults['check-export']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  stage('weights');
  const checkpoint = await readNetwork(job.checkpoint, job.settings, job);
  const demo = isDemo(job.path) ? attempt(() => readDemo(job.path)) : null;
  try {
    return await checkedAgainst(checkpoint, demo, job, context);
  } finally {
    if (demo && 'dispose' in demo) demo.dispose();
  }
}

/** @param demo what was read of a demo; null for any other export. */
async function checkedAgainst(
  checkpoint: ReadNetwork,
  demo: ReadDemo | { problem: PlainError } | null,
  job: CheckExportJob,
  context: JobContext,
): Promise<JobResults['check-export']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const format = graphFormatAt(job.path);
  const graph = demo && 'graph' in demo ? demo.graph : demo;
  const read = graph ?? (format ? attempt(() => readGraphExport(job.path, format)) : await readExport(job.path));
  stage('data');
  const { model, classes: names } = checkpoint;
  const { dataset } = await validationData(checkpoint.recipe, { path: job.checkpoint, count: model.classes, names });
  stage('engine');
  const engine = await openEngine(job);
  const against = { checkpoint, dataset, engine };
  const found = await findingsOf(job, against, read, context);
  const beside = found && (await checkParts(job, against, context));
  if (!beside) return null;
  const check: ExportCheck = {
    ...{ time: Date.now(), path: job.path, checkpoint: job.checkpoint, average: job.average, ...stampOf(job.path) },
    ...networkSize('model' in read ? read : checkpoint),
    preprocessing: 'problem' in read ? null : read.preprocessing,
    ...{ data: dataset.path, device: engine.device.name, threads: engine.threads, ...withParts(found, beside) },
  };
  writeCheck(check);
  return check;
}

function withParts(found: Found, { parts, problems, warnings }: PartFindings): Found & Pick<ExportCheck, 'parts'> {
  if (parts.length === 0) return found;
  const all = { problems: [...found.problems, ...problems], warnings: [...(found.warnings ?? []), ...warnings] };
  return { ...found, ...all, parts };
}

function findingsOf(
  job: CheckExportJob,
  given: CheckedAgainst,
  read: ReadNetwork | GraphExport | { problem: PlainError },
  context: JobContext,
): Promise<Found | null> | Found {
  if ('problem' in read) return unread(read.problem);
  if ('format' in read) return checkGraph(job, given, read, context);
  return compared(job, { ...given, exported: read }, context);
}

/** Reads a file; what is wrong with it is a finding. */
function attempt<Read>(read: () => Read): Read | { problem: PlainError } {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code === 'file.missing') throw error;
    return { problem: toPlainError(error) };
  }
}

type Found = Pick<ExportCheck, 'answers' | 'latency' | 'problems' | 'alone' | 'warnings' | 'runtime'>;

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

interface Both extends CheckedAgainst {
  exported: ReadNetwork;
}

/** Null when stopped. */
async function compared(job: CheckExportJob, both: Both, context: JobContext): Promise<Found | null> {
  const { checkpoint, exported, engine } = both;
  const problems = differencesOf(job.path, checkpoint, exported);
  if (!comparable(checkpoint, exported)) return { answers: null, latency: [], problems };
  const state = engine.newState();
  try {
    setParams(state, PREFIX.model, checkpoint.model.specs, checkpoint.params);
    setParams(state, EXPORTED, exported.model.specs, exported.params);
    const answers = await answersOf(job, both, state, context);
    const latency = answers && (await latencies(exported, engine, state, context));
    return latency && { answers, latency, problems: [...problems, ...judge(job.path, 'float32', answers).problems] };
  } finally {
    state.dispose();
  }
}

async function answersOf(
  job: CheckExportJob,
  both: Both,
  state: State,
  context: JobContext,
): Promise<AnswerComparison | null> {
  const { checkpoint, exported, engine } = both;
  const batchSize = Math.min(BATCHES.at(-1)!, job.images);
  const step = (model: Model, prefix: string) =>
    createEvalStep(engine, state, { model, prefix, batchSize, frozen: true });
  context.tell({ tell: 'progress', stage: 'compile', done: 0, total: 0 });
  const steps = {
    checkpoint: await step(checkpoint.model, PREFIX.model),
    exported: await step(exported.model, EXPORTED),
  };
  // Times are taken of the exported network alone, from what is prepared of it.
  state.trim((name) => name.startsWith(PREFIX.model));
  const answers = await compareOnImages(job, both, { ...steps, batchSize }, context);
  steps.checkpoint.dispose();
  steps.exported.dispose();
  return answers;
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
    const latency = await latencyOfRuns(batch, () => step.run(greyImages(batch, model)), context.stop);
    step.dispose();
    if (!latency) return null;
    measured.push(latency);
  }
  return measured;
}
