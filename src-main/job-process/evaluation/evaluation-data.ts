import { basename, join } from 'node:path';
import { listDataset, type Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { imagenetSynsets, readClassIndex } from '../../data/layout/label-files.ts';
import { naturalOrder } from '../../base/name-order.ts';
import { StillhouseError, toPlainError, type ErrorCode, type ErrorParams, type PlainError } from '../../protocol/errors.ts'; // prettier-ignore
import { reason, type Reason } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { archivesFolder, dataNotesFolder } from '../../runs/places.ts';
import { DataNotes } from '../../jobs/data-notes.ts';

/** Images to evaluate on; labels are places among the model's classes. */
export interface EvaluationData {
  dataset: Dataset;
  images: 'val' | 'folder';
  /** Class names of the data in the order of its folders. */
  folders: readonly string[];
  /** By what order classes were found, where it could be another. */
  notes: PlainError[];
}

/** Facts about classes in a weight file. */
export interface ModelClasses {
  /** The file, for what is said of it. */
  path: string;
  count: number;
  /** null where it does not name them. */
  names: readonly string[] | null;
  /** Where the names come from; left out where nothing needs to be said: of a checkpoint of ours. */
  source?: Reason;
}

/**
 * Opens the validation images of the recipe's data set, with labels by the model's names where it has such.
 * @throws StillhouseError `data.*`, `weights.class-count`, `weights.class-names`
 */
export async function validationData(
  { dataPath, splitSeed, dataReading }: Recipe,
  model: ModelClasses,
): Promise<EvaluationData> {
  const dataset = await listed(dataPath, splitSeed, dataReading);
  if (dataset.val.length === 0) throw new StillhouseError('data.no-classes', { path: join(dataset.path, 'val') });
  const { classes: folders } = dataset;
  const { names, notes } = namesFor(folders, model);
  const places = new Map(names.map((name, place) => [name, place]));
  const labelOf = folders.map((name) => places.get(name)!);
  const labelled = (samples: readonly Sample[]) => samples.map((one) => ({ ...one, label: labelOf[one.label] }));
  const same = labelOf.length === names.length && labelOf.every((label, place) => label === place);
  const own = same ? dataset : { ...dataset, classes: [...names], train: labelled(dataset.train), val: labelled(dataset.val) }; // prettier-ignore
  return { dataset: own, images: 'val', folders, notes };
}

/** Names each output of the model in the words of the folders. */
function namesFor(folders: readonly string[], model: ModelClasses): { names: readonly string[]; notes: PlainError[] } {
  const { path, count, names } = model;
  if (names && folders.every((folder) => names.includes(folder))) return { names, notes: matched(model.source) };
  const synsets = imagenetSynsets();
  const imagenet = count === IMAGENET && folders.every((folder) => synsets.includes(folder));
  const code = names ? 'weights.class-imagenet' : 'weights.class-thousand';
  if (imagenet) return { names: synsets, notes: [noted(code, { path, count })] };
  if (count !== folders.length)
    throw new StillhouseError('weights.class-count', { path, weightClasses: count, dataClasses: folders.length });
  if (!names) return { names: folders, notes: orderNotes(path, folders) };
  const number = names.findIndex((name, place) => name !== folders[place]);
  const [theirs, ours] = [names[number], folders[number]];
  throw new StillhouseError('weights.class-names', { path, number, theirs, ours });
}

function noted(code: ErrorCode, params: ErrorParams): PlainError {
  return toPlainError(new StillhouseError(code, params));
}

function matched(how: Reason | undefined): PlainError[] {
  return how ? [noted('evaluation.matched', { how })] : [];
}

/** Makes notes where outputs without names are taken for folders: with the other order, where that is as likely. */
function orderNotes(path: string, folders: readonly string[]): PlainError[] {
  const natural = naturalOrder(folders);
  const order = firstOf(folders);
  if (natural) return [noted('weights.class-order', { path, order, natural: firstOf(natural) })];
  return matched(reason('match.order', { order }));
}

function firstOf(names: readonly string[]): string {
  return names.slice(0, 4).join(', ') + (names.length > 4 ? ', …' : '');
}

/**
 * Opens every image of a folder whose folders are classes of the model, by name or by number (as in ImageNet-V2). A
 * folder that has train and val gives those of val.
 * @param index a file that tells which class has which number; '' for the model's own order, or ImageNet's where the
 * classes are its synsets.
 * @throws StillhouseError `evaluation.classes`, `evaluation.class-index`, `data.*`
 */
export async function folderData(folder: string, model: ModelClasses, index: string): Promise<EvaluationData> {
  const found = await listed(folder, 0);
  const whole = found.layout === 'classes' || found.splitMade;
  const samples = whole ? [...found.train, ...found.val] : found.val;
  const labelOf = await labelling(found.classes, folder, model, index);
  const classes = namesOf(model) ?? numbersOf(found.classes, model);
  const labelled = samples.map(({ file, label }): Sample => ({ file, label: labelOf[label] }));
  const notes = folderNotes(found.classes, model, index);
  const val = labelled.sort((a, b) => a.label - b.label || (a.file < b.file ? -1 : 1));
  if (val.length === 0) throw new StillhouseError('data.no-classes', { path: folder });
  // A loader looks for images to train on, whatever it is asked for.
  return { dataset: { ...found, classes: [...classes], train: val, val, splitMade: false }, images: 'folder', folders: classes, notes }; // prettier-ignore
}

function folderNotes(folders: readonly string[], model: ModelClasses, index: string): PlainError[] {
  const { path, count, names, source } = model;
  const numbers = folders.every((folder) => NUMBER.test(folder));
  if (index && numbers) return matched(reason('match.index', { source: basename(index) }));
  const known = namesOf(model);
  if (known && numbers && !folders.every((folder) => known.includes(folder))) return matched(reason('match.number'));
  if (known) return names ? matched(source) : [noted('weights.class-thousand', { path, count })];
  if (!numbers) return orderNotes(path, folders);
  const moved = folders.findIndex((folder, place) => Number(folder) !== place);
  return moved < 0 ? matched(reason('match.number')) : [noted('weights.class-number', { path, example: folders[moved] })]; // prettier-ignore
}

function listed(path: string, splitSeed: number, said = ''): Promise<Dataset> {
  const notes = new DataNotes(dataNotesFolder());
  const excluded = notes.excludedFiles(path);
  const reading = said || notes.reading(path);
  return listDataset(path, { excluded, splitSeed, reading, archiveCache: archivesFolder() });
}

const IMAGENET = 1000;

/** The names of the model's classes; a network of a thousand that does not name them is taken to know ImageNet's. */
function namesOf({ names, count }: ModelClasses): readonly string[] | null {
  return names ?? (count === IMAGENET ? imagenetSynsets() : null);
}

const NUMBER = /^\d+$/;

/** The model's class of each folder. */
async function labelling(
  folders: readonly string[],
  path: string,
  model: ModelClasses,
  index: string,
): Promise<number[]> {
  const names = namesOf(model);
  const places = new Map((names ?? []).map((name, place) => [name, place]));
  const wrong = (difference: Reason) => new StillhouseError('evaluation.classes', { path, difference });
  if (names && !index && folders.every((folder) => places.has(folder))) return folders.map((one) => places.get(one)!);
  if (folders.every((folder) => NUMBER.test(folder))) {
    const byNumber = await numbered(index, names, model.count);
    return folders.map((folder) => {
      const name = byNumber[Number(folder)];
      const label = name === undefined ? undefined : places.size > 0 ? places.get(name) : Number(name);
      if (label === undefined) throw wrong(reason('evaluation.no-class', { name: folder }));
      return label;
    });
  }
  if (!names && folders.length === model.count) return [...folders.keys()];
  const unknown = folders.filter((folder) => !places.has(folder));
  if (names)
    throw wrong(reason('evaluation.unknown', { count: unknown.length, names: unknown.slice(0, 5).join(', ') }));
  throw wrong(reason('evaluation.unnamed', { folders: folders.length, classes: model.count }));
}

/** The name of the class with each number; the number itself where the model names none. */
async function numbered(index: string, names: readonly string[] | null, count: number): Promise<readonly string[]> {
  if (index) return readClassIndex(index);
  if (!names) return Array.from({ length: count }, (_, number) => String(number));
  return names.every((name) => /^n\d{8}$/.test(name)) ? imagenetSynsets() : names;
}

/** Names of classes that the model has none for: their numbers where the folders are such, else the folders. */
function numbersOf(folders: readonly string[], { count }: ModelClasses): readonly string[] {
  const numbers = folders.every((name) => NUMBER.test(name));
  return numbers ? Array.from({ length: count }, (_, number) => String(number)) : folders;
}
