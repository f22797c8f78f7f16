import { reasonOf } from '../../protocol/errors.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeLinesAtomic } from '../../base/files.ts';
import { childPath } from './branch.ts';
import { leftByPrograms, PassedOver, type Counts } from './passed-over.ts';
import { listTar } from './tar.ts';
import { listZip, type ZipPlace } from './zip.ts';

/** Archives whose images are read in place. A compressed tar cannot be: there is no way into its middle. */
export const ARCHIVE = /\.(tar|zip)$/i;

/** Locates a file in an archive. */
export type ArchivePlace = Omit<ZipPlace, 'fault'>;

/** The content of an archive. Names are relative to it, the names of archives inside it being folders. */
export interface ArchiveScan {
  /** Its images, and the archives in it, in no order. */
  places: ArchivePlace[];
  /** Entries that are not used. */
  passed: PassedOver;
  /** Faults that kept something from being read: of the archive itself ('') or of one inside it. */
  faults: { name: string; reason: Reason }[];
}

/** Archives inside an archive that are looked through at the same time. */
const SCANNERS = 8;

/**
 * Finds the images of an archive and of the archives inside it, reading headers only. Even that is long on a slow disk
 * where an archive has a million images, so what was found is kept.
 * @param cache folder that keeps it, under the path, size and time of the archive; null to keep nothing.
 */
export async function lookThrough(path: string, cache: string | null): Promise<ArchiveScan> {
  const scan: ArchiveScan = { places: [], passed: new PassedOver(), faults: [] };
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size, mtimeMs } = await file.stat();
    const kept = cache === null ? null : keptPath(cache, path, size, mtimeMs);
    const known = kept && (await readKept(kept));
    if (known) return known;
    await scanArchive(file, { name: '', offset: 0, size }, path, scan);
    if (kept && scan.faults.length === 0) await keep(kept, scan);
  } catch (error) {
    scan.faults.push({ name: '', reason: reasonOf(error) });
  } finally {
    await file?.close();
  }
  return scan;
}

/** @param called tells by its end what kind of archive it is. */
async function scanArchive(file: FileHandle, place: ArchivePlace, called: string, scan: ArchiveScan): Promise<void> {
  const inner: ArchivePlace[] = [];
  const isOuter = place.name === '';
  const end = place.offset + place.size;
  try {
    const members = /\.zip$/i.test(called) ? listZip(file, place.offset, end) : listTar(file, place.offset, end);
    for await (const member of members) {
      const found = { ...member, name: childPath(place.name, cleanName(member.name)) };
      const isArchive = ARCHIVE.test(found.name);
      if (isLeft(found.name, scan.passed) || !(isArchive || scan.passed.isImage(found.name))) continue;
      const fault = faultOf(found, isArchive, isOuter);
      if (fault) scan.faults.push({ name: found.name, reason: fault });
      else if (isArchive) inner.push(found);
      else scan.places.push(found);
    }
  } catch (error) {
    scan.faults.push({ name: place.name, reason: reasonOf(error) });
  }
  const queue = inner.values();
  const scanner = async (): Promise<void> => {
    for (const archive of queue) {
      scan.places.push(archive);
      await scanArchive(file, archive, archive.name, scan);
    }
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
}

/** Whether another program left it there, or a folder that it lies in, which is counted once. */
function isLeft(name: string, passed: PassedOver): boolean {
  const parts = name.split('/');
  const at = parts.findIndex((part, index) => leftByPrograms(part, index < parts.length - 1));
  if (at < 0) return false;
  passed.junk(leftByPrograms(parts[at], at < parts.length - 1)!, parts.slice(0, at + 1).join('/'));
  return true;
}

function faultOf(place: ArchivePlace & { fault?: Reason | null }, isArchive: boolean, isOuter: boolean): Reason | null {
  if (place.fault) return place.fault;
  if (isArchive && !isOuter) return reason('archive.deep');
  if (isArchive && place.inflated !== undefined) return reason('archive.compressed');
  return null;
}

/** A member's name without `./`, `..` and leading slashes: it is a name in our lists, never a place on disk. */
function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.join('/');
}

const HEADER = '{"format":"stillhouse-archive","version":2}';

function keptPath(cache: string, path: string, size: number, time: number): string {
  const key = createHash('sha256').update(`${path}\n${size}\n${time}`).digest('hex').slice(0, 24);
  return join(cache, `${key}.jsonl`);
}

/** null when there is nothing, or nothing whole: the last line counts the others. */
async function readKept(path: string): Promise<ArchiveScan | null> {
  const bytes = await readFile(path).catch(() => null);
  if (!bytes) return null;
  const places: ArchivePlace[] = [];
  const passed = new PassedOver();
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
      if (typeof last === 'number') break;
      if (Array.isArray(last)) places.push(placeFrom(last as [string, number, number, number?]));
      else passed.add(last as Counts);
    }
  } catch {
    return null;
  }
  return last === places.length ? { places, passed, faults: [] } : null;
}

function placeFrom([name, offset, size, inflated]: [string, number, number, number?]): ArchivePlace {
  return inflated === undefined ? { name, offset, size } : { name, offset, size, inflated };
}

// Nothing depends on it: where it cannot be written, the archive is looked through again.
async function keep(path: string, { places, passed }: ArchiveScan): Promise<void> {
  const lines = function* (): Generator<string> {
    yield HEADER;
    yield JSON.stringify(passed.counts);
    for (const { name, offset, size, inflated } of places)
      yield JSON.stringify(inflated === undefined ? [name, offset, size] : [name, offset, size, inflated]);
    yield String(places.length);
  };
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeLinesAtomic(path, lines());
  } catch {
    return;
  }
}
