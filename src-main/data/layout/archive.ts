import { join } from 'node:path';
import { ARCHIVE, lookThrough } from './archive-scan.ts';
import { childPath, type Branch, type Roots } from './branch.ts';
import { compareCodePoints, sortByCodePoint } from '../../base/name-order.ts';

/** One folder inside an archive. */
interface ArchiveFolder {
  folders: Map<string, ArchiveFolder>;
  /** Archives directly inside, by name. */
  archives: Map<string, ArchiveFolder>;
  images: Set<string>;
}

/**
 * Looks through an archive on disk and the archives inside it; where its images lie goes into the index. What cannot
 * be read of it becomes a warning.
 * @param plain the tar that is read in its place, where it is compressed.
 */
export async function openArchive(roots: Roots, file: string, plain?: string): Promise<Branch> {
  const { path, index, warnings, archiveCache } = roots;
  const { places, passed, faults } = await lookThrough(plain ?? join(path, file), archiveCache);
  for (const { name, reason } of faults)
    warnings.add('data.unreadable', { path: (name ? childPath(file, name) : file) || path, reason });
  roots.passed.add(passed.counts);
  const folder = emptyFolder();
  for (const { name, ...place } of places) {
    const [parent, base] = folderOf(folder, name);
    // An archive inside is named itself, so that it is known without images too.
    if (ARCHIVE.test(base)) innerFolder(parent, base);
    else {
      parent.images.add(base);
      index.set(childPath(file, name), { archive: plain ?? file, ...place });
    }
  }
  return archiveFolder('', file, folder);
}

function emptyFolder(): ArchiveFolder {
  return { folders: new Map(), archives: new Map(), images: new Set() };
}

/** The folder that a member lies in, made where it is new, and its own name. */
function folderOf(root: ArchiveFolder, name: string): [ArchiveFolder, string] {
  const parts = name.split('/');
  const base = parts.pop()!;
  return [parts.reduce(innerFolder, root), base];
}

function innerFolder(folder: ArchiveFolder, name: string): ArchiveFolder {
  const siblings = ARCHIVE.test(name) ? folder.archives : folder.folders;
  const inner = siblings.get(name) ?? emptyFolder();
  siblings.set(name, inner);
  return inner;
}

function archiveFolder(name: string, file: string, folder: ArchiveFolder, isArchive = false): Branch {
  const children = [
    ...[...folder.folders].map(([name, inner]) => archiveFolder(name, childPath(file, name), inner)),
    ...[...folder.archives].map(([name, inner]) =>
      archiveFolder(name.replace(ARCHIVE, ''), childPath(file, name), inner, true),
    ),
  ];
  return {
    name,
    file,
    isArchive,
    branches: () => Promise.resolve(children),
    loose: () => Promise.resolve([...folder.images]),
    images: () => Promise.resolve(imagesOf(file, folder)),
  };
}

function imagesOf(file: string, folder: ArchiveFolder): string[] {
  const found: { file: string; folder: ArchiveFolder }[] = [];
  const waiting = [{ file, folder }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    found.push(next);
    for (const [name, inner] of next.folder.folders) waiting.push({ file: childPath(next.file, name), folder: inner });
  }
  found.sort((a, b) => compareCodePoints(a.file, b.file));
  return found.flatMap(({ file, folder }) => sortByCodePoint([...folder.images]).map((name) => childPath(file, name)));
}
