import type { Preset } from './preset-types.ts';
import { PRESETS } from './presets.ts';
import { FIELDS, defaultRecipe, isUsed, type Field, type Recipe, type RecipeKey } from './recipe.ts';

/** Settings of where rather than how: no preset touches them. */
const OWN: readonly RecipeKey[] = ['dataPath', 'outputDir', 'teacherPath', 'finetune'];

/** Makes a recipe from a preset, with the places of the recipe before. */
export function fromPreset({ values }: Preset, before: Recipe): Recipe {
  const own = Object.fromEntries(OWN.map((key) => [key, before[key]])) as Partial<Recipe>;
  return { ...defaultRecipe(), ...values, ...own };
}

/** The preset that a recipe is nearest to, and the settings in which it differs. */
export interface PresetDifference {
  preset: Preset;
  /** With the preset's value of each. */
  changed: { field: Field; usual: Recipe[RecipeKey] }[];
}

/** Settings of the machine rather than of the result. */
const MACHINE: ReadonlySet<Field['group']> = new Set(['run']);
const COUNTS: ReadonlySet<string> = new Set<RecipeKey>(['seed', 'precision']);

/** Finds the preset from which a recipe differs in the fewest settings that count, the first of several. */
export function nearestPreset(recipe: Recipe): PresetDifference {
  const all = PRESETS.map((preset) => ({ preset, changed: differences(preset, recipe) }));
  return all.reduce((best, one) => (one.changed.length < best.changed.length ? one : best));
}

function differences(preset: Preset, recipe: Recipe): PresetDifference['changed'] {
  const usual = fromPreset(preset, recipe);
  return FIELDS.filter(({ key }) => usual[key] !== recipe[key])
    .filter((field) => isUsed(field, recipe) && (!MACHINE.has(field.group) || COUNTS.has(field.key)))
    .map((field) => ({ field, usual: usual[field.key] }));
}
