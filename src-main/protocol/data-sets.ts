/** Data sets that are read as their authors publish them, by the names of DeiT's `--data-set` and ours beside these. */
export const DATA_SETS = {
  CIFAR10: 'CIFAR-10',
  CIFAR100: 'CIFAR-100',
  FLOWERS: 'Flowers-102',
  CARS: 'Stanford Cars',
  INAT18: 'iNaturalist 2018',
  INAT19: 'iNaturalist 2019',
} as const;
export type DataSetName = keyof typeof DATA_SETS;

/** DeiT's name for folders of classes: nothing is recognised beyond these. */
export const BY_FOLDERS = 'IMNET';

const ALIASES: Readonly<Record<string, DataSetName>> = { CIFAR: 'CIFAR100', INAT: 'INAT18', FLOWERS102: 'FLOWERS' };

/** Every name that `--data-set` takes. */
export const DATA_SET_WORDS: readonly string[] = [BY_FOLDERS, ...Object.keys(DATA_SETS), ...Object.keys(ALIASES)];

/** Finds the data set that a word means, in any case; null for none. */
export function dataSetOf(word: string): DataSetName | typeof BY_FOLDERS | null {
  const name = word.toUpperCase();
  if (name === BY_FOLDERS) return BY_FOLDERS;
  if (Object.hasOwn(ALIASES, name)) return ALIASES[name];
  return Object.hasOwn(DATA_SETS, name) ? (name as DataSetName) : null;
}

/** Fields of iNaturalist's `categories.json` that DeiT's `--inat-category` may make the classes of. */
export const INAT_CATEGORIES = [
  ...(['name', 'kingdom', 'phylum', 'class', 'order', 'supercategory', 'family', 'genus'] as const),
] as const;
export type InatCategory = (typeof INAT_CATEGORIES)[number];
