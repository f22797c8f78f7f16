import { fieldOf, type Field, type RecipeKey, type RecipeProblem } from '../../src-main/protocol/recipe.ts';
import { zhChoices, zhFields, zhUnits } from './fields.zh-CN.ts';
import { describeReason } from './reasons.ts';

export interface FieldWords {
  label: string;
  help: string;
  unit: string;
  paper: string;
}

/** Returns label, help, unit and the paper's value of a field in the window's language. */
export function describeField(field: Field, locale: string): FieldWords {
  const { label, help, unit, paper } = field;
  if (locale !== 'zh-CN') return { label, help, unit, paper };
  return {
    ...zhFields[field.key],
    unit: zhUnits[unit] ?? unit,
    paper:
      zhChoices[`${field.key}.${paper}`] ??
      paper.replace('(soft)', '（软）').replace(/^off$/, '关').replace(/^on$/, '开'),
  };
}

/** Names a choice; one without a name of its own shows as it is written in a recipe. */
export function describeChoice(key: RecipeKey, choice: string, locale: string): string {
  return (locale === 'zh-CN' ? zhChoices[`${key}.${choice}`] : undefined) ?? choice;
}

/** Writes the default of a field as text; an empty one is a dash. */
export function describeDefault(field: Field, locale: string): string {
  if (field.type === 'boolean')
    return locale === 'zh-CN' ? (field.default ? '开' : '关') : field.default ? 'on' : 'off';
  if (field.type === 'choice') return describeChoice(field.key, field.default, locale);
  return field.default === '' ? '–' : shortNumber(field.default);
}

/** Says which value a field expects in place of the given one. */
export function describeProblem({ key, expected, got }: RecipeProblem, locale: string): string {
  const wanted = describeReason(expected, locale);
  const plain = got.replace(/^"(.*)"$/, '$1');
  const text = fieldOf(key)?.type === 'choice' || plain === '' ? '' : plain;
  if (locale === 'zh-CN') {
    const should = `应为${/^[ -~]/.test(wanted) ? ' ' : ''}${wanted}`;
    return text ? `${should}，而不是 ${text}。` : `${should}。`;
  }
  return text ? `Expected ${wanted}, got ${text}.` : `Expected ${wanted}.`;
}

function shortNumber(value: string | number): string {
  return typeof value === 'number' && value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential() : String(value);
}
