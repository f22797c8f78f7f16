import { join } from 'node:path';
import { readMatlabStructs, readMatlabTexts } from '../../formats/matlab.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { childPath, type Roots } from '../layout/branch.ts';
import type { Sample } from '../layout/sample.ts';
import { fileOf, readingFile, type PublishedSet, type SetListing } from './published-set.ts';
import { tarFolders } from './set-archive.ts';
import { readWhole, setFolder, type SetFolder } from './set-folder.ts';
import { imagesOf, Present } from './set-images.ts';

/**
 * Stanford Cars as published: `cars_train/`, `cars_test/` and a devkit with annotations, whose classes count from 1.
 * Labels and order as in torchvision's StanfordCars. Source: https://ai.stanford.edu/~jkrause/cars/car_dataset.html
 */
export const CARS: PublishedSet = {
  name: 'CARS',
  homes: ['stanford_cars', 'stanford-cars', 'stanfordcars', 'cars'],
  wanted: 'devkit/cars_train_annos.mat',
  packed: /^(cars_train|cars_test|car_devkit)\.(tgz|tar\.gz)$/i,
  find: (folder) => {
    const entries = [...folder.folders, ...folder.files.keys()];
    const isThere = entries.some((one) => KIT.test(one)) && entries.some((one) => IMAGES.test(one));
    const files = Object.values(FILES).some((file) => folder.files.has(file));
    if (!isThere && !files) return null;
    return { name: 'CARS', place: folder.place, read: (roots) => readCars(folder, roots) };
  },
};

/** Folders that the devkit is unpacked to; the second as Kaggle has it. */
const KITS = ['devkit', 'car_devkit'];
const KIT = /^(car_)?devkit(\.(tar|tar\.gz|tgz))?$/i;
const IMAGES = /^cars_(train|test)(\.(tar|tar\.gz|tgz))?$/i;
const FILES = {
  meta: 'cars_meta.mat',
  train: 'cars_train_annos.mat',
  test: 'cars_test_annos_withlabels.mat',
} as const;
const LARGEST = 64 * 2 ** 20;

async function readCars(folder: SetFolder, roots: Roots): Promise<SetListing> {
  const kit = await kitOf(folder, roots);
  const classes = reading(kit, FILES.meta, roots, (bytes) => {
    const names = readMatlabTexts(bytes, 'class_names');
    if (new Set(names).size < names.length) throw new ReasonError(reason('set.names-twice'));
    return names;
  });
  const train = await split('train', folder, kit, classes.length, roots);
  const val = await split('test', folder, kit, classes.length, roots);
  return { classes, train, val, from: [FILES.train, FILES.test] };
}

/**
 * The files of the devkit, wherever below the folder or in its archive each lies: torchvision has those of the test
 * beside it.
 */
async function kitOf(folder: SetFolder, roots: Roots): Promise<SetFolder> {
  const places = [...KITS.filter((kit) => folder.folders.has(kit)), 'car_devkit/devkit'];
  const kits = await Promise.all(places.map((kit) => setFolder(roots.path, childPath(folder.place, kit))));
  const found = kits.flatMap((kit) => kit ?? []);
  const archive = [...folder.files.keys()].find((file) => KIT.test(file));
  if (found.length === 0 && archive !== undefined)
    found.push(...(await tarFolders('CARS', childPath(folder.place, archive), roots)));
  const files = new Map([folder, ...found].flatMap((one) => [...one.files]));
  return { ...folder, files };
}

function reading<Result>(kit: SetFolder, file: string, { path }: Roots, work: (bytes: Uint8Array) => Result): Result {
  const found = fileOf('CARS', kit, file, join(path, kit.place));
  return readingFile('CARS', found.archive, () => work(readWhole(found, LARGEST)));
}

async function split(
  role: 'train' | 'test',
  folder: SetFolder,
  kit: SetFolder,
  classes: number,
  roots: Roots,
): Promise<Sample[]> {
  const wanted = reading(kit, FILES[role], roots, (bytes) =>
    readMatlabStructs(bytes, 'annotations').map((annotation, at) => {
      const { fname: key, class: numbers } = annotation;
      const label = Array.isArray(numbers) && numbers.length === 1 ? numbers[0] : NaN;
      if (typeof key !== 'string' || Number.isNaN(label))
        throw new ReasonError(reason('set.annotation', { row: at + 1 }));
      if (!Number.isInteger(label) || label < 1 || label > classes)
        throw new ReasonError(reason('set.list-row', { row: at + 1, name: 'annotations', got: label, last: classes }));
      return { key, label: label - 1 };
    }),
  );
  const place = { folder: `cars_${role}`, archive: new RegExp(`^cars_${role}$`, 'i') };
  const present = new Present('CARS', await imagesOf('CARS', folder, place, roots));
  const samples = present.samples(wanted);
  present.tell(roots);
  return samples;
}
