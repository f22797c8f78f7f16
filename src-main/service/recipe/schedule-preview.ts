import type { LrSchedule } from '../../protocol/data-types.ts';
import { totalEpochs, type Recipe } from '../../protocol/recipe.ts';
import { lrAt } from '../../train/schedule.ts';

/** Most points of a curve by step: more than a plot has pixels. */
const MOST_POINTS = 2000;

/** Steps of an epoch while no data say how many. */
const ASSUMED_STEPS = 100;

/**
 * Computes the learning rate over a whole run, by the function that training uses. A rate by epoch is a stair: each
 * epoch has a point at its beginning and at its end. Plateau assumes a run whose scores never stop growing.
 */
export function lrSchedule(recipe: Recipe, stepsPerEpoch: number): LrSchedule {
  const end = totalEpochs(recipe);
  const byStep = recipe.schedOnUpdates && recipe.sched !== 'plateau';
  const points = byStep ? stepPoints(recipe, end, stepsPerEpoch || ASSUMED_STEPS) : epochPoints(recipe, end);
  return {
    epochs: points.map(([epoch]) => epoch),
    rates: points.map(([, rate]) => rate),
    warmupEnd: recipe.warmupEpochs > 0 ? Math.min(end, recipe.warmupEpochs + (byStep ? 0 : 1)) : null,
    cooldownStart: end > recipe.epochs ? recipe.epochs : null,
    end,
    peak: points.reduce((most, [, rate]) => Math.max(most, rate), 0),
    last: points.at(-1)?.[1] ?? 0,
    byStep,
  };
}

type Point = [epoch: number, rate: number];

function epochPoints(recipe: Recipe, end: number): Point[] {
  const every = Math.ceil(end / MOST_POINTS);
  const points: Point[] = [];
  for (let epoch = 0; epoch < end; epoch += every) {
    const rate = lrAt(recipe, epoch);
    points.push([epoch, rate], [Math.min(end, epoch + every), rate]);
  }
  return points;
}

function stepPoints(recipe: Recipe, end: number, stepsPerEpoch: number): Point[] {
  const steps = end * stepsPerEpoch;
  const every = Math.max(1, Math.ceil(steps / MOST_POINTS));
  const points: Point[] = [];
  for (let step = 0; step < steps; step += every) {
    const epoch = Math.floor(step / stepsPerEpoch);
    const place = { batch: step % stepsPerEpoch, stepsPerEpoch, scores: [] };
    points.push([step / stepsPerEpoch, lrAt(recipe, epoch, place)]);
  }
  return points;
}
