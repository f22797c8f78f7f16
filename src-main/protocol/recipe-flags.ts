import { FIELDS, flagOf, type Recipe, type RecipeKey } from './recipe.ts';

/**
 * Writes the settings of `keys`, and those that differ from `base`, as words of a command line: `['--lr', '0.001']`, and
 * `['--no-src']` for a switch.
 */
export function recipeFlags(recipe: Recipe, base: Recipe, keys: readonly RecipeKey[]): string[][] {
  const named = FIELDS.filter(({ key }) => keys.includes(key));
  const others = FIELDS.filter(({ key }) => !keys.includes(key) && recipe[key] !== base[key]);
  return [...named, ...others].map(({ key }) => {
    const value = recipe[key];
    if (typeof value === 'boolean') return [value ? `--${flagOf(key)}` : `--no-${flagOf(key)}`];
    return [`--${flagOf(key)}`, String(value)];
  });
}

/** Quotes a word for a shell, where it needs that. */
export function quoteWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}
