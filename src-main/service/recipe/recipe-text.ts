import { LineCounter, parseDocument, isMap, isScalar, isSeq, stringify, type Node, type YAMLMap } from 'yaml';
import { withDeitReading } from '../../protocol/data-reading.ts';
import type { RecipeReading } from '../../protocol/data-types.ts';
import { DEIT_FLAGS, deitFlagOf } from '../../protocol/deit-flags.ts';
import { StillhouseError, toPlainError, type ErrorCode, type ErrorParams } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { PRESETS } from '../../protocol/presets.ts';
import {
  checkField,
  defaultRecipe,
  FIELDS,
  flagOf,
  type Field,
  type Recipe,
  type RecipeKey,
} from '../../protocol/recipe.ts';

/**
 * A recipe as a file for people: YAML with a word on each setting, or JSON. Keys are DeiT's names with underscores,
 * as in its own arguments and timm's args.yaml; reading takes dashes and our own names too.
 */

export type RecipeFormat = 'yaml' | 'json';

/** Writes the settings that differ from the defaults, or all, as text. */
export function writeRecipe(recipe: Recipe, format: RecipeFormat, all = false): string {
  const shown = FIELDS.filter(({ key, default: initial }) => all || recipe[key] !== initial);
  if (format === 'json')
    return `${JSON.stringify(Object.fromEntries(shown.map(({ key }) => [nameOf(key), recipe[key]])), null, 2)}\n`;
  const groups = [...new Set(shown.map(({ group }) => group))];
  const parts = groups.map((group) => {
    const lines = shown.filter((field) => field.group === group).map((field) => yamlLine(field, recipe[field.key]));
    return [`# ${group}`, ...lines].join('\n');
  });
  return `${[HEAD + (all ? '' : ' Settings that are not named have their defaults.'), ...parts].join('\n\n')}\n`;
}

const HEAD = '# A recipe of Stillhouse: stillhouse train --recipe FILE.';

function yamlLine(field: Field, value: unknown): string {
  const unit = field.unit ? `${field.unit}. ` : '';
  const initial = field.default === '' ? 'empty' : String(field.default);
  return `${stringify({ [nameOf(field.key)]: value }, { lineWidth: 0 }).trimEnd()} # ${unit}${field.help} Default: ${initial}.`;
}

function nameOf(key: RecipeKey): string {
  return flagOf(key).replace(/-/g, '_');
}

/**
 * Reads the settings in a text, and lists its problems by line. A recipe may be the whole text or its `recipe`, as in a
 * run.json; `preset` names settings to start from. DeiT's printed `Namespace(…)` is read too.
 */
export function readRecipe(text: string): RecipeReading {
  const reading = new Reading();
  const lines = new LineCounter();
  const document = parseDocument(namespaceAsYaml(text), { lineCounter: lines, uniqueKeys: true, strict: true });
  for (const { pos, message } of document.errors)
    reading.problem(lines.linePos(pos[0]).line, 'recipe.syntax', { reason: message.split('\n')[0].replace(/:$/, '') });
  if (document.errors.length > 0) return reading.result;
  const { contents } = document;
  if (!isMap(contents)) {
    reading.problem(1, 'recipe.syntax', { reason: reason('recipe.no-settings') });
    return reading.result;
  }
  const lineOf = (node: unknown): number => lines.linePos((node as Node).range?.[0] ?? 0).line;
  const inner: unknown = contents.get('recipe', true);
  reading.map(isMap(inner) ? inner : contents, lineOf);
  return reading.result;
}

class Reading {
  readonly result: RecipeReading = { values: {}, problems: [], unused: [] };
  private readonly values: Partial<Record<RecipeKey, unknown>> = {};
  private readonly data: { line: number; set?: string; category?: string } = { line: 1 };

  problem(line: number, code: ErrorCode, params: ErrorParams): void {
    this.result.problems.push({ line, error: toPlainError(new StillhouseError(code, params)) });
  }

