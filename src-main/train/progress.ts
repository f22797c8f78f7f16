import type { DeviceLoad } from '../engines/engine.ts';
import type { StepRow } from '../protocol/events.ts';
import { totalEpochs, type Recipe } from '../protocol/recipe.ts';
import { STEP_TIME_PARTS, type StepTimes } from '../protocol/step-numbers.ts';
import { Mean } from './metrics.ts';
import type { Position } from './position.ts';
import type { StepCost, StepLosses } from './step-types.ts';

/** Milliseconds between two rows: often enough for a live chart, seldom enough for a history of weeks. */
const ROW_INTERVAL = 500;

/** What kept answers of a teacher did for a step; nothing where none are kept. */
type Kept = Pick<StepCost, 'kept' | 'saved'>;

/** Turns steps into history rows and knows how long the rest will take. */
export interface ProgressMeter {
  /** Takes in one finished step; gives a row when the last is half a second old or the epoch ends, else null. */
  step(position: Position, lr: number, losses: StepLosses, took: StepTimes & Kept): StepRow | null;
  /** Runs an evaluation, tells what it took and remembers that for the forecast. */
  evaluation<Result>(run: () => Promise<Result>): Promise<{ result: Result; seconds: number }>;
}

/** Makes a meter for the share of a run that one process does. */
export function progressMeter(
  recipe: Recipe,
  stepsPerEpoch: number,
  load: () => DeviceLoad = () => ({}),
): ProgressMeter {
  const forecast = { step: new Recent(), evaluation: 0 };
  let window = newWindow();
  let rowAt = performance.now();
  let steps = 0;
  return {
    step: (position, lr, losses, took) => {
      addTo(window, losses, took);
      // The first step compiles the program and says nothing about the others.
      if (steps++ > 0) forecast.step.add(wholeOf(took));
      const epochEnds = position.batch >= stepsPerEpoch;
      if (steps > 1 && !epochEnds && performance.now() - rowAt < ROW_INTERVAL) return null;
      const row = { ...rowOf(window, recipe, stepsPerEpoch, position, lr), ...load() };
      row.secondsLeft = secondsLeft(forecast, recipe, stepsPerEpoch, position, row.imagesPerSecond);
      window = newWindow();
      rowAt = performance.now();
      return row;
    },
    evaluation: async (run) => {
      const started = performance.now();
      const result = await run();
      forecast.evaluation = performance.now() - started;
      return { result, seconds: forecast.evaluation / 1000 };
    },
  };
}

function wholeOf(took: StepTimes): number {
  return STEP_TIME_PARTS.reduce((sum, part) => sum + (took[part] ?? 0), 0);
}

interface Window extends Record<keyof StepTimes, Mean> {
  loss: Mean;
  lossClass: Mean;
  lossDistillation: Mean;
  kept: Mean;
  saved: Mean;
}

const newWindow = (): Window => ({
  loss: new Mean(),
  lossClass: new Mean(),
  lossDistillation: new Mean(),
  dataWait: new Mean(),
  feed: new Mean(),
  step: new Mean(),
  teacher: new Mean(),
  kept: new Mean(),
  saved: new Mean(),
});

function addTo(window: Window, losses: StepLosses, took: StepTimes & Kept): void {
  window.loss.add(losses.loss);
  window.lossClass.add(losses.lossClass);
  if (losses.lossDistillation !== null) window.lossDistillation.add(losses.lossDistillation);
  if (took.kept !== undefined) window.kept.add(took.kept);
  if (took.saved !== undefined) window.saved.add(took.saved);
  for (const part of STEP_TIME_PARTS) if (took[part] !== undefined) window[part].add(took[part]);
}

function rowOf(window: Window, recipe: Recipe, stepsPerEpoch: number, position: Position, lr: number): StepRow {
  const { dataWait, feed, step, teacher } = window;
  const taught = teacher.count > 0 ? { teacher: teacher.value } : {};
  const anatomy: StepTimes = { dataWait: dataWait.value, feed: feed.value, step: step.value, ...taught };
  return {
    type: 'step',
    time: Date.now(),
    epoch: position.epoch,
    step: position.step,
    stepsPerEpoch,
    loss: window.loss.value,
    lossClass: window.lossClass.value,
    lossDistillation: window.lossDistillation.count > 0 ? window.lossDistillation.value : null,
    lr,
    imagesPerSecond: (1000 * recipe.batchSize) / Math.max(wholeOf(anatomy), 1e-3),
    secondsLeft: 0,
    ...(window.kept.count > 0 && { kept: window.kept.value, saved: window.saved.value }),
    memory: process.memoryUsage.rss(),
    anatomy,
  };
}

function secondsLeft(
  forecast: { step: Recent; evaluation: number },
  recipe: Recipe,
  stepsPerEpoch: number,
  position: Position,
  imagesPerSecond: number,
): number {
  const epochs = totalEpochs(recipe) - position.epoch;
  const steps = epochs * stepsPerEpoch - position.batch;
  const perStep = forecast.step.value ?? (1000 * recipe.batchSize) / imagesPerSecond;
  return (steps * perStep + epochs * forecast.evaluation) / 1000;
}

/** A mean that forgets: the last value weighs a twentieth once there are many. */
class Recent {
  value: number | null = null;
  #count = 0;

  add(value: number): void {
    const share = 1 / Math.min(++this.#count, 20);
    this.value = this.value === null ? value : this.value + share * (value - this.value);
  }
}
