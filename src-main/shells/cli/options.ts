import { resolve } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { checkField, FIELDS, flagOf, type Field, type Recipe, type RecipeKey } from '../../protocol/recipe.ts';

/** One option of a command. */
export interface Option {
  /** Its name with dashes, without the leading ones; underscores and capitals in place of dashes are accepted. */
  flag: string;
  /** What stands for the value in help, like FILE; null for a switch. */
  value: string | null;
  help: string;
  /** The values it takes, where they are few. */
  choices?: readonly string[];
  required?: boolean;
  /** Takes as many numbers as follow it. */
  numbers?: boolean;
  /** Another name of it. */
  also?: string;
  /** Other words for some of its values. */
  words?: Readonly<Record<string, string>>;
}

/** What a command line holds: values by flag, as typed; `true` for a switch that is on, `false` for `--no-…`. */
export interface Parsed {
  values: Map<string, string | boolean>;
  /** Words that are no option, in order. */
  words: string[];
}

/**
 * Reads the arguments of one command: `--flag value`, `--flag=value`, `--switch`, `--no-switch`; `--` ends options.
 * @throws StillhouseError `argument.unknown` or `argument.invalid`.
 */
export function parseArguments(argv: readonly string[], options: readonly Option[]): Parsed {
  const parsed: Parsed = { values: new Map(), words: [] };
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index];
    if (argument === '--') {
      parsed.words.push(...argv.slice(index + 1));
      break;
    }
    if (!argument.startsWith('--')) parsed.words.push(argument);
    else index += readOption(argument, argv.slice(index + 1), options, parsed);
  }
  const missing = options.find((option) => option.required && !parsed.values.has(option.flag));
  if (missing) throw invalid(missing, 'nothing');
  return parsed;
}