  map(map: YAMLMap, lineOf: (node: unknown) => number): void {
    let base: Partial<Recipe> = {};
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : String(key);
      const line = lineOf(key);
      const plain: unknown = value === null ? null : plainOf(value);
      if (name === 'preset') base = this.preset(line, plain);
      else this.setting(line, name, plain);
    }
    this.readAs();
    this.result.values = { ...base, ...(this.values as Partial<Recipe>) };
  }

  private preset(line: number, id: unknown): Partial<Recipe> {
    const preset = PRESETS.find((known) => known.id === id);
    if (!preset)
      this.problem(line, 'argument.invalid', {
        name: 'preset',
        expected: reason('value.preset'),
        got: JSON.stringify(id),
      });
    return { ...preset?.values };
  }

  private setting(line: number, name: string, given: unknown): void {
    const field = byName.get(plainName(name));
    const deit = deitFlagOf(name);
    if (field) return this.value(line, field, given);
    if (deit?.flag === 'opt-betas') return this.betas(line, given);
    if (deit?.flag === 'data-set') return void Object.assign(this.data, { line, set: textOf(given) });
    if (deit?.flag === 'inat-category') return void Object.assign(this.data, { line, category: textOf(given) });
    if (deit) {
      this.result.unused.push({ line, key: name, why: deit.differs ?? '' });
      return;
    }
    this.problem(line, 'recipe.unknown-key', { key: name });
  }

  /** Joins what DeiT says in two settings to the one that it is here, whatever their order. */
  private readAs(): void {
    const { line, set, category } = this.data;
    if (set === undefined && category === undefined) return;
    const said = this.values.dataReading;
    try {
      this.values.dataReading = withDeitReading(typeof said === 'string' ? said : '', set, category);
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      this.problem(line, error.code, error.params);
    }
  }

  private betas(line: number, given: unknown): void {
    if (given === null) return;
    const [beta1, beta2] = (Array.isArray(given) ? given : [given]) as unknown[];
    this.value(line, byName.get('optbeta1')!, beta1);
    this.value(line, byName.get('optbeta2')!, beta2);
  }

  private value(line: number, field: Field, given: unknown): void {
    const value = valueOf(field, given);
    const problem = checkField(field, value);
    if (problem) this.problem(line, 'recipe.invalid', { ...problem });
    else this.values[field.key] = value;
  }
}

/** Reads a text; undefined where it is empty or none. */
function textOf(given: unknown): string | undefined {
  return given === null || given === '' ? undefined : typeof given === 'string' ? given : JSON.stringify(given);
}

/** A number, a text or a list of such; an object for whatever no setting can be, references too. */
function plainOf(node: unknown): unknown {
  if (isScalar(node)) return node.toJSON();
  return isSeq(node) && node.items.every((item) => isScalar(item)) ? node.toJSON() : {};
}

/** Turns a value of a file into that of a field: none is off, a list is a text of numbers, 1 is 1.0. */
function valueOf(field: Field, given: unknown): unknown {
  if (given === null) return field.type === 'integer' || field.type === 'number' ? noneOf(field) : '';
  if (Array.isArray(given)) return given.join(' ');
  if (field.type === 'number' && typeof given === 'string' && /^\d+e[+-]?\d+$/i.test(given)) return Number(given);
  return given;
}

/** `clip_grad: null` is no clipping; any other number that is none has its default. */
function noneOf({ key, default: initial }: Field): unknown {
  return key === 'clipGrad' ? 0 : initial;
}

/** A name without case, dashes and underscores: `teacher-model`, `teacher_model` and `teacherModel` are one. */
function plainName(name: string): string {
  return name.replace(/[-_]/g, '').toLowerCase();
}

/** Options of DeiT that are no setting alone. */
const JOINED: ReadonlySet<string> = new Set(['opt-betas', 'data-set', 'inat-category']);

const byName = new Map<string, Field>([
  ...FIELDS.map((field): [string, Field] => [plainName(field.key), field]),
  ...DEIT_FLAGS.flatMap(({ flag, keys }): [string, Field][] => {
    const field = FIELDS.find(({ key }) => keys.length === 1 && key === keys[0] && !JOINED.has(flag));
    return field ? [[plainName(flag), field]] : [];
  }),
]);

/** The arguments that DeiT prints, `Namespace(aa='…', epochs=300, …)`, as YAML on as many lines; else the text. */
function namespaceAsYaml(text: string): string {
  const [, inside] = /^\s*Namespace\(([\s\S]*)\)\s*$/.exec(text) ?? [];
  if (inside === undefined) return text;
  const pairs = inside.matchAll(/(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,]*)(?:,\s*|$)/g);
  const words: Record<string, string> = { None: 'null', True: 'true', False: 'false' };
  return [...pairs].map(([, key, value]) => `${key}: ${words[value.trim()] ?? value.trim()}`).join('\n');
}

/** Completes the recipe of a text. */
export function completed(values: Partial<Recipe>): Recipe {
  return { ...defaultRecipe(), ...values };
}
