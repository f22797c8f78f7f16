import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RecipeReading } from '../../protocol/data-types.ts';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { FIELDS } from '../../protocol/recipe.ts';
import { readRecipe } from './recipe-text.ts';

const MOST_BYTES = 256 * 1024;

/**
 * Reads a recipe file; paths in it are relative to its folder.
 * @throws StillhouseError `file.unreadable`, `recipe.syntax`.
 */
export function readRecipeFile(path: string): RecipeReading {
  const reading = readRecipe(textOf(path));
  const paths = FIELDS.filter(({ type, key }) => type === 'path' && reading.values[key]).map(({ key }) => key);
  const absolute = Object.fromEntries(paths.map((key) => [key, resolve(dirname(path), String(reading.values[key]))]));
  return { ...reading, values: { ...reading.values, ...absolute } };
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > MOST_BYTES) throw new ReasonError(reason('file.over-256-kib'));
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
}
