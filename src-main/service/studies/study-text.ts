import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { FIELDS, flagOf, type RecipeKey } from '../../protocol/recipe.ts';
import { parseStudy, type StudySpec, type Variant } from '../../protocol/study.ts';
import { readRecipe } from '../recipe/recipe-text.ts';

/**
 * A study as a file for people: YAML or JSON with `name`, `base`, `variants`, `then` and `seeds`. Settings are written as
 * in a recipe file, under the names of DeiT.
 */

const MOST_BYTES = 1 << 20;

const HEAD = '# A study of Stillhouse: stillhouse study run FILE. The first variant is the control.';

/** Writes a study as YAML. */
export function writeStudyText({ name, template, base, variants, then, seeds, measure }: StudySpec): string {
  const part = ({ name: own, changes }: Variant) => ({ name: own, changes: named(changes) });
  const whole = {
    name,
    ...(template && { template }),
    ...{ seeds, base: named(base), variants: variants.map(part) },
    ...(then.length > 0 && { then: then.map(part) }),
    ...(measure.length > 0 && { measure }),
  };
  return `${HEAD}\n${stringify(whole, { lineWidth: 0 })}`;
}

function named(changes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(changes).map(([key, value]) => [flagOf(key as RecipeKey).replace(/-/g, '_'), value]),
  );
}

/**
 * Reads a study from a file; paths in it are relative to its folder.
 * @throws StillhouseError `file.unreadable`, `recipe.file`, and as {@link parseStudy}.
 */
export function readStudyFile(path: string): StudySpec {
  return readStudyText(textOf(path), path);
}

/** Reads a study from text; `path` names it in errors, and its folder is what paths are relative to. Throws as {@link readStudyFile}. */
export function readStudyText(text: string, path: string): StudySpec {
  const given = parsed(text, path);
  const settings = (of: unknown, where: string): Record<string, unknown> => {
    if (of === undefined || of === null || (typeof of === 'object' && Object.keys(of).length === 0)) return {};
    const { values, problems } = readRecipe(stringify(of));
    if (problems.length > 0) {
      const words = problems.map(({ error }) => error.message.replace(/\.$/, '')).join('; ');
      throw new StillhouseError('recipe.file', { path, problems: `${where}: ${words}` });
    }
    return absolutePaths(values, dirname(path));
  };
  const parts = (list: unknown, where: string): unknown =>
    Array.isArray(list)
      ? (list as unknown[]).map((one, at) => {
          const { changes, ...more } = Object(one) as Record<string, unknown>;
          return { ...more, changes: settings(changes, `${where}[${at}]`) };
        })
      : list;
  const { base, variants, then, ...more } = given;
  return parseStudy({
    ...more,
    ...{ base: settings(base, 'base'), variants: parts(variants, 'variants') },
    ...(then !== undefined && { then: parts(then, 'then') }),
  });
}

function parsed(text: string, path: string): Record<string, unknown> {
  try {
    const whole: unknown = parse(text);
    if (typeof whole === 'object' && whole !== null && !Array.isArray(whole)) return whole as Record<string, unknown>;
  } catch (error) {
    throw new StillhouseError('recipe.file', { path, problems: String((error as Error).message).split('\n')[0] });
  }
  throw new StillhouseError('recipe.file', { path, problems: reason('recipe.no-settings') });
}

function absolutePaths(values: Record<string, unknown>, folder: string): Record<string, unknown> {
  if (folder === '.') return values;
  const paths = FIELDS.filter(({ type, key }) => type === 'path' && values[key]).map(({ key }) => key);
  return { ...values, ...Object.fromEntries(paths.map((key) => [key, resolve(folder, String(values[key]))])) };
}

function textOf(path: string): string {
  try {
    if (statSync(path).size > MOST_BYTES) throw new ReasonError(reason('file.too-large'));
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
}
