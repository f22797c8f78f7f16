import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { FIELDS, type Recipe } from '../../protocol/recipe.ts';
import { readRecipe } from '../../service/recipe-text.ts';
import { pathValue, type Option, type Parsed } from './options.ts';

export const RECIPE: Option = {
  flag: 'recipe',
  value: 'FILE',
  help: 'Settings from a YAML or JSON file; flags change them. Keys are the flags, with dashes or underscores.',
};

/** The settings of `--recipe FILE`; paths in it are meant from where it lies. Notes say what of it changes nothing. */
export function recipeFile(parsed: Parsed): { values: Partial<Recipe>; notes: string[] } {
  const path = pathValue(parsed, RECIPE.flag);
  if (path === undefined) return { values: {}, notes: [] };
  const { values, problems, unused } = readRecipe(textOf(path));
  if (problems.length > 0) {
    const told = problems.map(({ line, error }) => `line ${line}: ${error.message}`).join(' ');
    throw new StillhouseError('recipe.file', { path, problems: told.replace(/\.$/, '') });
  }
  const paths = FIELDS.filter(({ type, key }) => type === 'path' && values[key]).map(({ key }) => key);
  const absolute = Object.fromEntries(paths.map((key) => [key, resolve(dirname(path), String(values[key]))]));
  return {
    values: { ...values, ...absolute },
    notes: unused.map(({ line, key, why }) => `${path}, line ${line}: ${key} changes nothing here: ${why}`),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new StillhouseError('file.unreadable', { path, reason: (error as Error).message }, { cause: error });
  }
}
