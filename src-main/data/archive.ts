import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { childPath, PICTURE, type Branch, type Roots } from './branch.ts';
import { compareCodePoints, sortByCodePoint } from './order.ts';
import { reasonOf } from './read-file.ts';
import { listTar, type TarPlace } from './tar.ts';

/** Archives whose pictures are read in place. Compressed ones cannot be: there is no way into their middle. */
export const ARCHIVE = /\.tar$/i;

/** Where a picture lies inside an archive on disk. */
export interface PicturePlace {
  /** The archive, relative to the data folder; '' where it is the data set itself. */
  archive: string;
  offset: number;
  size: number;
}

/** Places of pictures by file, such as `train.tar/n01440764.tar/n01440764_18.JPEG`: about 150 bytes of memory each. */
export class ArchiveIndex {
  private readonly archives: string[] = [];
  private readonly archiveNumbers = new Map<string, number>();
  private readonly numbers = new Map<string, number>();
  private readonly owners: number[] = [];
  private readonly offsets: number[] = [];
  private readonly sizes: number[] = [];

  get size(): number {
    return this.numbers.size;
  }

  get(file: string): PicturePlace | undefined {
    const number = this.numbers.get(file);
    if (number === undefined) return undefined;
    const { archives, owners, offsets, sizes } = this;
    return { archive: archives[owners[number]], offset: offsets[number], size: sizes[number] };
  }

  set(file: string, { archive, offset, size }: PicturePlace): void {
    const owner = this.archiveNumbers.get(archive) ?? this.archives.push(archive) - 1;
    this.archiveNumbers.set(archive, owner);
    const known = this.numbers.get(file);
    const number = known ?? this.owners.length;
    // A name that comes twice means the last, as when it is unpacked.
    if (known === undefined) this.numbers.set(file, number);
    this.owners[number] = owner;
    this.offsets[number] = offset;
    this.sizes[number] = size;
  }
}

/** Archives inside an archive that are looked through at the same time. */
const SCANNERS = 8;

/** One folder inside an archive. */
interface TarFolder {
  folders: Map<string, TarFolder>;
  /** Archives directly inside, by name. */
  archives: Map<string, TarFolder>;
  pictures: Set<string>;
}

/**
 * Looks through an archive on disk and the archives inside it; where its pictures lie goes into the index. What cannot
 * be read of it becomes a warning. A lone folder that holds everything is passed through.
 */
export async function openArchive(roots: Roots, file: string): Promise<Branch> {
  const { path, warnings } = roots;
  const folder = emptyFolder();
  let handle: FileHandle | undefined;
  try {
    handle = await open(join(path, file), 'r');
    const { size } = await handle.stat();
    await lookThrough({ roots, handle, archive: file }, folder, { name: file, offset: 0, size }, true);
  } catch (error) {
    warnings.add('data.unreadable', { path: file || path, reason: reasonOf(error) });
  } finally {
    await handle?.close();
  }
  return tarBranch('', ...passThrough(folder, file));
}

interface Source {
  roots: Roots;
  handle: FileHandle;
  archive: string;
}

async function lookThrough(source: Source, into: TarFolder, place: TarPlace, nested: boolean): Promise<void> {
  const { roots, handle, archive } = source;
  const inner: TarPlace[] = [];
  try {
    for await (const member of listTar(handle, place.offset, place.offset + place.size)) {
      const name = cleanName(member.name);
      if (nested && ARCHIVE.test(name)) inner.push({ ...member, name });
      if (!PICTURE.test(name)) continue;
      const [folder, base] = folderOf(into, name);
      folder.pictures.add(base);
      roots.index.set(childPath(place.name, name), { archive, offset: member.offset, size: member.size });
    }
  } catch (error) {
    roots.warnings.add('data.unreadable', { path: place.name || roots.path, reason: reasonOf(error) });
  }
  const queue = inner.values();
  const scanner = async (): Promise<void> => {
    for (const member of queue) {
      const [folder, base] = folderOf(into, member.name);
      const found = emptyFolder();
      folder.archives.set(base, found);
      await lookThrough(source, found, { ...member, name: childPath(place.name, member.name) }, false);
    }
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
}

/** A member's name without `./`, `..` and leading slashes: it is a name in our lists, never a place on disk. */
function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.join('/');
}

function emptyFolder(): TarFolder {
  return { folders: new Map(), archives: new Map(), pictures: new Set() };
}

/** The folder that a member lies in, made where it is new, and its own name. */
function folderOf(root: TarFolder, name: string): [TarFolder, string] {
  const parts = name.split('/');
  const base = parts.pop()!;
  let folder = root;
  for (const part of parts) {
    const next = folder.folders.get(part) ?? emptyFolder();
    folder.folders.set(part, next);
    folder = next;
  }
  return [folder, base];
}

// `flowers.tar` often holds everything in one folder `flowers/`.
function passThrough(folder: TarFolder, file: string): [file: string, folder: TarFolder] {
  const [only, ...others] = folder.folders;
  const inside = only && only[1].folders.size + only[1].archives.size;
  if (others.length > 0 || !inside || folder.pictures.size + folder.archives.size > 0) return [file, folder];
  return passThrough(only[1], childPath(file, only[0]));
}

function tarBranch(name: string, file: string, folder: TarFolder, isArchive = false): Branch {
  const children = [
    ...[...folder.folders].map(([name, inner]) => tarBranch(name, childPath(file, name), inner)),
    ...[...folder.archives].map(([name, inner]) =>
      tarBranch(name.replace(ARCHIVE, ''), childPath(file, name), inner, true),
    ),
  ];
  return {
    name,
    file,
    isArchive,
    branches: () => Promise.resolve(children),
    pictures: () => Promise.resolve(picturesOf(file, folder)),
  };
}

function picturesOf(file: string, folder: TarFolder): string[] {
  const found: { file: string; folder: TarFolder }[] = [];
  const waiting = [{ file, folder }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    found.push(next);
    for (const [name, inner] of next.folder.folders) waiting.push({ file: childPath(next.file, name), folder: inner });
  }
  found.sort((a, b) => compareCodePoints(a.file, b.file));
  return found.flatMap(({ file, folder }) =>
    sortByCodePoint([...folder.pictures]).map((name) => childPath(file, name)),
  );
}
