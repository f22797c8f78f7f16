import type { TimeForecast } from '../../protocol/data-types.ts';
import type { EpochRow, StepRow } from '../../protocol/events.ts';
import { FIELDS, totalEpochs, type Recipe, type RecipeKey } from '../../protocol/recipe.ts';
import { readHistoryEnd } from '../../runs/history.ts';
import { listRuns, type RunFile } from '../../runs/run-folder.ts';

// The batch size changes the speed too, but less: a run with another one still serves.
const COSTLY: readonly RecipeKey[] = FIELDS.filter((field) => field.changesSpeed).map(({ key }) => key);
const OF_TEACHER: readonly RecipeKey[] = ['teacherModel', 'teacherPath'];

/** Says how fast a recipe trains on this machine, as far as it was seen. */
export interface Speed {
  /** Where the teacher is asked for every image. */
  imagesPerSecond: number;
  /** Milliseconds that the teacher takes for a batch; null without one, or where no clock can tell. */
  teacher: number | null;
  /** Of one evaluation; null where none was seen. */
  evaluationSeconds: number | null;
  batchSize: number;
  /** How many processes trained. */
  processes: number;
  /** The run that it was seen in; null when it was measured for the purpose. */
  run: string | null;
  time: number;
}

/** The extent of a training. */
export interface Extent {
  /** 0 while unknown. */
  stepsPerEpoch: number;
  validation: number;
}

/** An image that is only evaluated costs about a third of one that is learned from: no gradient. */
const EVALUATION_GAIN = 3;

/** Estimates the hours of a run from its speed; null while no data say how long an epoch is. */
export function timeForecast(recipe: Recipe, { stepsPerEpoch, validation }: Extent, speed: Speed): TimeForecast | null {
  if (stepsPerEpoch === 0) return null;
  const training = (stepsPerEpoch * recipe.batchSize) / speed.imagesPerSecond;
  const evaluation = speed.evaluationSeconds ?? validation / (EVALUATION_GAIN * speed.imagesPerSecond);
  const secondsPerEpoch = training + evaluation;
  const { imagesPerSecond, batchSize, processes, run, time, teacher } = speed;
  const epochs = totalEpochs(recipe);
  const images = epochs * stepsPerEpoch * recipe.batchSize;
  return {
    ...{ imagesPerSecond, secondsPerEpoch, evaluationSeconds: evaluation, seconds: secondsPerEpoch * epochs },
    teacherSeconds: teacher === null ? null : ((teacher / batchSize) * images) / 1000,
    ...{ batchSize, processes, run, time },
  };
}

/**
 * Finds the speed of the newest run that is alike, preferably with as many processes and the same batch size; null
 * where there was none.
 * @param engine what trains it, as runs name it.
 */
export function speedOfRuns(runsFolder: string, recipe: Recipe, engine: string, processes = 1): Speed | null {
  const like = listRuns(runsFolder).flatMap(({ path, run }) =>
    run && isLike(run, recipe, engine) ? [{ path, run }] : [],
  );
  const others = ({ run }: { run: RunFile }): number =>
    ((run.ranks ?? 1) === processes ? 0 : 2) + (run.recipe.batchSize === recipe.batchSize ? 0 : 1);
  // Sorting keeps the order of time among those that are as near.
  for (const { path, run } of like.sort((one, other) => others(one) - others(other))) {
    const speed = speedOf(path, run, recipe);
    if (speed) return speed;
  }
  return null;
}

function isLike(run: RunFile, recipe: Recipe, engine: string): boolean {
  const keys = recipe.distillationType === 'none' ? COSTLY : [...COSTLY, ...OF_TEACHER];
  return run.engine === engine && keys.every((key) => run.recipe[key] === recipe[key]);
}

/** Rows that the speed is the median of, at most. */
const MOST_ROWS = 51;

function speedOf(path: string, run: RunFile, recipe: Recipe): Speed | null {
  const rows = readHistoryEnd(path, 1 << 18);
  const steps = rows.filter((row): row is StepRow => row.type === 'step').slice(-MOST_ROWS);
  const { batchSize } = run.recipe;
  const speeds = steps.filter((row) => row.imagesPerSecond > 0).map((row) => askedSpeed(row, batchSize));
  if (speeds.length === 0) return null;
  const teachers = steps.flatMap(({ anatomy, saved = 0 }) => anatomy.teacher === undefined ? [] : [anatomy.teacher + saved]); // prettier-ignore
  const epochs = rows.filter((row): row is EpochRow => row.type === 'epoch');
  const evaluationSeconds = run.dataPath === recipe.dataPath ? (epochs.at(-1)?.evaluationSeconds ?? null) : null;
  return {
    imagesPerSecond: median(speeds),
    teacher: teachers.length > 0 ? median(teachers) : null,
    evaluationSeconds,
    batchSize,
    processes: run.ranks ?? 1,
    run: run.id,
    time: steps.at(-1)!.time,
  };
}

/** The images a second of a row, had the teacher been asked for all of them. */
function askedSpeed({ imagesPerSecond, saved = 0 }: StepRow, batchSize: number): number {
  return (1000 * batchSize) / ((1000 * batchSize) / imagesPerSecond + saved);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/**
 * Returns the key under which a measured speed is kept: everything that changes the step or the reading of its images.
 */
export function speedKey(recipe: Recipe, engine: string): string {
  const keys: RecipeKey[] = [...COSTLY, ...OF_TEACHER, 'batchSize', 'microBatch', 'dataPath', 'trainInterpolation'];
  return JSON.stringify([engine, ...keys.map((key) => recipe[key])]);
}
