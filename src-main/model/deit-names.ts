/**
 * Names of DeiT's models.py and models_v2.py that are not timm's, with what they are called here; [] for those that are
 * not here. The rest of its names is timm's.
 */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  deit_tiny_patch16_LS: [],
  deit_small_patch16_LS: ['deit3_small_patch16_224', 'deit3_small_patch16_384'],
  deit_medium_patch16_LS: ['deit3_medium_patch16_224'],
  deit_base_patch16_LS: ['deit3_base_patch16_224', 'deit3_base_patch16_384'],
  deit_large_patch16_LS: ['deit3_large_patch16_224', 'deit3_large_patch16_384'],
  deit_huge_patch14_LS: ['deit3_huge_patch14_224'],
  deit_huge_patch14_52_LS: [],
  deit_huge_patch14_26x2_LS: [],
  deit_Giant_48_patch14_LS: [],
  deit_giant_40_patch14_LS: [],
  deit_Giant_48x2_patch14_LS: [],
  deit_giant_40x2_patch14_LS: [],
  deit_small_patch16_36: [],
  deit_small_patch16_36_LS: [],
  deit_small_patch16_18x2: [],
  deit_small_patch16_18x2_LS: [],
  deit_base_patch16_36x1: [],
  deit_base_patch16_36x1_LS: [],
  deit_base_patch16_18x2: [],
  deit_base_patch16_18x2_LS: [],
};

/**
 * Translates a name of DeiT's code into the names used here; [] where the network is not here, null for a name that is
 * none of DeiT's.
 */
export function deitNames(name: string): readonly string[] | null {
  const found = Object.keys(NAMES).find((known) => known.toLowerCase() === name.toLowerCase());
  return found === undefined ? null : NAMES[found];
}

/** Every name of DeiT's code that is not timm's. */
export const DEIT_NAMES: readonly string[] = Object.keys(NAMES);
