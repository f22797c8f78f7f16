import type { Recipe } from '../protocol/recipe.ts';
import { adamwOptimizer } from './adamw.ts';
import { lambOptimizer } from './lamb.ts';
import type { Optimizer } from './optimizer-types.ts';
import { sgdOptimizer } from './sgd.ts';

/** Makes the optimizer of a recipe. */
export function optimizerOf(recipe: Recipe): Optimizer {
  switch (recipe.opt) {
    case 'adamw':
      return adamwOptimizer(recipe);
    case 'sgd':
    case 'momentum':
      return sgdOptimizer(recipe);
    case 'lamb':
      return lambOptimizer(recipe);
  }
}
