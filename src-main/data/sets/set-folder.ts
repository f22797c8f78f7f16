import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ByteSource } from '../../formats/source.ts';
import { reasonOf, StillhouseError } from '../../protocol/errors.ts';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { childPath } from '../layout/branch.ts';

/** One file of a data set: a file on disk, or a part of a tar archive that is read where it lies. */
export interface SetFile {
  /** On this machine. */
  path: string;
  /** The file on disk, relative to the data folder; absolute where it lies in the cache. */
  archive: string;
  offset: number;
  size: number;
}

/** A folder of a data set, with the files and folders directly inside. */
export interface SetFolder {
  /** Relative to the data folder; '' for the data folder itself. */
  place: string;
  /** Its own name, in lower case. */
  name: string;
  files: ReadonlyMap<string, SetFile>;
  folders: ReadonlySet<string>;
}

/** Opens a folder on disk; null where there is none. @throws StillhouseError `folder.unreadable` */
export async function setFolder(root: string, place: string): Promise<SetFolder | null> {
  const path = join(root, place);
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new StillhouseError('folder.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  });
  if (!entries) return null;
  const files = new Map<string, SetFile>();
  const folders = new Set<string>();
  for (const entry of entries) {
    const { name } = entry;
    const target = entry.isSymbolicLink() ? await stat(join(path, name)).catch(() => null) : entry;
    if (target?.isDirectory()) folders.add(name);
    // Sizes are asked for when a file is opened.
    else if (target?.isFile())
      files.set(name, { path: join(path, name), archive: childPath(place, name), offset: 0, size: -1 });
  }
  return { place, name: basename(path).toLowerCase(), files, folders };
}

/**
 * Opens a file for `work` alone, and returns the result of that.
 * @throws ReasonError where it cannot be read, and what `work` throws.
 */
export function withFile<Result>(file: SetFile, work: (source: ByteSource) => Result): Result {
  const handle = openSync(file.path, 'r');
  try {
    const size = file.size < 0 ? fstatSync(handle).size : file.size;
    return work({ size, read: (offset, length) => readPart(handle, file.offset + offset, length) });
  } finally {
    closeSync(handle);
  }
}

function readPart(handle: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = readSync(handle, bytes, at, length - at, offset + at);
    if (count === 0) throw new ReasonError(reason('file.shorter'));
    at += count;
  }
  return bytes;
}

/** Reads a whole file of at most `most` bytes. @throws ReasonError */
export function readWhole(file: SetFile, most: number): Uint8Array {
  return withFile(file, (source) => {
    if (source.size > most) throw new ReasonError(reason('file.too-large'));
    return source.read(0, source.size);
  });
}
