import type { Ref } from 'vue';
import type { Preset } from '../../src-main/protocol/preset-types.ts';
import type { Recipe, RecipeKey } from '../../src-main/protocol/recipe.ts';
import { keep } from '../composables/kept.ts';
import { useNotices } from './notices.ts';
import { presetsOf } from '../composables/recipe-presets.ts';

/** A recipe while it is written; each value is replaced, never changed. */
export interface WrittenRecipe {
  task: Ref<Preset['task']>;
  drafts: Ref<Record<Preset['task'], Recipe>>;
  typed: Ref<Partial<Record<RecipeKey, string>>>;
  /** Ids of the presets that the drafts were begun from. */
  chosen: Ref<Record<string, unknown>>;
}

/** Puts whole recipes in the place of what a person wrote, who may take that back. */
export function recipeUndo({ task, drafts, typed, chosen }: WrittenRecipe) {
  const notices = useNotices();
  let offered: number | null = null;

  /** Drops the replaced values: the recipe goes on from here. */
  const settle = (): void => {
    if (offered !== null) notices.dismiss(offered);
    offered = null;
  };
  const replace = (change: () => void): void => {
    const before = [task.value, drafts.value, typed.value, chosen.value] as const;
    change();
    const lost = before[1][task.value];
    // What a preset has can be had again.
    const written = Object.keys(before[2]).length > 0 || presetsOf(lost).length === 0;
    if (!written || lost === drafts.value[task.value]) return;
    settle();
    offered = notices.tell('recipe.replaced', {}, () => {
      [task.value, drafts.value, typed.value, chosen.value] = before;
      keep('recipe-presets', chosen.value);
    });
  };
  return { replace, settle };
}
