import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { Box } from './erase.ts';
import type { Draws } from '../random.ts';

/**
 * Mixup and CutMix: which share of its partner each image of a batch gets. Draws only; the step blends. The partner of
 * image i of B is image B − 1 − i, so B is even.
 */
export interface MixOptions {
  /** Alpha of Mixup's Beta(α, α); 0: no Mixup. */
  mixup: number;
  /** Alpha of CutMix's Beta(α, α); 0: no CutMix. */
  cutmix: number;
  /** Least and most share of each edge that CutMix pastes; replaces its Beta and forces its alpha to 1. */
  cutmixMinmax?: readonly [number, number] | null;
  /** Chance that anything is mixed. */
  mixupProb: number;
  /** Chance of CutMix where both are on. */
  mixupSwitchProb: number;
  /** One draw for the batch, one for each pair of partners, or one for each image. */
  mixupMode: 'batch' | 'pair' | 'elem';
}

/** Says how one image is mixed: with a box, that part comes from the partner; without, own · λ + partner · (1 − λ). */
export interface MixDraw {
  /** The image's own share, also of the label; 1: left alone. */
  lambda: number;
  box: Box | null;
}

const ALONE: MixDraw = { lambda: 1, box: null };

/** Tells whether these options mix anything. */
export function isMixing({ mixup, cutmix, cutmixMinmax }: MixOptions): boolean {
  return mixup > 0 || cutmix > 0 || Boolean(cutmixMinmax);
}

/**
 * Parses the least and most share of an edge in a text such as `0.2 0.8` (a comma will do); null for an empty one.
 * @throws StillhouseError `recipe.invalid` for the key `cutmixMinmax`.
 */
export function parseMinmax(text: string): [number, number] | null {
  if (text.trim() === '') return null;
  const [least, most, ...more] = text
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  if (least >= 0 && least < 1 && most >= least && most <= 1 && more.length === 0) return [least, most];
  throw new StillhouseError('recipe.invalid', {
    key: 'cutmixMinmax',
    expected: reason('value.two-shares'),
    got: text,
  });
}

/**
 * Draws how each image of a batch of `count` images with `size` × `size` pixels is mixed.
 * @throws Error when `count` is odd.
 */
export function drawMix(draws: Draws, count: number, size: number, options: MixOptions): MixDraw[] {
  if (count % 2 !== 0) throw new Error(`drawMix: expected an even number of images, got ${count}`);
  if (!isMixing(options)) return new Array<MixDraw>(count).fill(ALONE);
  const one = (): MixDraw => drawOne(draws, size, options);
  if (options.mixupMode === 'batch') return new Array<MixDraw>(count).fill(one());
  if (options.mixupMode === 'elem') return Array.from({ length: count }, one);
  const half = Array.from({ length: count / 2 }, one);
  return [...half, ...half.slice().reverse()];
}

function drawOne(draws: Draws, size: number, options: MixOptions): MixDraw {
  const { mixup, mixupProb, mixupSwitchProb, cutmixMinmax } = options;
  const cutmix = cutmixMinmax ? 1 : options.cutmix;
  if (draws.uniform() >= mixupProb) return ALONE;
  const cuts = mixup > 0 && cutmix > 0 ? draws.uniform() < mixupSwitchProb : cutmix > 0;
  const lambda = draws.beta(cuts ? cutmix : mixup, cuts ? cutmix : mixup);
  if (lambda === 1) return ALONE;
  if (!cuts) return { lambda, box: null };
  const box = cutmixMinmax ? drawMinmaxBox(draws, size, cutmixMinmax) : drawCutBox(draws, size, lambda);
  return { lambda: 1 - (box.width * box.height) / (size * size), box };
}

/** A box of a share 1 − λ of the area about a random centre, cut off at the edges; an odd side loses a pixel. */
function drawCutBox(draws: Draws, size: number, lambda: number): Box {
  const half = Math.trunc(Math.trunc(size * Math.sqrt(1 - lambda)) / 2);
  const [y, x] = [draws.integer(size), draws.integer(size)];
  const [top, bottom] = [Math.max(0, y - half), Math.min(size, y + half)];
  const [left, right] = [Math.max(0, x - half), Math.min(size, x + half)];
  return { left, top, width: right - left, height: bottom - top };
}

function drawMinmaxBox(draws: Draws, size: number, [least, most]: readonly [number, number]): Box {
  const side = (): number => {
    const low = Math.trunc(size * least);
    return draws.integerBetween(low, Math.max(low, Math.trunc(size * most) - 1));
  };
  const [height, width] = [side(), side()];
  const [top, left] = [draws.integer(size - height), draws.integer(size - width)];
  return { left, top, width, height };
}
