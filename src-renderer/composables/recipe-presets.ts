import type { Preset } from '../../src-main/protocol/preset-types.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import { fromPreset } from '../../src-main/protocol/preset-recipe.ts';
import { FIELDS, type Recipe } from '../../src-main/protocol/recipe.ts';

/** Lists the presets whose values a recipe has, places apart. */
export function presetsOf(recipe: Recipe): Preset[] {
  return PRESETS.filter((preset) => {
    const same = fromPreset(preset, recipe);
    return FIELDS.every(({ key }) => same[key] === recipe[key]);
  });
}
