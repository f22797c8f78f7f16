/** The commands of a group with their keys now, as `keys.ts` writes them. */
export interface ShortcutGroup {
  name: string;
  rows: readonly Shortcut[];
}

export interface Shortcut {
  id: string;
  title: string;
  keys: readonly string[];
  /** True for a person's own. */
  changed: boolean;
  /** Where its key counts, when not everywhere. */
  only: string;
}
