import type { StillhouseError } from '../protocol/errors.ts';
import type { EpochRow, HistoryRow } from '../protocol/events.ts';
import type { StepTimes } from '../protocol/step-numbers.ts';
import { totalEpochs, type Recipe } from '../protocol/recipe.ts';
import type { Evaluation } from './evaluate.ts';
import { nextEpoch, type Position } from './position.ts';
import { progressMeter, type ProgressMeter } from './progress.ts';
import { lrAt, meanLr } from './schedule.ts';
import type { StepCost, StepLosses, TrainBatch, TrainStep } from './step-types.ts';

/** A step whose loss or gradients were not finite; the state is as it was before. */
export interface BadStep {
  /** Before the step. */
  position: Position;
  batch: TrainBatch;
  lr: number;
  losses: StepLosses;
}

/** One activity of the loop and its duration; times are those of `performance.now()`. */
export interface LoopSpan {
  name: 'data wait' | 'step' | 'evaluation' | 'checkpoint';
  start: number;
  end: number;
  /** Optimizer steps made by its end. */
  step: number;
}

/** A checkpoint that was just written. */
export interface Saved {
  /** Adds the scores of its epoch to it. */
  amend(row: EpochRow): Promise<void>;
}

/** Everything the loop needs from others; it knows neither files nor processes. */
export interface LoopParts {
  recipe: Recipe;
  stepsPerEpoch: number;
  /** Trainable numbers of the model, for the epoch's row. */
  parameters: number;
  position: Position;
  /** The batches of an epoch from the given one on, always in the same order. */
  batches(epoch: number, from: number): AsyncIterable<TrainBatch>;
  step: TrainStep;
  /** null when it was stopped or there is nothing to evaluate on. */
  evaluate(stop: AbortSignal): Promise<Evaluation | null>;
  save(position: Position): Promise<Saved>;
  /** Keeps the state and what is known of a step that failed. @returns what the run ends with. */
  nonFinite(bad: BadStep): Promise<StillhouseError>;
  /** Tells whether a step that failed so has left the state as it was; it is saved then. */
  leavesState?(error: unknown): boolean;
  emit(row: HistoryRow): void;
  onSpan?(span: LoopSpan): void;
  /** Called before each step, with the position as it then is; returns when the step may be made or `stop` says not. */
  between?(position: Position): Promise<void>;
  /** Milliseconds that the run has stood still. */
  held?(): number;
  /** A request to stop, honoured between two steps or two evaluation batches. */
  stop: AbortSignal;
}

/**
 * Trains to the end of the recipe or until stopped; a stopped run is saved where it stands.
 * @throws what `nonFinite` makes of a step whose loss or gradients are not finite.
 */
export async function runLoop(parts: LoopParts): Promise<'finished' | 'stopped'> {
  const { recipe, stop } = parts;
  const progress = progressMeter(recipe, parts.stepsPerEpoch);
  const epochs = totalEpochs(recipe);
  for (let position = firstPosition(parts); position.epoch < epochs;) {
    const started = Date.now() - (parts.held?.() ?? 0);
    await trainEpoch(parts, position, progress);
    const last = position.epoch + 1 >= epochs;
    const due = last || (position.epoch + 1) % recipe.saveEvery === 0;
    // Saved before it is evaluated, so that a crash in between costs the score and not the epoch.
    const save = () => timed(parts, 'checkpoint', position, () => parts.save(position));
    const saved = due || stop.aborted ? await save() : null;
    if (stop.aborted) return 'stopped';
    const evaluate = () => progress.evaluation(() => parts.evaluate(stop));
    const { result, seconds } = await timed(parts, 'evaluation', position, evaluate);
    const row = result && epochRow(parts, position, result, started, seconds);
    if (row) parts.emit(row);
    const kept = saved ?? (stop.aborted ? await save() : null);
    if (row) await kept?.amend(row);
    if (stop.aborted && !(row && last)) return 'stopped';
    position = nextEpoch(position, row?.test.acc1);
  }
  return 'finished';
}

/** Where the loop begins; a schedule that goes by scores has them from now on. */
function firstPosition({ recipe, position }: LoopParts): Position {
  if (recipe.sched !== 'plateau') return { ...position };
  return { scores: Array.from({ length: position.epoch }, () => null), ...position };
}

