import { existsSync, statSync, type Stats } from 'node:fs';
import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { weightFormatOf } from '../protocol/export-formats.ts';
import type { FoundThing } from '../protocol/system-data.ts';
import { runPath } from '../runs/run-folder.ts';
import { readRecipeFile } from './recipe/recipe-file.ts';

// An index of weights ends like a recipe, so weights come first.
const FILES: readonly (readonly [(path: string) => boolean, FoundThing['kind']])[] = [
  [(path) => weightFormatOf(path) !== null, 'weights'],
  [(path) => /\.(ya?ml|json)$/i.test(path), 'recipe'],
  [(path) => /\.(tar|tar\.gz|tgz)$/i.test(path), 'data'],
];

/**
 * Finds what lies at a path that a person handed to the app, by its name and place; only a recipe is read.
 * @throws StillhouseError `file.missing`, `file.unknown`, `file.unreadable`, `recipe.syntax`.
 */
export function lookAt(path: string): FoundThing {
  const found = statOf(path);
  if (!found) throw new StillhouseError('file.missing', { path });
  if (found.isDirectory()) return { kind: existsSync(runPath(path)) ? 'run' : 'data', path, reading: null };
  const kind = found.isFile() ? FILES.find(([fits]) => fits(path))?.[1] : undefined;
  if (!kind) throw new StillhouseError('file.unknown', { path });
  return { kind, path, reading: kind === 'recipe' ? readRecipeFile(path) : null };
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
}
