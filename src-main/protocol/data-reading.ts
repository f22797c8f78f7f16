import { reason } from './reasons.ts';
import { BY_FOLDERS, dataSetOf, INAT_CATEGORIES, type DataSetName, type InatCategory } from './data-sets.ts';
import { StillhouseError } from './errors.ts';

/** Holds how a person says a data folder is to be read, where names and contents do not decide; all null: by these. */
export interface Reading {
  /** The data set that the folder holds as it was published; IMNET: folders of classes. */
  set: DataSetName | typeof BY_FOLDERS | null;
  /** The field that gives the classes of iNaturalist. */
  category: InatCategory | null;
  /** The folders are classes, whatever they are called. */
  classes: boolean;
  /**
   * Folders of the splits, relative to the data folder: `a/train`, or `*` in place of the class: `*` + `/train`. Of
   * Flowers-102 the lists of `setid.mat`, joined by `+`.
   */
  train: string | null;
  val: string | null;
  /** The number that a list of labels counts from. */
  labels: 0 | 1 | null;
  /** File name of the list of labels. */
  list: string | null;
}

export const BY_EVIDENCE: Reading = {
  set: null,
  category: null,
  classes: false,
  train: null,
  val: null,
  labels: null,
  list: null,
};

const KEYS = /(?:^|,)\s*(classes(?=,|\s*$)|(?:set|category|train|val|labels|list)=)/;

/**
 * Reads `set=NAME`, `category=FIELD`, `classes`, `train=FOLDER,val=FOLDER`, `labels=0`, `list=FILE`, or several of them
 * with commas between; '' and `auto` leave it to names and contents. A name may hold commas.
 * @throws StillhouseError `recipe.invalid` naming the setting `dataReading`.
 */
export function parseReading(text: string): Reading {
  const reading = { ...BY_EVIDENCE };
  if (text.trim() === '' || text.trim() === 'auto') return reading;
  const [before, ...parts] = text.split(new RegExp(KEYS, 'g'));
  if (before.trim() !== '' || parts.length === 0) throw wrong(text);
  for (let at = 0; at < parts.length; at += 2) take(reading, parts[at], parts[at + 1].trim(), text);
  if (reading.classes ? reading.train : reading.val && !reading.train) throw wrong(text);
  if (isPublished(reading) && (reading.classes || reading.list !== null || reading.labels !== null)) throw wrong(text);
  return reading;
}

function isPublished({ set }: Pick<Reading, 'set'>): boolean {
  return set !== null && set !== BY_FOLDERS;
}

function take(reading: Reading, key: string, value: string, text: string): void {
  const set = key === 'set=' ? dataSetOf(value) : null;
  const category = key === 'category=' ? INAT_CATEGORIES.find((one) => one === value) : undefined;
  if (set) reading.set = set;
  else if (category) reading.category = category;
  else if (key === 'classes' && value === '') reading.classes = true;
  else if (key === 'labels=' && /^[01]$/.test(value)) reading.labels = value === '1' ? 1 : 0;
  else if (key === 'train=' && value) reading.train = value;
  else if (key === 'val=' && value) reading.val = value;
  else if (key === 'list=' && value) reading.list = value;
  else throw wrong(text);
}

function wrong(got: string): StillhouseError {
  return new StillhouseError('recipe.invalid', { key: 'dataReading', expected: reason('value.reading'), got });
}

/**
 * Adds a reading to what was said before: splits and classes take each other's place, and what is said of folders that
 * of a published data set. Throws as {@link parseReading}.
 */
export function withReading(said: string, added: string): string {
  const [before, now] = [parseReading(said), parseReading(added)];
  const ofFolders = now.classes || now.labels !== null || now.list !== null;
  const set = now.set ?? (ofFolders && isPublished(before) ? null : before.set);
  // What was said of another data set says nothing of this one.
  const kept = set === before.set || (!isPublished(before) && !isPublished({ set })) ? before : BY_EVIDENCE;
  const { classes, train, val } = now.classes || now.train !== null ? now : kept;
  const [labels, list] = [now.labels ?? kept.labels, now.list ?? kept.list];
  const category = now.category ?? kept.category;
  return [
    ...(set === null ? [] : [`set=${set}`]),
    ...(category === null ? [] : [`category=${category}`]),
    ...(classes ? ['classes'] : []),
    ...(train === null ? [] : [splitsReading(train, val)]),
    ...(list === null ? [] : [`list=${list}`]),
    ...(labels === null ? [] : [`labels=${labels}`]),
  ].join();
}

/**
 * Joins a reading with what DeiT's `--data-set` and `--inat-category` ask for, undefined where they were not given.
 * DeiT's default category says nothing of any other data set. Throws as {@link parseReading}.
 */
export function withDeitReading(said: string, set: string | undefined, category: string | undefined): string {
  const known = (set === undefined ? null : dataSetOf(set)) ?? parseReading(said).set;
  const counts = category !== undefined && (category !== INAT_CATEGORIES[0] || (known ?? 'INAT').startsWith('INAT'));
  const parts = [...(set === undefined ? [] : [`set=${set}`]), ...(counts ? [`category=${category}`] : [])];
  return withReading('', [...parts, ...(said === '' || said === 'auto' ? [] : [said])].join());
}

/** Writes a reading that names splits. */
export function splitsReading(train: string, val: string | null): string {
  return val === null ? `train=${train}` : `train=${train},val=${val}`;
}
