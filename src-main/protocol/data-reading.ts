import { StillhouseError } from './errors.ts';

/** How a person says a data folder is to be read, where names and contents do not decide; all null: by these. */
export interface Reading {
  /** The folders are classes, whatever they are called. */
  classes: boolean;
  /** Folders of the splits, relative to the data folder: `a/train`, or `*` in place of the class: `*` + `/train`. */
  train: string | null;
  val: string | null;
  /** What numbers in a list of labels count from. */
  labels: 0 | 1 | null;
  /** File name of the list of labels. */
  list: string | null;
}

export const BY_EVIDENCE: Reading = { classes: false, train: null, val: null, labels: null, list: null };

const KEYS = /(?:^|,)\s*(classes(?=,|\s*$)|(?:train|val|labels|list)=)/;

/**
 * Reads `classes`, `train=FOLDER,val=FOLDER`, `labels=0`, `list=FILE`, or several of them with commas between; '' and
 * `auto` leave it to names and contents. A name may hold commas.
 * @throws StillhouseError `recipe.invalid` naming the setting `dataReading`.
 */
export function parseReading(text: string): Reading {
  const reading = { ...BY_EVIDENCE };
  if (text.trim() === '' || text.trim() === 'auto') return reading;
  const [before, ...parts] = text.split(new RegExp(KEYS, 'g'));
  if (before.trim() !== '' || parts.length === 0) throw wrong(text);
  for (let at = 0; at < parts.length; at += 2) take(reading, parts[at], parts[at + 1].trim(), text);
  if (reading.classes ? reading.train : reading.val && !reading.train) throw wrong(text);
  return reading;
}

function take(reading: Reading, key: string, value: string, text: string): void {
  if (key === 'classes' && value === '') reading.classes = true;
  else if (key === 'labels=' && /^[01]$/.test(value)) reading.labels = value === '1' ? 1 : 0;
  else if (key === 'train=' && value) reading.train = value;
  else if (key === 'val=' && value) reading.val = value;
  else if (key === 'list=' && value) reading.list = value;
  else throw wrong(text);
}

function wrong(got: string): StillhouseError {
  const expected = 'classes, train=FOLDER,val=FOLDER, labels=0, labels=1 or list=FILE, with commas between';
  return new StillhouseError('recipe.invalid', { key: 'dataReading', expected, got });
}

/** Adds a reading to what was said before; splits and classes take each other's place. Throws as {@link parseReading}. */
export function withReading(said: string, added: string): string {
  const [before, now] = [parseReading(said), parseReading(added)];
  const { classes, train, val } = now.classes || now.train !== null ? now : before;
  const [labels, list] = [now.labels ?? before.labels, now.list ?? before.list];
  return [
    ...(classes ? ['classes'] : []),
    ...(train === null ? [] : [splitsReading(train, val)]),
    ...(list === null ? [] : [`list=${list}`]),
    ...(labels === null ? [] : [`labels=${labels}`]),
  ].join();
}

/** Writes a reading that names splits. */
export function splitsReading(train: string, val: string | null): string {
  return val === null ? `train=${train}` : `train=${train},val=${val}`;
}
