import { availableParallelism } from 'node:os';
import { StillhouseError } from '../../protocol/errors.ts';
import { mixes, type Recipe } from '../../protocol/recipe.ts';
import { reason } from '../../protocol/reasons.ts';

/** Shares the threads of this machine out over so many processes on it. */
export function threadsOf(processes: number): number {
  return Math.max(1, Math.floor(availableParallelism() / processes));
}

/**
 * Returns a recipe as one rank's loader has it: a share of each step's images.
 * @throws StillhouseError `recipe.invalid` where the images of a step cannot be shared.
 */
export function shareOfRecipe(recipe: Recipe, size: number): Recipe {
  const { batchSize, teachOnce } = recipe;
  const refuse = (key: string, expected: ReturnType<typeof reason>, got: unknown): never => {
    throw new StillhouseError('recipe.invalid', { key, expected, got: String(got) });
  };
  if (batchSize % size !== 0) refuse('batchSize', reason('value.ranks-batch', { count: size }), batchSize);
  if (mixes(recipe) && (batchSize / size) % 2 !== 0)
    refuse('batchSize', reason('value.ranks-even', { count: size }), batchSize);
  if (teachOnce && size > 1) refuse('teachOnce', reason('value.ranks-once'), teachOnce);
  return size === 1 ? recipe : { ...recipe, batchSize: batchSize / size };
}
