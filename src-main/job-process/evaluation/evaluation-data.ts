import { join } from 'node:path';
import { listDataset, type Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { imagenetSynsets, readClassIndex } from '../../data/layout/label-files.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { archivesFolder, dataNotesFolder } from '../../runs/places.ts';
import { DataNotes } from '../../jobs/data-notes.ts';

/** Images to evaluate on; labels are places among the model's classes. */
export interface EvaluationData {
  dataset: Dataset;
  images: 'val' | 'folder';
}

/** What a weight file tells of its classes. */
export interface ModelClasses {
  count: number;
  /** null where it does not name them. */
  names: readonly string[] | null;
}

/**
 * The validation images of the recipe's data set.
 * @throws StillhouseError `data.*`
 */
export async function validationData({ dataPath, splitSeed }: Recipe): Promise<EvaluationData> {
  const dataset = await listed(dataPath, splitSeed);
  if (dataset.val.length === 0) throw new StillhouseError('data.no-classes', { path: join(dataset.path, 'val') });
  return { dataset, images: 'val' };
}

/**
 * Every image of a folder whose folders are classes of the model, by name or by number (as in ImageNet-V2). Of a
 * folder that has train and val, those of val.
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
  const val = labelled.sort((a, b) => a.label - b.label || (a.file < b.file ? -1 : 1));
  if (val.length === 0) throw new StillhouseError('data.no-classes', { path: folder });
  // A loader looks for images to train on, whatever it is asked for.
  return { dataset: { ...found, classes: [...classes], train: val, val, splitMade: false }, images: 'folder' };
}

function listed(path: string, splitSeed: number): Promise<Dataset> {
  const excluded = new DataNotes(dataNotesFolder()).excludedFiles(path);
  return listDataset(path, { excluded, splitSeed, archiveCache: archivesFolder() });
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
  const wrong = (difference: string) => new StillhouseError('evaluation.classes', { path, difference });
  if (names && !index && folders.every((folder) => places.has(folder))) return folders.map((one) => places.get(one)!);
  if (folders.every((folder) => NUMBER.test(folder))) {
    const byNumber = await numbered(index, names, model.count);
    return folders.map((folder) => {
      const name = byNumber[Number(folder)];
      const label = name === undefined ? undefined : places.size > 0 ? places.get(name) : Number(name);
      if (label === undefined) throw wrong(`there is no class ${folder}`);
      return label;
    });
  }
  if (!names && folders.length === model.count) return [...folders.keys()];
  const unknown = folders.filter((folder) => !places.has(folder));
  if (names) throw wrong(`unknown (${unknown.length}): ${unknown.slice(0, 5).join(', ')}`);
  throw wrong(`${folders.length} folders, and the model has ${model.count} classes without names`);
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
