import { join } from 'node:path';
import table from '../../../resources/classes/flowers.json';
import { readMatlabNumbers } from '../../formats/matlab.ts';
import { splitsReading, type Reading } from '../../protocol/data-reading.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { childPath, type Roots } from '../layout/branch.ts';
import { fileOf, readingFile, type PublishedSet, type SetListing } from './published-set.ts';
import { readWhole, type SetFolder } from './set-folder.ts';
import { imagesOf, Present } from './set-images.ts';

/**
 * Flowers-102 as published: `jpg/`, `imagelabels.mat` with a class from 1 to 102 for each image, `setid.mat` with the
 * numbers of the images of three lists. Source: https://www.robots.ox.ac.uk/~vgg/data/flowers/102/; labels and order as
 * in torchvision's Flowers102.
 */
export const FLOWERS: PublishedSet = {
  name: 'FLOWERS',
  homes: ['flowers-102', 'flowers102', '102flowers', 'flowers', 'oxford-102-flowers', 'oxford_flowers102'],
  wanted: 'imagelabels.mat',
  packed: /^102flowers\.(tgz|tar\.gz)$/i,
  find: (folder) =>
    [LABELS, LISTS].some((file) => folder.files.has(file))
      ? { name: 'FLOWERS', place: folder.place, read: (roots, reading) => readFlowers(folder, roots, reading) }
      : null,
};

const LABELS = 'imagelabels.mat';
const LISTS = 'setid.mat';
const NAMES = ['trnid', 'valid', 'tstid'] as const;
type ListName = (typeof NAMES)[number];
/** DeiT's: 2,040 images to train on, 6,149 to test on (table 6 of the paper). */
const AS_DEIT = splitsReading('trnid+valid', 'tstid');
const LARGEST = 64 * 2 ** 20;

async function readFlowers(folder: SetFolder, roots: Roots, reading: Reading): Promise<SetListing> {
  const splits = splitsOf(reading);
  const named = table.classes.map((line) => line.split('|'));
  const labels = numbersOf(folder, roots, LABELS, ['labels'], named.length).labels;
  const lists = numbersOf(folder, roots, LISTS, NAMES, labels.length);
  const images = await imagesOf('FLOWERS', folder, { folder: 'jpg', archive: /^102flowers$/i }, roots);
  const present = new Present('FLOWERS', images);
  const samples = (names: readonly ListName[]) =>
    present.samples(
      names.flatMap(
        (name) =>
        lists[name].map((image) => ({ key: `image_${String(image).padStart(5, '0')}.jpg`, label: labels[image - 1] - 1 })), // prettier-ignore
      ),
    );
  const [train, val] = [samples(splits.train), samples(splits.val)];
  present.tell(roots);
  if (reading.train === null) roots.notes.add('data.set-splits', { count: lists.tstid.length, instead: AS_DEIT });
  return {
    ...{ classes: named.map(([en]) => en), train, val },
    titles: new Map(named.map(([en, zh]) => [en, { en, zh }])),
    from: [splits.train.join('+'), splits.val.join('+')],
  };
}

/** Which lists are trained on: those that a person names, else torchvision's. @throws StillhouseError `recipe.invalid` */
function splitsOf({ train, val }: Reading): { train: readonly ListName[]; val: readonly ListName[] } {
  if (train === null) return { train: ['trnid'], val: ['valid'] };
  const trained = train.split('+');
  const rest = NAMES.filter((name) => name !== 'trnid' && !trained.includes(name));
  const validated = val?.split('+') ?? rest.slice(0, 1);
  const isList = (name: string): name is ListName => NAMES.includes(name as ListName);
  const all = [...trained, ...validated];
  if (!trained.every(isList) || !validated.every(isList) || new Set(all).size < all.length)
    throw new StillhouseError('recipe.invalid', {
      ...{ key: 'dataReading', expected: reason('value.lists', { names: LISTS, files: NAMES.join(', ') }) },
      got: splitsReading(train, val),
    });
  return { train: trained, val: validated };
}

/** Arrays of whole numbers from 1 to `last`. */
function numbersOf<Name extends string>(
  folder: SetFolder,
  { path }: Roots,
  file: string,
  names: readonly Name[],
  last: number,
): Record<Name, number[]> {
  const found = fileOf('FLOWERS', folder, file, join(path, folder.place));
  return readingFile('FLOWERS', childPath(folder.place, file), () => {
    const bytes = readWhole(found, LARGEST);
    const arrays = names.map((name): [Name, number[]] => {
      const numbers = readMatlabNumbers(bytes, name);
      const row = numbers.findIndex((number) => !Number.isInteger(number) || number < 1 || number > last);
      if (row >= 0) throw new ReasonError(reason('set.list-row', { row: row + 1, name, got: numbers[row], last }));
      return [name, numbers];
    });
    return Object.fromEntries(arrays) as Record<Name, number[]>;
  });
}
