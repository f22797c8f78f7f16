import { scaledLr, type Recipe } from '../protocol/recipe.ts';

/**
 * The learning rate **used in** an epoch (from 0), constant within it: linear warm-up, then the cosine, as timm
 * 0.3.2 computes it and DeiT steps it. DeiT sets the rate of epoch `e` at the end of that epoch, so epoch `e`
 * runs at the schedule's value for `e - 1`, and the first two epochs both run at the warm-up rate.
 */
export function lrAt(recipe: Recipe, epoch: number): number {
  return cosine(recipe, Math.max(epoch - 1, 0));
}

/** The schedule's value at time `t`, in epochs. Warm-up is part of the cosine's length, not before it. */
function cosine(recipe: Recipe, t: number): number {
  const { warmupEpochs, warmupLr, minLr, epochs } = recipe;
  const base = scaledLr(recipe);
  if (t < warmupEpochs) return warmupLr + t * ((base - warmupLr) / warmupEpochs);
  if (t >= epochs) return minLr;
  return minLr + 0.5 * (base - minLr) * (1 + Math.cos((Math.PI * t) / epochs));
}
