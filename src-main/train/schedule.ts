import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { scaledLr, type Recipe } from '../protocol/recipe.ts';
import { torchNormals } from './torch-normal.ts';

/** Says where in a run a rate is asked for. */
export interface SchedulePlace {
  /** Steps of the epoch that are done. */
  batch: number;
  stepsPerEpoch: number;
  /** Acc@1 of each finished epoch, null where nothing was evaluated: what plateau goes by. */
  scores: readonly (number | null)[];
}

const START: SchedulePlace = { batch: 0, stepsPerEpoch: 1, scores: [] };

/**
 * Computes the learning rate that is **used in** a step of an epoch (from 0): linear warm-up, then the schedule, as
 * timm does.
 * - By epoch, as DeiT steps it: the rate of epoch `e` is set when the epoch before ends, so epoch `e` runs at the
 * schedule's value for `e - 1`, and the first two epochs both run at the warm-up rate.
 * - By step, as timm's train.py does: step `n` (from 0) runs at the schedule's value for `n`.
 * - Plateau, as timm's train.py steps it, since DeiT gives it no score: epoch `e` follows the score of `e - 1`.
 */
export function lrAt(recipe: Recipe, epoch: number, place: SchedulePlace = START): number {
  if (recipe.sched === 'plateau') return plateau(recipe, epoch, place.scores);
  const unit = recipe.schedOnUpdates ? place.stepsPerEpoch : 1;
  const time = recipe.schedOnUpdates ? epoch * unit + place.batch : epoch - 1;
  const started = recipe.schedOnUpdates ? time > 0 : epoch > 0;
  return started ? shaken(recipe, valueAt(recipe, time, unit), time, unit) : firstLr(recipe);
}

/** Computes the mean rate over the steps of an epoch, as DeiT's log.txt reports it. */
export function meanLr(recipe: Recipe, epoch: number, place: Omit<SchedulePlace, 'batch'>): number {
  if (recipe.sched === 'plateau' || !recipe.schedOnUpdates) return lrAt(recipe, epoch, { ...place, batch: 0 });
  let sum = 0;
  for (let batch = 0; batch < place.stepsPerEpoch; batch++) sum += lrAt(recipe, epoch, { ...place, batch });
  return sum / place.stepsPerEpoch;
}

/** The rate before the schedule was asked for the first time. */
function firstLr(recipe: Recipe): number {
  return recipe.warmupEpochs > 0 ? recipe.warmupLr : scaledLr(recipe);
}

/** The value at time `t`, of which `unit` make an epoch. Warm-up is part of the length, not before it. */
function valueAt(recipe: Recipe, t: number, unit: number): number {
  const { warmupLr, warmupEpochs } = recipe;
  const warmup = warmupEpochs * unit;
  if (t >= warmup) return fallen(recipe, t, unit);
  const target = recipe.sched === 'tanh' ? fallen(recipe, warmup, unit) : scaledLr(recipe);
  return warmupLr + t * ((target - warmupLr) / warmup);
}

/** The schedule without its warm-up. */
function fallen(recipe: Recipe, t: number, unit: number): number {
  const { sched, minLr, epochs, decayEpochs, decayRate } = recipe;
  const base = scaledLr(recipe);
  if (sched === 'step') return base * decayRate ** Math.floor(t / (decayEpochs * unit));
  const length = epochs * unit;
  if (t >= length) return minLr;
  const share = t / length;
  const kept = sched === 'tanh' ? 1 - Math.tanh(-7 * (1 - share) + 3 * share) : 1 + Math.cos((Math.PI * t) / length);
  return minLr + 0.5 * (base - minLr) * kept;
}

/** The rate with its noise, where the recipe asks for some. */
function shaken(recipe: Recipe, lr: number, t: number, unit: number): number {
  const range = parseLrNoise(recipe.lrNoise);
  if (!range) return lr;
  const [from, to] = [range[0], range[1] ?? Infinity].map((share) => share * recipe.epochs * unit);
  return t >= from && t < to ? lr + lr * noiseAt(recipe, t) : lr;
}

/**
 * Parses where in a run the learning rate is shaken, as shares of the epochs: from, or from and to; null for nowhere.
 * @throws StillhouseError `recipe.invalid`
 */
export function parseLrNoise(text: string): [number] | [number, number] | null {
  const shares = text.trim().split(/[\s,]+/).filter(Boolean).map(Number); // prettier-ignore
  if (shares.length === 0) return null;
  const [from, to = 1] = shares;
  if (shares.length <= 2 && from >= 0 && from < to && to <= 1) return shares as [number] | [number, number];
  const expected = reason('value.rates');
  throw new StillhouseError('recipe.invalid', { key: 'lrNoise', expected, got: JSON.stringify(text) });
}

function noiseAt({ seed, lrNoisePct, lrNoiseStd }: Recipe, t: number): number {
  const normal = torchNormals(seed + t);
  for (;;) {
    const noise = normal() * lrNoiseStd;
    if (Math.abs(noise) < lrNoisePct) return noise;
  }
}

/** A score must beat the best by this share of it, and a fall be larger than this, as in torch. */
const [THRESHOLD, SMALLEST_FALL] = [1e-4, 1e-8];

function plateau(recipe: Recipe, epoch: number, scores: readonly (number | null)[]): number {
  const { warmupEpochs, warmupLr, minLr, decayRate, patienceEpochs } = recipe;
  let lr = scaledLr(recipe);
  if (epoch === 0) return firstLr(recipe);
  if (epoch <= warmupEpochs) return warmupLr + epoch * ((lr - warmupLr) / warmupEpochs);
  let [best, bad] = [-Infinity, 0];
  for (const score of scores.slice(warmupEpochs, epoch)) {
    if (score === null) continue;
    const better = score > best * (1 + THRESHOLD);
    if (better) best = score;
    bad = better ? 0 : bad + 1;
    if (bad <= patienceEpochs) continue;
    const next = Math.max(lr * decayRate, minLr);
    if (lr - next > SMALLEST_FALL) lr = next;
    bad = 0;
  }
  return shaken(recipe, lr, epoch, 1);
}
