import { resolve } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason, type ReasonValue } from '../../protocol/reasons.ts';
import { nearest } from '../../base/nearest-word.ts';
import { parseReading, withDeitReading } from '../../protocol/data-reading.ts';
import { DATA_SET_WORDS, INAT_CATEGORIES } from '../../protocol/data-sets.ts';
import { checkField, FIELDS, flagOf, type Field, type Recipe, type RecipeKey } from '../../protocol/recipe.ts';

/** One option of a command. */
export interface Option {
  /** Its name with dashes, without the leading ones; underscores and capitals in place of dashes are accepted. */
  flag: string;
  /** Word for the value in help, like FILE; null for a switch. */
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
  words?: ReadonlyMap<string, string>;
  /** Counts only beside one of these options. */
  needs?: readonly string[];
  /** Says something else than these options do: they are not given together. */
  excludes?: readonly string[];
}

/** The content of a command line: values by flag, as typed; `true` for a switch that is on, `false` for `--no-…`. */
export interface Parsed {
  values: Map<string, string | boolean>;
  /** Words that are no option, in order. */
  words: string[];
  /** Notes on options that were typed in two ways, and which of them counts. */
  notes: string[];
}

/**
 * Reads the arguments of one command: `--flag value`, `--flag=value`, `--switch`, `--no-switch`; `--` ends options. Of
 * an option that is given twice the last one counts, as in DeiT, and a note says so.
 * @throws StillhouseError `argument.unknown` or `argument.invalid`.
 */
export function parseArguments(argv: readonly string[], options: readonly Option[]): Parsed {
  const parsed: Parsed = { values: new Map(), words: [], notes: [] };
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index];
    if (argument === '--') {
      parsed.words.push(...argv.slice(index + 1));
      break;
    }
    if (!/^-./.test(argument)) parsed.words.push(argument);
    else index += readOption(argument, argv.slice(index + 1), options, parsed);
  }
  requireTogether(options, parsed);
  return parsed;
}

/** @throws StillhouseError `argument.invalid` for what is missing, changes nothing, or contradicts another option. */
function requireTogether(options: readonly Option[], { values }: Parsed): void {
  const missing = options.find((option) => option.required && !values.has(option.flag));
  if (missing) throw invalid(missing, 'nothing');
  const on = (flag: string): boolean => (values.get(flag) ?? false) !== false;
  for (const { flag, needs, excludes = [] } of options.filter((option) => on(option.flag))) {
    if (needs && !needs.some(on))
      throw wrong(flag, `${needs.map((one) => `--${one}`).join(' or ')} beside it`, 'nothing');
    const other = excludes.find(on);
    if (other) throw wrong(flag, `one of --${flag} and --${other}`, 'both');
  }
}

/** How many of the following arguments the option took. */
function readOption(argument: string, rest: readonly string[], options: readonly Option[], parsed: Parsed): number {
  const [, dashes = '', typed = '', inline] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
  const name = dashed(typed);
  const option = dashes === '--' ? optionNamed(name, options) : undefined;
  const negated =
    dashes === '--' ? options.find(({ flag, value }) => value === null && `no-${flag}` === name) : undefined;
  if (!option && !negated) throw unknown(argument, name, options);
  if (option?.value) {
    const count = option.numbers ? Math.max(1, leadingNumbers(rest)) : 1;
    const given = inline ?? (rest.length > 0 ? rest.slice(0, count).join(' ') : undefined);
    if (given === undefined) throw invalid(option, 'nothing');
    if (inline === undefined && isOption(given, options)) throw invalid(option, `the option ${given}`);
    const value = option.words?.get(given) ?? given;
    if (option.choices && !option.choices.includes(value)) throw invalid(option, value);
    keep(parsed, option.flag, value);
    return inline === undefined ? count : 0;
  }
  if (inline !== undefined) throw invalid((option ?? negated)!, inline);
  keep(parsed, (option ?? negated)!.flag, option !== undefined);
  return 0;
}

function optionNamed(name: string, options: readonly Option[]): Option | undefined {
  return options.find(({ flag, also }) => flag === name || also === name);
}

/** Whether a word that stands where a value should is an option: its value was forgotten. */
function isOption(word: string, options: readonly Option[]): boolean {
  const [, typed] = /^--([^=]+)/.exec(word) ?? [];
  if (typed === undefined) return false;
  const name = dashed(typed);
  return options.some(({ flag, also, value }) => flag === name || also === name || (!value && `no-${flag}` === name));
}

function keep({ values, notes }: Parsed, flag: string, value: string | boolean): void {
  const before = values.get(flag);
  const text = (one: string | boolean): string =>
    typeof one === 'string' ? `--${flag} ${one}` : `--${one ? '' : 'no-'}${flag}`;
  if (before !== undefined && before !== value) notes.push(`${text(before)} is overruled by the later ${text(value)}.`);
  values.set(flag, value);
}

/** `teacher_model` and `ThreeAugment` as flags are written: `teacher-model`, `three-augment`. */
function dashed(typed: string): string {
  const words = typed.replace(/_/g, '-').replace(/([a-z])([A-Z])/g, '$1-$2');
  return words.toLowerCase();
}

/** A number as people write it: no hexadecimal, no `Infinity`, nothing behind it. */
const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

function leadingNumbers(words: readonly string[]): number {
  const end = words.findIndex((word) => !NUMBER.test(word));
  return end < 0 ? words.length : end;
}

function unknown(argument: string, name: string, options: readonly Option[]): StillhouseError {
  const flags = options.flatMap(({ flag, also, value }) => [
    flag,
    ...(also ? [also] : []),
    ...(value ? [] : [`no-${flag}`]),
  ]);
  const near = nearest(name, flags);
  const hint = near ? `Did you mean --${near}?` : 'See --help for those there are.';
  return new StillhouseError('argument.unknown', { name: argument.split('=')[0], hint });
}