/** Runs the rest of one epoch's steps and moves `position` along; ends early when stopped. */
async function trainEpoch(parts: LoopParts, position: Position, progress: ProgressMeter): Promise<void> {
  const { recipe, stepsPerEpoch } = parts;
  const { epoch, scores = [] } = position;
  const batches = parts.batches(position.epoch, position.batch)[Symbol.asyncIterator]();
  try {
    while (position.batch < stepsPerEpoch && !parts.stop.aborted) {
      await parts.between?.(position);
      if (parts.stop.aborted) break;
      const asked = performance.now();
      const batch = await nextBatch(batches, parts.stop).catch((error: unknown) => savedFirst(parts, position, error));
      if (!batch) break;
      const lr = lrAt(recipe, epoch, { batch: position.batch, stepsPerEpoch, scores });
      const got = performance.now();
      const losses = await parts.step
        .run(batch, { lr, step: position.step + 1 })
        .catch((error: unknown) => savedWhereGood(parts, position, error));
      const done = performance.now();
      if (!Number.isFinite(losses.loss) || losses.overflow)
        throw await parts.nonFinite({ position, batch, lr, losses });
      position.step++;
      position.batch++;
      position.lossSum += losses.loss;
      parts.onSpan?.({ name: 'data wait', start: asked, end: got, step: position.step });
      parts.onSpan?.({ name: 'step', start: got, end: done, step: position.step });
      const row = progress.step(position, lr, losses, stepTimesOf(got - asked, done - got, losses.took));
      if (row) parts.emit(row);
    }
  } finally {
    // Not awaited: an image that is slow to decode must not delay a stop.
    batches.return?.().catch(() => undefined);
  }
}

// The wait for data ends at once when the run is stopped.
async function nextBatch(batches: AsyncIterator<TrainBatch>, stop: AbortSignal): Promise<TrainBatch | null> {
  let onAbort = (): void => undefined;
  const stopped = new Promise<null>((resolve) => {
    onAbort = () => resolve(null);
    stop.addEventListener('abort', onAbort, { once: true });
  });
  const next = batches.next().then((result) => (result.done ? null : result.value));
  return Promise.race([next, stopped]).finally(() => stop.removeEventListener('abort', onAbort));
}

// Data that fail leave the state good: it is kept, and the first error is the one that counts.
async function savedFirst(parts: LoopParts, position: Position, error: unknown): Promise<never> {
  await parts.save(position).catch(() => undefined);
  throw error;
}

async function savedWhereGood(parts: LoopParts, position: Position, error: unknown): Promise<never> {
  if (parts.leavesState?.(error)) return savedFirst(parts, position, error);
  throw error;
}

/** The whole time of a step, split. What was measured apart from it cannot be more than it. */
function stepTimesOf(
  dataWait: number,
  whole: number,
  took: StepCost | undefined,
): StepTimes & Pick<StepCost, 'kept' | 'saved'> {
  const feed = Math.min(took?.feed ?? 0, whole);
  const teacher = took?.teacher === undefined ? {} : { teacher: Math.min(took.teacher, whole - feed) };
  const kept = took?.kept === undefined ? {} : { kept: took.kept, saved: took.saved };
  return { dataWait, feed, step: whole - feed - (teacher.teacher ?? 0), ...teacher, ...kept };
}

async function timed<Result>(
  { onSpan }: LoopParts,
  name: LoopSpan['name'],
  { step }: Position,
  body: () => Promise<Result>,
): Promise<Result> {
  const start = performance.now();
  try {
    return await body();
  } finally {
    onSpan?.({ name, start, end: performance.now(), step });
  }
}

function epochRow(
  parts: LoopParts,
  position: Position,
  evaluation: Evaluation,
  started: number,
  evaluationSeconds: number,
): EpochRow {
  const { recipe, stepsPerEpoch } = parts;
  const { epoch, scores = [] } = position;
  return {
    type: 'epoch',
    time: Date.now(),
    epoch,
    step: position.step,
    trainLoss: position.lossSum / Math.max(position.batch, 1),
    trainLr: meanLr(recipe, epoch, { stepsPerEpoch, scores }),
    ...evaluation,
    parameters: parts.parameters,
    seconds: (Date.now() - (parts.held?.() ?? 0) - started) / 1000,
    evaluationSeconds,
  };
}
