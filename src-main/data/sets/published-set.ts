import { dirname } from 'node:path';
import type { Reading } from '../../protocol/data-reading.ts';
import { DATA_SETS, type DataSetName } from '../../protocol/data-sets.ts';
import { reasonOf, StillhouseError } from '../../protocol/errors.ts';
import type { Roots } from '../layout/branch.ts';
import type { Sample } from '../layout/sample.ts';
import type { SetFile, SetFolder } from './set-folder.ts';

/** A data set that is read as its authors publish it. */
export interface PublishedSet {
  name: DataSetName;
  /** Folders, beside the data folder itself, in which it lies when unpacked, in lower case. */
  homes: readonly string[];
  /** A file that has to be there, for those who look for it in vain. */
  wanted: string;
  /** Compressed archives that it is published as. */
  packed: RegExp;
  /** They are too large to take their compression away without being asked. */
  isHuge?: boolean;
  /** The set in one of these folders; null where none of its files are. */
  find(folder: SetFolder): FoundSet | null;
}

/** A data set that was recognised and not yet read. */
export interface FoundSet {
  name: DataSetName;
  /** Where, relative to the data folder. */
  place: string;
  read(roots: Roots, reading: Reading): Promise<SetListing> | SetListing;
}

/** The images of a data set, in the order and with the numbers of its authors. */
export interface SetListing {
  classes: string[];
  train: Sample[];
  val: Sample[];
  /** The files or lists that train and val were read from. */
  from: readonly [train: string, val: string];
  /** Names of the classes in both languages, where they are ours. */
  titles?: ReadonlyMap<string, { en: string; zh: string }>;
}

/**
 * Runs `work` on a file and returns its result.
 * @throws StillhouseError `data.set-file` saying why it can make nothing of it.
 */
export function readingFile<Result>(name: DataSetName, file: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw fileError(name, file, error);
  }
}

/** Makes the error of a file that differs from the file of its data set. */
export function fileError(name: DataSetName, file: string, error: unknown): StillhouseError {
  // What the readers of formats say of a file is the reason here.
  const known = error instanceof StillhouseError && error.code !== 'data.set-file' ? error.params.reason : undefined;
  if (error instanceof StillhouseError && known === undefined) return error;
  const params = { set: DATA_SETS[name], file, reason: known ?? reasonOf(error) };
  return new StillhouseError('data.set-file', params, { cause: error });
}

/** Finds a file of a folder. @throws StillhouseError `data.set-missing` */
export function fileOf(name: DataSetName, folder: SetFolder, wanted: string, path: string): SetFile {
  const file = folder.files.get(wanted);
  if (!file) throw missing(name, path, wanted);
  return file;
}

/** Makes the error of archives that a person has to unpack, with the command. */
export function unpackFirst(name: DataSetName, archives: readonly string[]): StillhouseError {
  const quoted = (path: string): string => (/^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
  const command = archives.map((path) => `tar -xzf ${quoted(path)} -C ${quoted(dirname(path))}`).join(' && ');
  return new StillhouseError('data.set-packed', { set: DATA_SETS[name], path: archives[0], command });
}

export function missing(name: DataSetName, path: string, wanted: string): StillhouseError {
  return new StillhouseError('data.set-missing', { set: DATA_SETS[name], path, wanted });
}
