import { fieldOf, type Field, type RecipeKey, type RecipeProblem } from '../../src-main/protocol/recipe.ts';
import { zhChoices, zhFields, zhUnits } from './fields.zh-CN.ts';
import { describeReason } from './reasons.ts';

export interface FieldWords {
  label: string;
  help: string;
  unit: string;
  paper: string;
}

/** How a language says what the table of the recipe holds. */
interface Words {
  field(field: Field): FieldWords;
  /** undefined for a choice without a name of its own. */
  choice(key: RecipeKey, choice: string): string | undefined;
  on: string;
  off: string;
  /** @param text what was given; '' where it need not be said. */
  problem(expected: string, text: string): string;
}

const en: Words = {
  field: ({ label, help, unit, paper }) => ({ label, help, unit, paper }),
  choice: () => undefined,
  on: 'on',
  off: 'off',
  problem: (expected, text) => (text ? `Expected ${expected}, got ${text}.` : `Expected ${expected}.`),
};

const zh: Words = {
  field: ({ key, unit, paper }) => ({
    ...zhFields[key],
    unit: zhUnits[unit] ?? unit,
    paper:
      zhChoices[`${key}.${paper}`] ?? paper.replace('(soft)', '（软）').replace(/^off$/, '关').replace(/^on$/, '开'),
  }),
  choice: (key, choice) => zhChoices[`${key}.${choice}`],
  on: '开',
  off: '关',
  problem: (expected, text) => {
    const should = `应为${/^[ -~]/.test(expected) ? ' ' : ''}${expected}`;
    return text ? `${should}，而不是 ${text}。` : `${should}。`;
  },
};

const TABLES: Record<string, Words> = { en, 'zh-CN': zh };
const wordsOf = (locale: string): Words => TABLES[locale] ?? en;

/** Returns label, help, unit and the paper's value of a field in the window's language. */
export function describeField(field: Field, locale: string): FieldWords {
  return wordsOf(locale).field(field);
}

/** Names a choice; one without a name of its own shows as it is written in a recipe. */
export function describeChoice(key: RecipeKey, choice: string, locale: string): string {
  return wordsOf(locale).choice(key, choice) ?? choice;
}

/** Writes the default of a field as text; an empty one is a dash. */
export function describeDefault(field: Field, locale: string): string {
  if (field.type === 'boolean') return wordsOf(locale)[field.default ? 'on' : 'off'];
  if (field.type === 'choice') return describeChoice(field.key, field.default, locale);
  return field.default === '' ? '–' : shortNumber(field.default);
}

/** Says which value a field expects in place of the given one. */
export function describeProblem({ key, expected, got }: RecipeProblem, locale: string): string {
  const plain = got.replace(/^"(.*)"$/, '$1');
  const text = fieldOf(key)?.type === 'choice' || plain === '' ? '' : plain;
  return wordsOf(locale).problem(describeReason(expected, locale), text);
}

function shortNumber(value: string | number): string {
  return typeof value === 'number' && value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
}
