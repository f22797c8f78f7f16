import type { LoaderRecipe } from '../../data/batches/loader.ts';
import { parseMinmax } from '../../data/augment/mix.ts';
import { erases, WITHOUT_AUGMENTATION, type Recipe } from '../../protocol/recipe.ts';

/** What a recipe means to the loader of a training. @throws StillhouseError `recipe.invalid` */
export function trainingRecipe(recipe: Recipe): LoaderRecipe {
  return {
    ...recipe,
    cutmixMinmax: parseMinmax(recipe.cutmixMinmax),
    reprob: erases(recipe) ? recipe.reprob : 0,
  };
}

/** What a recipe means to a loader that only evaluates: how it would train must not matter. */
export function evaluationRecipe(recipe: Recipe): LoaderRecipe {
  return { ...recipe, ...WITHOUT_AUGMENTATION, cutmixMinmax: null };
}
