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

/** What all branches of one data set share. */
export interface Roots {
  /** The data folder, or the archive that is the data set. */
  path: string;
  index: ArchiveIndex;
  /** What is wrong. */
  warnings: Warnings;
  /** What was taken how. */
  notes: Warnings;
  passed: PassedOver;
  /** Folder that keeps what archives hold, or null. */
  archiveCache: string | null;
}

/**
 * Classes among branches: folders, or where there are none archives, because an archive beside the folders is most
 * likely what they were unpacked from.
 */
export function classBranches(branches: readonly Branch[]): Branch[] {
  const folders = branches.filter(({ isArchive }) => !isArchive);
  return folders.length > 0 ? folders : [...branches];
}

/** The place of something in a folder of the data set, relative to the data folder. */
export function childPath(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}
