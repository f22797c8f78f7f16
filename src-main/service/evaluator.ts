import { createHash } from 'node:crypto';
import type { Loader } from '../data/loader.ts';
import type { Model } from '../model/model.ts';
import type { Engine } from '../runtime/engine.ts';
import type { State } from '../trace/state.ts';
import { deciderOf, evaluate, type Evaluation } from '../train/evaluate.ts';
import type { EvalHeads } from '../train/metrics.ts';
import { createEvalStep } from '../train/step.ts';
import { PREFIX } from '../train/variables.ts';
import { progressTeller, type JobContext } from './job-context.ts';

/** A student to score, and the teacher to compare it with; their parameters are in the state. */
export interface EvaluatorParts {
  engine: Engine;
  state: State;
  student: Model;
  teacher: Model | null;
  /** Pictures of a batch, as the loader makes them. */
  batchSize: number;
  /** What decides, where the student has two heads. */
  heads: EvalHeads;
  loader: Loader;
  context: JobContext;
}

/**
 * Compiles what scores a student on the loader's validation pictures. It may be called after every epoch; null when it
 * was stopped or there are no pictures.
 */
export async function createEvaluator(
  parts: EvaluatorParts,
): Promise<(stop: AbortSignal) => Promise<Evaluation | null>> {
  const { engine, state, student, teacher, batchSize, heads, loader, context } = parts;
  const { classes, inputSize } = student;
  const step = await createEvalStep(engine, state, { model: student, prefix: PREFIX.model, batchSize });
  const asked = teacher && (await createEvalStep(engine, state, { model: teacher, prefix: PREFIX.teacher, batchSize }));
  const decide = asked && deciderOf(asked, classes, digest);
  return (stop) => {
    const tell = progressTeller(context, 'evaluate');
    return evaluate({
      batches: loader.evalBatches(),
      student: step,
      teacher: decide,
      classes,
      heads,
      batchBytes: batchSize * inputSize ** 2 * 3,
      stop,
      onProgress: (done) => tell(done, loader.val),
    });
  };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64');
}
