import { join } from 'node:path';
import { ARCHIVE, lookThrough } from './archive-scan.ts';
import { childPath, type Branch, type Roots } from './branch.ts';
import { compareCodePoints, sortByCodePoint } from './order.ts';

/** One folder inside an archive. */
interface TarFolder {
  folders: Map<string, TarFolder>;
  /** Archives directly inside, by name. */
  archives: Map<string, TarFolder>;
  images: Set<string>;
}

/**
 * Looks through an archive on disk and the archives inside it; where its images lie goes into the index. What cannot
 * be read of it becomes a warning. A lone folder that holds everything is passed through.
 */
export async function openArchive(roots: Roots, file: string): Promise<Branch> {
  const { path, index, warnings, archiveCache } = roots;
  const { places, faults } = await lookThrough(join(path, file), archiveCache);
  for (const { name, reason } of faults)
    warnings.add('data.unreadable', { path: (name ? childPath(file, name) : file) || path, reason });
  const folder = emptyFolder();
  for (const { name, offset, size } of places) {
    const [parent, base] = folderOf(folder, name);
    // An archive inside is named itself, so that it is known without images too.
    if (ARCHIVE.test(base)) innerFolder(parent, base);
    else {
      parent.images.add(base);
      index.set(childPath(file, name), { archive: file, offset, size });
    }
  }
  return tarBranch('', ...passThrough(folder, file));
}

function emptyFolder(): TarFolder {
  return { folders: new Map(), archives: new Map(), images: new Set() };
}

/** The folder that a member lies in, made where it is new, and its own name. */
function folderOf(root: TarFolder, name: string): [TarFolder, string] {
  const parts = name.split('/');
  const base = parts.pop()!;
  return [parts.reduce(innerFolder, root), base];
}

function innerFolder(folder: TarFolder, name: string): TarFolder {
  const siblings = ARCHIVE.test(name) ? folder.archives : folder.folders;
  const inner = siblings.get(name) ?? emptyFolder();
  siblings.set(name, inner);
  return inner;
}

// `flowers.tar` often holds everything in one folder `flowers/`.
function passThrough(folder: TarFolder, file: string): [file: string, folder: TarFolder] {
  const [only, ...others] = folder.folders;
  const inside = only && only[1].folders.size + only[1].archives.size;
  if (others.length > 0 || !inside || folder.images.size + folder.archives.size > 0) return [file, folder];
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
    images: () => Promise.resolve(imagesOf(file, folder)),
  };
}

function imagesOf(file: string, folder: TarFolder): string[] {
  const found: { file: string; folder: TarFolder }[] = [];
  const waiting = [{ file, folder }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    found.push(next);
    for (const [name, inner] of next.folder.folders) waiting.push({ file: childPath(next.file, name), folder: inner });
  }
  found.sort((a, b) => compareCodePoints(a.file, b.file));
  return found.flatMap(({ file, folder }) => sortByCodePoint([...folder.images]).map((name) => childPath(file, name)));
}
