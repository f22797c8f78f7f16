import type { Loader } from '../../data/batches/loader.ts';
import type { Model } from '../../model/model.ts';
import type { Engine } from '../../engines/engine.ts';
import type { State } from '../../engines/engine.ts';
import {
  decideAll,
  evaluationOf,
  scoreBatches,
  type DecideParts,
  type EvaluateParts,
  type Evaluation,
  type ScoredBatch,
} from '../../train/evaluate.ts';
import type { EvalHeads } from '../../train/metrics.ts';
import type { Precision } from '../../trace/narrow.ts';
import { createEvalStep, isFrozen } from '../../train/step.ts';
import { PREFIX } from '../../train/variables.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import type { KeptDecisions } from '../teacher/kept-decisions.ts';
import { teacherAnswers, type OpenTeacher } from '../teacher/teacher.ts';

/** Whom a student is compared with. */
interface ComparedTeacher {
  opened: OpenTeacher;
  /** The validation images as it wants them. */
  loader: Loader;
  /** Stops it from answering them at once, so that nothing of it is held after that; null: when it is first compared. */
  atOnce?: AbortSignal | null;
  /** Of its products; float32 when left out. */
  precision?: Precision;
  /** Opens what it has decided before. */
  kept?: (() => Promise<KeptDecisions>) | null;
}

/** A student to score, and the teacher to compare it with; their parameters are in the state. */
export interface EvaluatorParts {
  engine: Engine;
  state: State;
  student: Model;
  teacher: ComparedTeacher | null;
  /** Whether the state holds a moving average of the student, to be scored beside it. */
  average?: boolean;
  /** Whether the student stays as it is; else it is scored as the state has it each time. */
  frozen?: boolean;
  /** Images of a batch, as the loader makes them. */
  batchSize: number;
  /** The way of deciding, where the student has two heads. */
  heads: EvalHeads;
  loader: Loader;
  context: JobContext;
  /** Keep what student and teacher answer on each image. */
  record?: Pick<EvaluateParts, 'onAnswers'>;
  recordTeacher?: Pick<DecideParts, 'onAnswers'>;
  /** Other processes that score the rest of the images. */
  others?: OtherScorers | null;
}

/** Gathers what other processes have counted in the evaluation under way. */
export interface OtherScorers {
  images(): number;
  /** Waits for all; each process's batches in their order. When stopped, what there is. */
  scored(stop: AbortSignal): Promise<ScoredBatch[][]>;
}

/**
 * Compiles what scores a student on the loader's validation images. It may be called after every epoch; null when it
 * was stopped or there are no images.
 */
export async function createEvaluator(
  parts: EvaluatorParts,
): Promise<(stop: AbortSignal) => Promise<Evaluation | null>> {
  const score = await createScorer(parts);
  return async (stop) => {
    const own: ScoredBatch[] = [];
    for await (const batch of score(stop)) own.push(batch);
    const others = (await parts.others?.scored(stop)) ?? [];
    return stop.aborted ? null : evaluationOf([own, ...others]);
  };
}

/** Compiles what counts on the loader's share of the images, as {@link createEvaluator}. */
export async function createScorer(
  parts: EvaluatorParts,
): Promise<(stop: AbortSignal) => AsyncGenerator<ScoredBatch, void, undefined>> {
  const { engine, state, student, teacher, batchSize, heads, loader, context, frozen } = parts;
  const { classes, inputSize } = student;
  const step = await createEvalStep(engine, state, { model: student, prefix: PREFIX.model, batchSize, frozen });
  const average = parts.average
    ? await createEvalStep(engine, state, { model: student, prefix: PREFIX.ema, batchSize })
    : null;
  const decide = teacher && (await createDecider(parts, teacher));
  if (decide && teacher?.atOnce) await decide(teacher.atOnce);
  return async function* (stop) {
    const decided = decide && (await decide(stop));
    if (stop.aborted) return;
    const tell = progressTeller(context, 'evaluate');
    yield* scoreBatches({
      batches: loader.evalBatches(),
      student: step,
      average,
      teacher: decided,
      classes,
      heads,
      batchBytes: batchSize * inputSize ** 2 * 3,
      stop,
      onProgress: (done) => tell(done + (parts.others?.images() ?? 0), loader.val),
      ...parts.record,
    });
  };
}

/** Computes the teacher's decisions, once: it is frozen, and its validation images are always the same. */
export async function createDecider(
  { engine, state, student, batchSize, context, recordTeacher }: Omit<EvaluatorParts, 'teacher' | 'heads' | 'loader'>,
  { opened, loader, precision, kept }: ComparedTeacher,
): Promise<(stop: AbortSignal) => Promise<Map<string, number> | null>> {
  const answers = await teacherAnswers(opened, { engine, state }, { batchSize, precision });
  let known: Map<string, number> | null = null;
  return async (stop) => {
    if (known) return known;
    const tell = progressTeller(context, 'evaluate-teacher');
    const store = (await kept?.()) ?? null;
    known = await decideAll({
      store,
      batches: loader.evalBatches(),
      answer: (images) => answers.run(images),
      classes: student.classes,
      batchBytes: batchSize * opened.card.inputSize ** 2 * 3,
      stop,
      onProgress: (done) => tell(done, loader.val),
      ...recordTeacher,
    }).finally(() => store?.close());
    if (!known) return null;
    // Its images are not looked at again.
    answers.dispose();
    state.trim(isFrozen);
    await loader.close();
    return known;
  };
}
