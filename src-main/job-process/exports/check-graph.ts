import { basename } from 'node:path';
import type { CheckExportJob } from '../../jobs/job-protocol.ts';
import type { Model } from '../../model/model.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ExportCheck, Latency } from '../../protocol/export.ts';
import { deciding } from '../../train/metrics.ts';
import { createEvalStep } from '../../train/step.ts';
import type { EvalStep } from '../../train/step-types.ts';
import { PREFIX } from '../../train/variables.ts';
import { wordDifferences, type ReadNetwork } from '../../weights/export-reader.ts';
import type { GraphExport } from '../../weights/graph-export.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import { setParams } from '../training/train-state.ts';
import { bytesOfImage, compareOnImages, greyImages, type CheckedAgainst } from './compare-on-images.ts';
import { openGraph, type GraphRunner } from './graph-runner.ts';
import { judge, type Judgement } from './judge.ts';
import { BATCHES, latencyOfRuns } from './latency.ts';

type GraphFindings = Pick<ExportCheck, 'answers' | 'alone' | 'latency' | 'problems' | 'warnings' | 'runtime'>;

/**
 * Compares an export with its checkpoint by the program that others run it with: images in a batch, and each on its
 * own. What is wrong with it is in the findings; null when it was stopped.
 */
export async function checkGraph(
  job: CheckExportJob,
  against: CheckedAgainst,
  graph: GraphExport,
  context: JobContext,
): Promise<GraphFindings | null> {
  const { checkpoint, engine } = against;
  const words = wordDifferences(job.path, checkpoint, { ...graph, name: graph.architecture });
  const { inputSize, inputWidth = inputSize, classes } = checkpoint.model;
  const { height, width } = graph.input;
  const fits = height === inputSize && width === inputWidth && graph.count === classes;
  const none = { answers: null, alone: null, latency: [], warnings: [] };
  if (!fits) return { ...none, problems: words.length > 0 ? words : [misfit(graph, checkpoint)] };
  try {
    const runner = await openGraph(engine, graph);
    try {
      return await ran(job, against, { graph, runner }, words, context);
    } finally {
      await runner.dispose();
    }
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code !== 'export.run') throw error;
    return { ...none, problems: [...words, toPlainError(error)] };
  }
}

function misfit(graph: GraphExport, { model }: ReadNetwork) {
  const shape = (sides: number[], classes: number | null): string => `${sides.join(' × ')} px, ${classes ?? '?'}`;
  const { inputSize, inputWidth = inputSize, classes } = model;
  const { height, width } = graph.input;
  const [expected, got] = [shape([inputSize, inputWidth], classes), shape([height, width], graph.count)];
  return toPlainError(
    new StillhouseError('export.facts', { file: basename(graph.path), what: 'input_size', expected, got }),
  );
}

async function ran(
  job: CheckExportJob,
  against: CheckedAgainst,
  { graph, runner }: { graph: GraphExport; runner: GraphRunner },
  words: Judgement['problems'],
  context: JobContext,
): Promise<GraphFindings | null> {
  const { checkpoint, engine } = against;
  const batchSize = Math.min(BATCHES.at(-1)!, job.images);
  const state = engine.newState();
  try {
    setParams(state, PREFIX.model, checkpoint.model.specs, checkpoint.params);
    const { model } = checkpoint;
    const step = await createEvalStep(engine, state, { model, prefix: PREFIX.model, batchSize, frozen: true });
    state.trim(() => true);
    const steps = { checkpoint: decided(step, checkpoint), exported: runner, batchSize };
    const answers = await compareOnImages(job, against, steps, context);
    const single = { ...steps, exported: oneByOne(runner, bytesOfImage(checkpoint.model)) };
    const alone = answers && (await compareOnImages(job, against, single, context));
    step.dispose();
    const latency = alone && (await latencies(runner, checkpoint.model, context));
    if (!latency) return null;
    const judgements = [answers, alone].map((found) => judge(job.path, graph.precision, found));
    const problems = [...words, ...distinct(judgements.flatMap(({ problems }) => problems))];
    const warnings = distinct(judgements.flatMap(({ warnings }) => warnings));
    return { answers, alone, latency, runtime: runner.runtime, problems, warnings };
  } finally {
    state.dispose();
  }
}

/** One of each code: what is wrong in a batch and alone is said once. */
function distinct(errors: Judgement['problems']): Judgement['problems'] {
  return [...new Map(errors.map((error) => [error.code, error])).values()];
}

/** The logits that decide, as the one head of a network. */
function decided(step: EvalStep, { recipe, model }: ReadNetwork): EvalStep {
  return {
    run: async (images) => ({
      head: deciding(recipe.evalHeads, await step.run(images), model.classes),
      headDist: null,
    }),
  };
}

function oneByOne(step: EvalStep, size: number): EvalStep {
  return {
    async run(images) {
      const parts: Float32Array[] = [];
      for (let at = 0; at < images.length; at += size) parts.push((await step.run(images.slice(at, at + size))).head);
      const head = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      parts.forEach((part, at) => head.set(part, at * part.length));
      return { head, headDist: null };
    },
  };
}

async function latencies(runner: GraphRunner, model: Model, context: JobContext): Promise<Latency[] | null> {
  const tell = progressTeller(context, 'latency');
  const measured: Latency[] = [];
  for (const [at, batch] of BATCHES.entries()) {
    tell(at, BATCHES.length);
    const images = greyImages(batch, model);
    const latency = await latencyOfRuns(batch, () => runner.run(images), context.stop);
    if (!latency) return null;
    measured.push(latency);
  }
  return measured;
}
