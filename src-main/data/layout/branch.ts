import type { ArchiveIndex } from './archive-index.ts';
import type { Warnings } from '../check/warnings.ts';
import type { PassedOver } from './passed-over.ts';

/** A folder of a data set, on disk or inside an archive: an archive is a folder too. */
export interface Branch {
  /** Without the `.tar` of an archive. */
  name: string;
  /** Its place relative to the data folder, with `/`; '' for the data folder itself. */
  file: string;
  isArchive: boolean;
  /** Folders, and archives, directly inside; not those that other programs left there. */
  branches(): Promise<Branch[]>;
  /** Names of the images directly inside. */
  loose(): Promise<string[]>;
  /** Files of images at any depth, relative to the data folder: sorted by folder, then name. */
  images(): Promise<string[]>;
}

/** The parts that all branches of one data set share. */
export interface Roots {
  /** The data folder, or the archive that is the data set. */
  path: string;
  index: ArchiveIndex;
  /** Faults of the data. */
  warnings: Warnings;
  /** Notes on how things were taken. */
  notes: Warnings;
  passed: PassedOver;
  /** Folder that keeps what archives hold, or null. */
  archiveCache: string | null;
}

/**
 * Finds the classes among branches: folders, or where there are none archives. An archive beside folders most likely
 * holds the same files.
 */
export function classBranches(branches: readonly Branch[]): Branch[] {
  const folders = branches.filter(({ isArchive }) => !isArchive);
  return folders.length > 0 ? folders : [...branches];
}

/** Joins a folder of the data set and a name in it to a path relative to the data folder. */
export function childPath(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}
