import { createHash } from 'node:crypto';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeLinesAtomic } from '../../base/files.ts';
import { childPath, IMAGE } from './branch.ts';
import { reasonOf } from './read-file.ts';
import { listTar, type TarPlace } from './tar.ts';

/** Archives whose images are read in place. Compressed ones cannot be: there is no way into their middle. */
export const ARCHIVE = /\.tar$/i;

/** What an archive holds. Names are relative to it, the names of archives inside it being folders. */
export interface ArchiveScan {
  /** Its images, and the archives in it, in no order. */
  places: TarPlace[];
  /** What could not be read: of the archive itself ('') or of one inside it. */
  faults: { name: string; reason: string }[];
}

/** Archives inside an archive that are looked through at the same time. */
const SCANNERS = 8;

/**
 * Finds the images of an archive and of the archives inside it, reading headers only. Even that is long on a slow disk
 * where an archive has a million images, so what was found is kept.
 * @param cache folder that keeps it, under the path, size and time of the archive; null to keep nothing.
 */
export async function lookThrough(path: string, cache: string | null): Promise<ArchiveScan> {
  const scan: ArchiveScan = { places: [], faults: [] };
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size, mtimeMs } = await file.stat();
    const kept = cache === null ? null : keptPath(cache, path, size, mtimeMs);
    const known = kept && (await readKept(kept));
    if (known) return { places: known, faults: [] };
    await scanTar(file, { name: '', offset: 0, size }, scan, true);
    if (kept && scan.faults.length === 0) await keep(kept, scan.places);
  } catch (error) {
    scan.faults.push({ name: '', reason: reasonOf(error) });
  } finally {
    await file?.close();
  }
  return scan;
}

async function scanTar(file: FileHandle, place: TarPlace, scan: ArchiveScan, nested: boolean): Promise<void> {
  const inner: TarPlace[] = [];
  try {
    for await (const { name, offset, size } of listTar(file, place.offset, place.offset + place.size)) {
      const found = { name: childPath(place.name, cleanName(name)), offset, size };
      if (nested && ARCHIVE.test(name)) inner.push(found);
      if (IMAGE.test(name)) scan.places.push(found);
    }
  } catch (error) {
    scan.faults.push({ name: place.name, reason: reasonOf(error) });
  }
  const queue = inner.values();
  const scanner = async (): Promise<void> => {
    for (const archive of queue) {
      scan.places.push(archive);
      await scanTar(file, archive, scan, false);
    }
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
}

/** A member's name without `./`, `..` and leading slashes: it is a name in our lists, never a place on disk. */
function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.join('/');
}

const HEADER = '{"format":"stillhouse-archive","version":1}';

function keptPath(cache: string, path: string, size: number, time: number): string {
  const key = createHash('sha256').update(`${path}\n${size}\n${time}`).digest('hex').slice(0, 24);
  return join(cache, `${key}.jsonl`);
}

/** null when there is nothing, or nothing whole: the last line counts the others. */
async function readKept(path: string): Promise<TarPlace[] | null> {
  const bytes = await readFile(path).catch(() => null);
  if (!bytes) return null;
  const places: TarPlace[] = [];
  let last: unknown = null;
  try {
    // Line by line: as one text, a file of millions of lines is larger than a string may be.
    for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
      end = bytes.indexOf(10, start);
      if (end < 0) return null;
      const line = bytes.toString('utf8', start, end);
      if (start === 0 && line !== HEADER) return null;
      if (start === 0) continue;
      last = JSON.parse(line);
      if (!Array.isArray(last)) break;
      const [name, offset, size] = last as [string, number, number];
      places.push({ name, offset, size });
    }
  } catch {
    return null;
  }
  return last === places.length ? places : null;
}

// Nothing depends on it: where it cannot be written, the archive is looked through again.
async function keep(path: string, places: readonly TarPlace[]): Promise<void> {
  const lines = function* (): Generator<string> {
    yield HEADER;
    for (const { name, offset, size } of places) yield JSON.stringify([name, offset, size]);
    yield String(places.length);
  };
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeLinesAtomic(path, lines());
  } catch {
    return;
  }
}
