import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { RecipeKey } from '../../src-main/protocol/recipe.ts';

/** The entries that the palette offers: everything, or one kind of thing. */
export type PaletteScope = 'all' | 'run' | 'preset' | 'setting';
export type SettingsPage = 'general' | 'keys';
/** The dialog or palette that lies over the window. */
export type Overlay =
  | { kind: 'palette'; scope: PaletteScope }
  | { kind: 'settings'; page: SettingsPage }
  | { kind: 'keys' };
/** A place inside a view that a command leads to. */
export type Jump =
  | { to: 'search' }
  | { to: 'field'; key: RecipeKey }
  | { to: 'photo' }
  | { to: 'weights' }
  | { to: 'weights-evaluation'; path: string };

/** Keeps the overlay that a command opened, and the place in a view that one asked for until the view has taken it. */
export const useOverlay = defineStore('overlay', () => {
  const shown = ref<Overlay | null>(null);
  const jump = ref<Jump | null>(null);
  const show = (overlay: Overlay | null): void => void (shown.value = overlay);
  /** Hands the asked place to the view that knows it, once. */
  const take = <To extends Jump['to']>(...places: To[]): Extract<Jump, { to: To }> | null => {
    const asked = jump.value;
    if (!asked || !places.some((place) => place === asked.to)) return null;
    jump.value = null;
    return asked as Extract<Jump, { to: To }>;
  };
  return { shown, jump, show, take };
});
