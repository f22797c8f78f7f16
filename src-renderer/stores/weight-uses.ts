import { defineStore } from 'pinia';
import type { WeightRow } from '../composables/weight-rows.ts';
import { useOverlay } from './overlay.ts';
import { usePhoto } from './photo.ts';
import { useRecipe } from './recipe.ts';
import { useWeights } from './weights.ts';

export type WeightUse = 'teacher' | 'start' | 'evaluate' | 'photo';

/** Lists what can be done with published weights: each leads to the view where it goes on. */
export const useWeightUses = defineStore('weight-uses', () => {
  const weights = useWeights();
  const recipe = useRecipe();
  const overlay = useOverlay();
  const photo = usePhoto();

  /** Fetches a line's weights where they are not here, then uses them. */
  const use = async (row: WeightRow, what: WeightUse): Promise<void> => {
    const path = await weights.ensure(row);
    if (path === null) return;
    const { name, published } = row;
    if (what === 'evaluate') overlay.jump = { to: 'weights-evaluation', path };
    else if (what === 'photo') {
      photo.weights = { name, path };
      overlay.jump = { to: 'photo' };
    } else if (what === 'teacher') recipe.distilFrom({ model: published?.model ?? '', path });
    else recipe.fineTuneFrom({ path, ...(published && { model: published.model, inputSize: published.inputSize }) });
    window.location.hash = what === 'evaluate' || what === 'photo' ? '#/evaluate' : '#/recipe';
  };
  return { use };
});
