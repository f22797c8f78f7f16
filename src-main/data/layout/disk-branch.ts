import type { Dirent } from 'node:fs';
import { opendir, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { openArchive } from './archive.ts';
import { ARCHIVE } from './archive-scan.ts';
import { childPath, type Branch, type Roots } from './branch.ts';
import { IMAGE } from './image-name.ts';
import { compareCodePoints, sortByCodePoint } from '../../base/name-order.ts';
import { leftByPrograms } from './passed-over.ts';

/** Makes a branch for a folder on disk; its entries are read on demand. */
export function diskBranch(roots: Roots, name: string, file: string): Branch {
  let read: Promise<Entry[]> | undefined;
  const entries = (): Promise<Entry[]> =>
    (read ??= entriesOf(join(roots.path, file)).then((found) => {
      for (const { name, kind } of found) roots.passed.entry(name, childPath(file, name), kind === 'folder');
      return found;
    }));
  return {
    name,
    file,
    isArchive: false,
    branches: async () => {
      const usable = (await entries()).filter(({ name, kind }) => !leftByPrograms(name, kind === 'folder'));
      return usable.flatMap(({ name, kind }): Branch[] => {
        if (kind === 'folder') return [diskBranch(roots, name, childPath(file, name))];
        return ARCHIVE.test(name) ? [archiveBranch(roots, childPath(file, name))] : [];
      });
    },
    loose: async () => {
      const files = (await entries()).filter(({ kind }) => kind === 'file').map(({ name }) => name);
      return files.filter((name) => IMAGE.test(name) && !leftByPrograms(name, false));
    },
    images: () => scanFolders(roots, file),
  };
}

/**
 * Makes a branch for an archive on disk, which is read through once, on demand.
 * @param plain the tar that is read in its place, where it is compressed.
 */
export function archiveBranch(roots: Roots, file: string, plain?: string): Branch {
  let opened: Promise<Branch> | undefined;
  const open = (): Promise<Branch> => (opened ??= openArchive(roots, file, plain));
  return {
    name: (file || roots.path).replace(/^.*\//, '').replace(ARCHIVE, ''),
    file,
    isArchive: true,
    branches: async () => (await open()).branches(),
    loose: async () => (await open()).loose(),
    images: async () => (await open()).images(),
  };
}

interface Entry {
  name: string;
  kind: 'folder' | 'file';
}

/** Folders and files of a folder, links followed. @throws StillhouseError `data.no-folder`, `folder.unreadable`. */
async function entriesOf(path: string): Promise<Entry[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new StillhouseError('data.no-folder', { path }, { cause: error });
    throw new StillhouseError('folder.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  });
  const kinds = await Promise.all(entries.map((entry) => kindOf(path, entry)));
  return entries.flatMap(({ name }, at) => {
    const kind = kinds[at];
    return kind ? [{ name, kind }] : [];
  });
}

async function kindOf(path: string, entry: Dirent): Promise<Entry['kind'] | null> {
  const target = entry.isSymbolicLink() ? await stat(join(path, entry.name)).catch(() => null) : entry;
  if (target?.isDirectory()) return 'folder';
  return target?.isFile() ? 'file' : null;
}

/** Images under a folder at any depth, links followed, each real folder once. */
async function scanFolders(roots: Roots, folder: string): Promise<string[]> {
  const found: FoundFolder[] = [];
  const links: string[] = [];
  const visit = async (start: string, isNew?: (folder: string) => Promise<boolean>): Promise<void> => {
    const waiting = [start];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (isNew && !(await isNew(next))) continue;
      const { files, folders, linked } = await tryScan(roots, next);
      found.push({ folder: next, files });
      // The last is taken next: in this order a folder that several links lead to is found by the same one each time.
      for (const inner of sortByCodePoint(folders).reverse()) waiting.push(inner);
      for (const link of linked) links.push(link);
    }
  };
  await visit(folder);
  if (links.length > 0) await followLinks(roots.path, links, found, visit);
  found.sort((a, b) => compareCodePoints(a.folder, b.folder));
  return found.flatMap(({ folder, files }) => sortByCodePoint(files).map((name) => childPath(folder, name)));
}

interface FoundFolder {
  folder: string;
  files: string[];
}

// Only a link can lead to a folder twice, so real paths are asked for only where there are links.
async function followLinks(
  path: string,
  links: string[],
  found: readonly FoundFolder[],
  visit: (folder: string, isNew: (folder: string) => Promise<boolean>) => Promise<void>,
): Promise<void> {
  const real = (folder: string): Promise<string | null> => realpath(join(path, folder)).catch(() => null);
  const seen = new Set<string | null>([null]);
  for (const { folder } of found) seen.add(await real(folder));
  const isNew = async (folder: string): Promise<boolean> => {
    const place = await real(folder);
    if (seen.has(place)) return false;
    seen.add(place);
    return true;
  };
  sortByCodePoint(links);
  for (let link = links.shift(); link !== undefined; link = links.shift()) await visit(link, isNew);
}

interface Scan {
  files: string[];
  /** Folders inside, relative to the data folder; those that links lead to are in `linked`. */
  folders: string[];
  linked: string[];
}

async function tryScan(roots: Roots, folder: string): Promise<Scan> {
  try {
    return await scanFolder(roots, folder);
  } catch (error) {
    roots.warnings.add('data.unreadable', { path: folder, reason: reasonOf(error) });
    return { files: [], folders: [], linked: [] };
  }
}

async function scanFolder({ path, warnings, passed }: Roots, folder: string): Promise<Scan> {
  const scan: Scan = { files: [], folders: [], linked: [] };
  const place = (name: string): string => childPath(folder, name);
  // Entry by entry: a folder of a million files must not stall whoever shares this thread.
  for await (const entry of await opendir(join(path, folder), { bufferSize: 256 })) {
    const { name } = entry;
    if (entry.isDirectory()) {
      const left = leftByPrograms(name, true);
      if (left) passed.junk(left, place(name));
      else scan.folders.push(place(name));
    } else if (entry.isSymbolicLink()) {
      const target = await stat(join(path, folder, name)).catch(() => null);
      if (target?.isDirectory()) scan.linked.push(place(name));
      // A broken link stays in the list when named like an image: the check then reports it by name.
      else if (passed.isImage(place(name)) && (target === null || target.isFile())) scan.files.push(name);
    } else if (!entry.isFile()) {
      if (IMAGE.test(name)) warnings.add('data.unreadable', { path: place(name), reason: reason('file.not-file') });
    } else if (passed.isImage(place(name))) scan.files.push(name);
  }
  return scan;
}
