import type { Preset } from '../../src-main/protocol/preset-types.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import { FIELDS, defaultRecipe, type Recipe, type RecipeKey } from '../../src-main/protocol/recipe.ts';

/** Settings of where rather than how: no preset touches them. */
const OWN: readonly RecipeKey[] = ['dataPath', 'outputDir', 'teacherPath', 'finetune'];

/** Makes a recipe from a preset, with the places of the recipe before. */
export function fromPreset({ values }: Preset, before: Recipe): Recipe {
  const own = Object.fromEntries(OWN.map((key) => [key, before[key]])) as Partial<Recipe>;
  return { ...defaultRecipe(), ...values, ...own };
}

/** Lists the presets whose values a recipe has, places apart. */
export function presetsOf(recipe: Recipe): Preset[] {
  return PRESETS.filter((preset) => {
    const same = fromPreset(preset, recipe);
    return FIELDS.every(({ key }) => same[key] === recipe[key]);
  });
}