function invalid(option: Option, got: string): StillhouseError {
  const expected = option.choices
    ? reason('value.one-of', { choices: option.choices.join(', ') })
    : (option.value ?? 'no value');
  return wrong(option.flag, expected, got);
}

function wrong(flag: string, expected: ReasonValue, got: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name: `--${flag}`, expected, got });
}

const PLACEHOLDER: Record<Field['type'], string | null> = {
  integer: 'N',
  number: 'X',
  boolean: null,
  choice: 'NAME',
  text: 'NAME',
  path: 'PATH',
};

/** Properties of some settings' options that do not follow from their fields. */
const SPECIAL: Partial<Record<RecipeKey, Partial<Option>>> = {
  device: { value: 'auto|cpu|cuda:N|pjrt:…' },
  cutmixMinmax: { value: 'LEAST MOST', numbers: true },
  lrNoise: { value: 'FROM [TO]', numbers: true },
  decayRate: { also: 'dr' },
  outputDir: { also: 'job-dir' },
  finetuneEntry: { also: 'entry' },
  opt: {
    words: new Map([
      ['fusedadamw', 'adamw'],
      ['fusedsgd', 'sgd'],
      ['nesterov', 'sgd'],
      ['fusedmomentum', 'momentum'],
      ['fusedlamb', 'lamb'],
    ]),
  },
};

/** DeiT's one option for two settings. */
const BETAS: Option = { flag: 'opt-betas', value: 'BETA1 BETA2', numbers: true, help: 'Beta 1 and beta 2 in one.' };

/** DeiT's two options; here both are part of one reading of the data folder. */
export const DATA_SET: readonly Option[] = [
  {
    flag: 'data-set',
    value: 'NAME',
    choices: DATA_SET_WORDS,
    help: `The published data set that the folder holds: ${DATA_SET_WORDS.join(', ')}. CIFAR is CIFAR-100, IMNET a folder for each class. Default: what is recognised.`,
  },
  {
    flag: 'inat-category',
    value: 'FIELD',
    choices: INAT_CATEGORIES,
    help: `What the classes of iNaturalist are: ${INAT_CATEGORIES.join(', ')}. Default name.`,
  },
];

/** Reads how the data folder is to be read, from one option or those of DeiT; undefined for none. */
export function readingValue(parsed: Parsed): string | undefined {
  const [set, category, reading] = ['data-set', 'inat-category', 'data-reading'].map((flag) => textValue(parsed, flag));
  if (set === undefined && category === undefined) return reading;
  const said = parseReading(reading ?? '');
  const both = (set !== undefined && said.set !== null) || (category !== undefined && said.category !== null);
  if (both)
    throw wrong(
      'data-reading',
      `one of --data-reading and --${set === undefined ? 'inat-category' : 'data-set'}`,
      'both',
    );
  return withDeitReading(reading ?? '', set, category);
}

/** Makes the options of a recipe: one for each of its settings, named as DeiT names them. */
export function recipeOptions(): Option[] {
  const options = FIELDS.map((field): Option => ({
    flag: flagOf(field.key),
    value: field.type === 'choice' ? field.choices.join('|') : PLACEHOLDER[field.type],
    help: recipeHelp(field),
    ...(field.type === 'choice' ? { choices: field.choices } : {}),
    ...SPECIAL[field.key],
  }));
  return [...options, BETAS, ...DATA_SET];
}

function recipeHelp(field: Field): string {
  if (field.default === true) return `${field.help} On unless --no-${flagOf(field.key)}.`;
  const unit = field.unit ? ` ${field.unit}` : '';
  const initial = field.default === '' || field.default === false ? '' : ` Default ${field.default}${unit}.`;
  return `${field.help}${initial}`;
}

/**
 * Reads the recipe settings that were typed, and checks them one by one.
 * @throws StillhouseError `argument.invalid` naming the flag.
 */
export function recipeValues(parsed: Parsed): Partial<Recipe> {
  const given: Partial<Record<RecipeKey, string | number | boolean>> = {};
  const values = new Map([...betas(parsed.values), ...parsed.values]);
  const reading = readingValue(parsed);
  if (reading !== undefined) values.set(flagOf('dataReading'), reading);
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
  const alone = [flagOf('optBeta1'), flagOf('optBeta2')].find((flag) => values.has(flag));
  if (alone) throw wrong(alone, `one of --${alone} and --${BETAS.flag}`, 'both');
  return [
    [flagOf('optBeta1'), beta1],
    [flagOf('optBeta2'), beta2],
  ];
}

/** Parses a number; NaN for any other text, and for none: `Number('')` is 0, `Number('0x1f')` 31. */
export function numberOf(text: string): number {
  return NUMBER.test(text) ? Number(text) : NaN;
}

/** Reads a whole number from an option; undefined when it was not given. */
export function integerValue({ values }: Parsed, flag: string, min: number, max: number): number | undefined {
  const typed = values.get(flag);
  if (typed === undefined) return undefined;
  const value = numberOf(String(typed));
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const expected = reason('value.between', { min, max });
  throw new StillhouseError('argument.invalid', { name: `--${flag}`, expected, got: String(typed) });
}

/** Reads an absolute path from an option; undefined when it was not given. */
export function pathValue(parsed: Parsed, flag: string): string | undefined {
  const typed = textValue(parsed, flag);
  return typed === undefined ? undefined : resolve(typed);
}

/** Reads the text of an option; undefined when it was not given. */
export function textValue({ values }: Parsed, flag: string): string | undefined {
  const typed = values.get(flag);
  return typeof typed === 'string' ? typed : undefined;
}

/** Writes the help of a list of options, wrapped to `width` columns. */
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
