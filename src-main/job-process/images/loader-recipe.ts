import type { LoaderRecipe } from '../../data/batches/loader.ts';
import { parseMinmax } from '../../data/augment/mix.ts';
import { erases, WITHOUT_AUGMENTATION, type Recipe } from '../../protocol/recipe.ts';

/** Derives the loader's options of a training from a recipe. @throws StillhouseError `recipe.invalid` */
export function trainingRecipe(recipe: Recipe): LoaderRecipe {
  return {
    ...recipe,
    cutmixMinmax: parseMinmax(recipe.cutmixMinmax),
    reprob: erases(recipe) ? recipe.reprob : 0,
  };
}

/** Derives the loader's options of an evaluation from a recipe; its settings for training do not matter. */
export function evaluationRecipe(recipe: Recipe): LoaderRecipe {
  return { ...recipe, ...WITHOUT_AUGMENTATION, cutmixMinmax: null };
}