/** How many of the following arguments the option took. */
function readOption(argument: string, rest: readonly string[], options: readonly Option[], parsed: Parsed): number {
  const [, typed = '', inline] = /^--([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
  const name = dashed(typed);
  const option = options.find(({ flag, also }) => flag === name || also === name);
  const negated = options.find(({ flag, value }) => value === null && `no-${flag}` === name);
  if (!option && !negated) throw unknown(argument, name, options);
  if (option?.value) {
    const count = option.numbers ? Math.max(1, leadingNumbers(rest)) : 1;
    const given = inline ?? (rest.length > 0 ? rest.slice(0, count).join(' ') : undefined);
    if (given === undefined) throw invalid(option, 'nothing');
    const value = option.words?.[given] ?? given;
    if (option.choices && !option.choices.includes(value)) throw invalid(option, value);
    parsed.values.set(option.flag, value);
    return inline === undefined ? count : 0;
  }
  if (inline !== undefined) throw invalid((option ?? negated)!, inline);
  parsed.values.set((option ?? negated)!.flag, option !== undefined);
  return 0;
}

/** `teacher_model` and `ThreeAugment` as flags are written: `teacher-model`, `three-augment`. */
function dashed(typed: string): string {
  const words = typed.replace(/_/g, '-').replace(/([a-z])([A-Z])/g, '$1-$2');
  return words.toLowerCase();
}

function leadingNumbers(words: readonly string[]): number {
  const end = words.findIndex((word) => !/^[\d.]+$/.test(word));
  return end < 0 ? words.length : end;
}

function unknown(argument: string, name: string, options: readonly Option[]): StillhouseError {
  const near = options.map(({ flag }) => flag).find((flag) => distance(flag, name) <= 2 || flag.startsWith(name));
  const hint = near ? `Did you mean --${near}?` : 'See --help for those there are.';
  return new StillhouseError('argument.unknown', { name: argument.split('=')[0], hint });
}

function invalid(option: Option, got: string): StillhouseError {
  const expected = option.choices ? `one of ${option.choices.join(', ')}` : (option.value ?? 'no value');
  return new StillhouseError('argument.invalid', { name: `--${option.flag}`, expected, got });
}

/** Letters to insert, remove or replace between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

const PLACEHOLDER: Record<Field['type'], string | null> = {
  integer: 'N',
  number: 'X',
  boolean: null,
  choice: 'NAME',
  text: 'NAME',
  path: 'PATH',
};

/** What the options of some settings are beside what follows from their fields. */
const SPECIAL: Partial<Record<RecipeKey, Partial<Option>>> = {
  device: { value: 'auto|cpu|cuda:N' },
  cutmixMinmax: { value: 'LEAST MOST', numbers: true },
  lrNoise: { value: 'FROM [TO]', numbers: true },
  decayRate: { also: 'dr' },
  opt: {
    words: { fusedadamw: 'adamw', fusedsgd: 'sgd', nesterov: 'sgd', fusedmomentum: 'momentum', fusedlamb: 'lamb' },
  },
};

/** DeiT's one option for two settings. */
const BETAS: Option = { flag: 'opt-betas', value: 'BETA1 BETA2', numbers: true, help: 'Beta 1 and beta 2 in one.' };

/** The options of a recipe: one for each of its settings, named as DeiT names them. */
export function recipeOptions(): Option[] {
  const options = FIELDS.map((field): Option => ({
    flag: flagOf(field.key),
    value: field.type === 'choice' ? field.choices.join('|') : PLACEHOLDER[field.type],
    help: recipeHelp(field),
    ...(field.type === 'choice' ? { choices: field.choices } : {}),
    ...SPECIAL[field.key],
  }));
  return [...options, BETAS];
}

function recipeHelp(field: Field): string {
  if (field.default === true) return `${field.help} On unless --no-${flagOf(field.key)}.`;
  const unit = field.unit ? ` ${field.unit}` : '';
  const initial = field.default === '' || field.default === false ? '' : ` Default ${field.default}${unit}.`;
  return `${field.help}${initial}`;
}

/**
 * The recipe settings that were typed, checked one by one.
 * @throws StillhouseError `argument.invalid` naming the flag.
 */
export function recipeValues({ values: typedValues }: Parsed): Partial<Recipe> {
  const given: Partial<Record<RecipeKey, string | number | boolean>> = {};
  const values = new Map([...betas(typedValues), ...typedValues]);
  for (const field of FIELDS) {
    const typed = values.get(flagOf(field.key));
    if (typed === undefined) continue;
    const numeric = field.type === 'integer' || field.type === 'number';
    const value = numeric ? numberOf(String(typed)) : typed;
    const problem = checkField(field, value);
    if (problem)
      throw new StillhouseError('argument.invalid', {
        name: `--${flagOf(field.key)}`,
        expected: problem.expected,
        got: String(typed),
      });
    // A path is meant from where the command is typed, not from where a run is resumed.
    given[field.key] = field.type === 'path' && value !== '' ? resolve(String(value)) : value;
  }
  return given as Partial<Recipe>;
}

function betas(values: Parsed['values']): [string, string][] {
  const typed = values.get(BETAS.flag);
  if (typed === undefined) return [];
  const [beta1, beta2, ...more] = String(typed)
    .trim()
    .split(/[\s,]+/);
  if (beta2 === undefined || more.length > 0) throw invalid(BETAS, String(typed));
  return [
    [flagOf('optBeta1'), beta1],
    [flagOf('optBeta2'), beta2],
  ];
}

// Number('') and Number(' ') are 0: not what was meant.
function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text);
}

/** A whole number from an option, or undefined when it was not given. */
export function integerValue({ values }: Parsed, flag: string, min: number, max: number): number | undefined {
  const typed = values.get(flag);
  if (typed === undefined) return undefined;
  const value = numberOf(String(typed));
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const expected = `a whole number from ${min} to ${max}`;
  throw new StillhouseError('argument.invalid', { name: `--${flag}`, expected, got: String(typed) });
}

/** A path from an option, absolute, or undefined when it was not given. */
export function pathValue(parsed: Parsed, flag: string): string | undefined {
  const typed = textValue(parsed, flag);
  return typed === undefined ? undefined : resolve(typed);
}

/** The text of an option, or undefined when it was not given. */
export function textValue({ values }: Parsed, flag: string): string | undefined {
  const typed = values.get(flag);
  return typeof typed === 'string' ? typed : undefined;
}

/** The help of a list of options, wrapped to `width` columns. */
export function describeOptions(options: readonly Option[], width = 100): string {
  const column = 34;
  return options
    .map(({ flag, value, help }) => {
      const left = `  --${flag}${value ? ` ${value}` : ''}`;
      const lines = wrap(help, width - column);
      const head = left.length < column - 1 ? [left.padEnd(column) + lines.shift()] : [left];
      return [...head, ...lines.map((line) => ' '.repeat(column) + line)].join('\n');
    })
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last.length + word.length + 1 > width && last) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}
