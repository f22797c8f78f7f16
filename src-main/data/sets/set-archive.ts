import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readableBytes } from '../../base/bytes.ts';
import type { DataSetName } from '../../protocol/data-sets.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { childPath, type Roots } from '../layout/branch.ts';
import { COMPRESSED_TAR, plainTar } from '../layout/plain-tar.ts';
import { listTar } from '../layout/tar.ts';
import { fileError } from './published-set.ts';
import type { SetFile, SetFolder } from './set-folder.ts';

/**
 * Takes the compression of a data set's archive away into the cache, and notes it.
 * @param file the archive, relative to the data folder; '' where it is the data folder.
 * @returns the path of the plain tar; undefined where the archive is one itself.
 * @throws StillhouseError `data.compressed-tar` without a cache; `data.set-file`, `disk.full`, `disk.denied`.
 */
export async function plainTarOf(name: DataSetName, file: string, roots: Roots): Promise<string | undefined> {
  const path = join(roots.path, file);
  if (!COMPRESSED_TAR.test(path)) return undefined;
  if (roots.archiveCache === null) throw new StillhouseError('data.compressed-tar', { path });
  try {
    const plain = await plainTar(path, roots.archiveCache);
    roots.notes.add('data.unpacked', { archive: file || path, size: readableBytes(plain.bytes), place: plain.path });
    return plain.path;
  } catch (error) {
    throw fileError(name, file || path, error);
  }
}

/** Folders of a data set's archive that hold files, each with its files. Throws as {@link plainTarOf}. */
export async function tarFolders(name: DataSetName, archive: string, roots: Roots): Promise<SetFolder[]> {
  const plain = await plainTarOf(name, archive, roots);
  const path = plain ?? join(roots.path, archive);
  const found = new Map<string, Map<string, SetFile>>();
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for await (const { name, offset, size: bytes } of listTar(file, 0, size)) {
      const parts = name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
      const base = parts.pop() ?? '';
      const folder = childPath(archive, parts.join('/'));
      const files = found.get(folder) ?? new Map<string, SetFile>();
      found.set(folder, files.set(base, { path, archive: plain ?? archive, offset, size: bytes }));
    }
  } finally {
    await file.close();
  }
  const folders = new Set<string>();
  return [...found].map(([place, files]) => ({ place, name: basename(place).toLowerCase(), files, folders }));
}
