import type { StillhouseError } from '../protocol/errors.ts';
import type { EpochRow, HistoryRow } from '../protocol/events.ts';
import { totalEpochs, type Recipe } from '../protocol/recipe.ts';
import type { DeviceLoad } from '../engines/engine.ts';
import type { Evaluation } from './evaluate.ts';
import { nextEpoch, type Position } from './position.ts';
import { progressMeter, type ProgressMeter } from './progress.ts';
import { lrAt, meanLr } from './schedule.ts';
import { StepQueue, isBad, type DoneStep } from './step-queue.ts';
import type { StepLosses, TrainBatch, TrainStep } from './step-types.ts';

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
  /** What the accelerators do, where they tell. */
  load?(): DeviceLoad;
  onSpan?(span: LoopSpan): void;
  /**
   * Called before each step, with the position of the steps that were taken; returns when the step may be made or `stop`
   * says not. What has been begun beyond the position is taken by `settle`: nothing reads the state before.
   */
  between?(position: Position, settle: () => Promise<void>): Promise<void>;
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
  const progress = progressMeter(recipe, parts.stepsPerEpoch, parts.load);
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
  const queue = new StepQueue(parts.step, (done) => taken(parts, position, progress, done));
  const failed = (error: unknown) => savedWhereGood(parts, position, queue, error);
  const settle = () => queue.settle().catch(failed);
  try {
    while (position.batch + queue.begun < stepsPerEpoch && !parts.stop.aborted) {
      await parts.between?.(position, settle);
      if (parts.stop.aborted) break;
      const asked = performance.now();
      const batch = await nextBatch(batches, parts.stop).catch((error: unknown) =>
        savedFirst(parts, position, queue, error),
      );
      if (!batch) break;
      const lr = lrAt(recipe, epoch, { batch: position.batch + queue.begun, stepsPerEpoch, scores });
      await queue.begin(batch, { lr, step: position.step + queue.begun + 1 }, asked).catch(failed);
    }
    await settle();
  } finally {
    // Not awaited: an image that is slow to decode must not delay a stop.
    batches.return?.().catch(() => undefined);
  }
}

/** Moves `position` past a step, and tells of it. @throws what `nonFinite` makes of a bad one */
async function taken(parts: LoopParts, position: Position, progress: ProgressMeter, done: DoneStep): Promise<void> {
  const { batch, lr, losses, wait, computing, times } = done;
  if (isBad(losses)) throw await parts.nonFinite({ position, batch, lr, losses });
  position.step++;
  position.batch++;
  position.lossSum += losses.loss;
  parts.onSpan?.({ name: 'data wait', ...wait, step: position.step });
  parts.onSpan?.({ name: 'step', ...computing, step: position.step });
  const row = progress.step(position, lr, losses, times);
  if (row) parts.emit(row);
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
async function savedFirst(parts: LoopParts, position: Position, queue: StepQueue, error: unknown): Promise<never> {
  await queue.settle().then(() => parts.save(position)).catch(() => undefined); // prettier-ignore
  throw error;
}

/** Saves where the state of a step that failed is known to be good. */
async function savedWhereGood(parts: LoopParts, position: Position, queue: StepQueue, error: unknown): Promise<never> {
  if (parts.leavesState?.(error)) return savedFirst(parts, position, queue, error);
  throw error;
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
