import { basename, join } from 'node:path';
import { stat } from 'node:fs/promises';
import { BY_FOLDERS, DATA_SETS, type DataSetName } from '../../protocol/data-sets.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Reading } from '../../protocol/data-reading.ts';
import type { Roots } from '../layout/branch.ts';
import { COMPRESSED_TAR } from '../layout/plain-tar.ts';
import { splitName } from '../layout/split-names.ts';
import { CARS } from './cars.ts';
import { CIFAR } from './cifar.ts';
import { FLOWERS } from './flowers.ts';
import { INAT } from './inat.ts';
import { missing, unpackFirst, type FoundSet, type PublishedSet } from './published-set.ts';
import { tarFolders } from './set-archive.ts';
import { setFolder, type SetFolder } from './set-folder.ts';

/** Every data set that is read as published. To add one: a file beside this, its line here and in `DATA_SETS`. */
const SETS: readonly PublishedSet[] = [...CIFAR, FLOWERS, CARS, ...INAT];

/** Tar archives that hold a whole data set. */
const TAR = /^(cifar-100?)-(python|binary)\.(tar|tar\.gz|tgz)$/i;

/**
 * Recognises the published data set in a folder or a tar archive: the one that a person named, or the only one that
 * fits. Returns null where the folder is to be read by its folders and lists.
 * @throws StillhouseError `data.set-missing`, `data.set-packed` for one that was named and is not there;
 * `data.set-several`, `data.set-or-folders` where that can be read in two ways.
 */
export async function findSet(roots: Roots, reading: Reading): Promise<FoundSet | null> {
  if (isOfFolders(reading)) return null;
  const top = await folderAt(roots.path);
  const wanted = SETS.filter(({ name }) => reading.set === null || reading.set === name);
  const found = await setsIn(roots, top, wanted);
  if (reading.set !== null && found.length === 0) throw absent(roots, top, wanted[0]);
  const names = [...new Set(found.map(({ name }) => name))];
  if (names.length > 1) {
    const [first, second] = names.map((name) => `set=${name}`);
    const sets = names.map((name) => `${DATA_SETS[name]} (${name})`).join(', ');
    throw new StillhouseError('data.set-several', { path: roots.path, sets, first, second });
  }
  const [set, ...others] = found;
  if (!set) return null;
  if (reading.set === null) assertAlone(roots, top, set);
  if (others.length > 0)
    roots.notes.add('data.set-same', { places: others.map(({ place }) => place || '.').join(', ') });
  return set;
}

/** Whether a person said something of folders, which a published set has not. */
function isOfFolders({ set, classes, labels, list, train }: Reading): boolean {
  if (set === BY_FOLDERS || classes || labels !== null || list !== null) return true;
  return train !== null && set === null && !SPLITS.test(train);
}

/** Lists of Flowers-102 that a person may name as splits. */
const SPLITS = /^(trnid|valid|tstid)(\+(trnid|valid|tstid))*$/;

async function folderAt(path: string): Promise<SetFolder> {
  const isFile = (await stat(path).catch(() => null))?.isFile() === true;
  const folder = isFile ? null : await setFolder(path, '');
  return folder ?? { place: '', name: basename(path).toLowerCase(), files: new Map(), folders: new Set() };
}

async function setsIn(roots: Roots, top: SetFolder, wanted: readonly PublishedSet[]): Promise<FoundSet[]> {
  const { path } = roots;
  const inside = [...top.folders].filter((name) => wanted.some(({ homes }) => homes.includes(name.toLowerCase())));
  // The data folder may be the home of a set itself.
  const folders = [top, ...(await Promise.all(inside.map((name) => setFolder(path, name))))];
  const among = (places: readonly (SetFolder | null)[]): FoundSet[] =>
    wanted.flatMap((set) => places.flatMap((folder) => (folder && set.find(folder)) ?? []));
  const found = among(folders);
  // Of a folder and an archive, the archive is most likely what the folder was unpacked from.
  if (found.length > 0) return found;
  for (const { name, set } of tarsIn(top, wanted)) found.push(...among(await tarFolders(set, name, roots)));
  return found;
}

/** The archives to look into: of a set that several hold one that is not compressed, else the Python edition. */
function tarsIn(top: SetFolder, wanted: readonly PublishedSet[]): { name: string; set: DataSetName }[] {
  const isFile = TAR.test(top.name) && top.files.size === 0;
  const names = isFile ? [top.name] : [...top.files.keys()].filter((name) => TAR.test(name));
  const rank = (name: string): string => `${COMPRESSED_TAR.test(name) ? 1 : 0}${/python/i.test(name) ? 0 : 1}`;
  names.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return wanted.flatMap(({ name: set }) => {
    const own = names.find((name) => TAR.exec(name)![1].toUpperCase().replace('-', '') === set);
    return own === undefined ? [] : [{ name: isFile ? '' : own, set }];
  });
}

function absent(roots: Roots, top: SetFolder, { name, wanted }: PublishedSet): StillhouseError {
  return (
    packedSet(roots.path, top.files.size > 0 ? [...top.files.keys()] : [], name) ?? missing(name, roots.path, wanted)
  );
}

/**
 * Says what to do with compressed archives of a data set that is not there otherwise; null where there are none.
 * @param path the data folder with the names of its files, or an archive without.
 */
export function packedSet(path: string, files: readonly string[], name?: DataSetName): StillhouseError | null {
  const names = files.length > 0 ? files : [basename(path)];
  for (const set of SETS) {
    const archives = names.filter((file) => set.packed.test(file)).sort();
    if (archives.length === 0 || (name ?? set.name) !== set.name) continue;
    if (!set.isHuge) return missing(set.name, path, set.wanted);
    return unpackFirst(set.name, archives.map((file) => (files.length > 0 ? join(path, file) : path))); // prettier-ignore
  }
  return null;
}

/** @throws StillhouseError `data.set-or-folders` when a training split lies beside the set. */
function assertAlone(roots: Roots, top: SetFolder, { name, place }: FoundSet): void {
  const folder = [...top.folders].find((one) => splitName(one)?.role === 'train' && splitName(one)?.exact);
  if (folder === undefined) return;
  const params = { set: DATA_SETS[name], path: place || roots.path, folder };
  throw new StillhouseError('data.set-or-folders', { ...params, first: `set=${name}`, second: `set=${BY_FOLDERS}` });
}
