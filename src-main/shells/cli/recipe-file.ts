import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { readRecipeFile } from '../../service/recipe/recipe-file.ts';
import { pathValue, type Option, type Parsed } from './options.ts';

export const RECIPE: Option = {
  flag: 'recipe',
  value: 'FILE',
  help: 'Settings from a YAML or JSON file; flags change them. Keys are the flags, with dashes or underscores.',
};

/**
 * Reads the settings of `--recipe FILE`; paths in it are relative to its folder. Notes say which settings change
 * nothing.
 */
export function recipeFile(parsed: Parsed): { values: Partial<Recipe>; notes: string[] } {
  const path = pathValue(parsed, RECIPE.flag);
  if (path === undefined) return { values: {}, notes: [] };
  const { values, problems, unused } = readRecipeFile(path);
  if (problems.length > 0) {
    const told = problems.map(({ line, error }) => `line ${line}: ${error.message}`).join(' ');
    throw new StillhouseError('recipe.file', { path, problems: told.replace(/\.$/, '') });
  }
  return {
    values,
    notes: unused.map(({ line, key, why }) => `${path}, line ${line}: ${key} changes nothing here: ${why}`),
  };
}
