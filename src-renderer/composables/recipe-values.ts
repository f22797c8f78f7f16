import type { Preset } from '../../src-main/protocol/preset-types.ts';
import { quoteWord, recipeFlags } from '../../src-main/protocol/recipe-flags.ts';
import { defaultRecipe, type Field, type Recipe } from '../../src-main/protocol/recipe.ts';

/** Tells whether a setting differs from its value at the beginning; the data folder does not count. */
export function isChanged(field: Field, recipe: Recipe, base: Recipe): boolean {
  return field.key !== 'dataPath' && recipe[field.key] !== base[field.key];
}

/** Reads the value that `given` means for the field; undefined when it means none. */
export function parse(field: Field, given: string | number | boolean): string | number | boolean | undefined {
  if (field.type !== 'integer' && field.type !== 'number') return given;
  const number = typeof given === 'string' ? Number(given.trim().replace(/[\s_]/g, '') || NaN) : Number(given);
  return Number.isFinite(number) ? number : undefined;
}

/** Writes the command that starts the same run without a window. */
export function commandOf(recipe: Recipe, preset: Preset | null): string {
  // `train` knows the presets of students only.
  const named = preset?.task === 'student' && Object.keys(preset.values).length > 0 ? preset : null;
  const base = { ...defaultRecipe(), ...named?.values };
  const flags = recipeFlags(recipe, base, named ? ['dataPath'] : ['dataPath', 'model']);
  const words = flags.map(([flag, ...values]) => [flag, ...values.map(quoteWord)].join(' '));
  return ['stillhouse train', ...(named ? [`--preset ${named.id}`] : []), ...words].join(' ');
}
