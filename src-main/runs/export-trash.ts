import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { diskError, syncToDisk, writeFileAtomic } from '../base/files.ts';
import { moveNow, removeNow } from '../base/moves.ts';
import { checkFile } from './export-check-file.ts';
import { exportsFolder, sizeOnDisk } from './run-folder.ts';

/**
 * Exports in the trash. They lie in `.trashed-<time>` beside where they were, so that each file is one rename away on
 * any disk, and the run's `exports/trashed.json` tells of them. The file that is listed goes first and comes back last:
 * where something broke off in between, it can be taken back.
 */

/** An export in the trash. */
export interface TrashedExport {
  /** Its name in the trash, which {@link restoreExport} takes. */
  name: string;
  /** Where it was. */
  path: string;
  time: number;
  bytes: number;
}

interface Kept {
  path: string;
  time: number;
  /** Names of all its files, the one at `path` first. */
  files: string[];
}

/** Tells whether a name belongs to an export in the trash. */
export function isTrashedExport(name: string): boolean {
  return /^export-\d+$/.test(name);
}

/**
 * Puts an export into the trash.
 * @param files all that hold its arrays.
 * @throws StillhouseError `disk.denied`, `disk.full`
 */
export function trashExport(run: string, path: string, files: readonly string[], now = Date.now()): void {
  const before = read(run);
  let time = now;
  // The time is its name, in the run and beside the file.
  while (before.some((kept) => kept.time === time) || existsSync(keptFolder({ path, time }))) time++;
  const beside = [path, ...files, checkFile(path)].filter((file) => dirname(file) === dirname(path));
  const names = [...new Set(beside)].filter((file) => existsSync(file)).map((file) => basename(file));
  const folder = keptFolder({ path, time });
  doing(path, () => {
    mkdirSync(exportsFolder(run), { recursive: true });
    mkdirSync(folder);
    write(run, [...before, { path, time, files: names }]);
    for (const name of names) moveNow(join(dirname(path), name), join(folder, name));
    syncToDisk(dirname(path));
  });
}

/** Lists the exports in a run's trash that can be taken back, the latest deleted first. */
export function trashedExports(run: string): TrashedExport[] {
  const present = read(run).filter((kept) => existsSync(join(keptFolder(kept), kept.files[0])));
  const found = present.map((kept) => ({ name: nameOf(kept), path: kept.path, time: kept.time, bytes: bytesOf(kept) }));
  return found.sort((one, other) => other.time - one.time);
}

/** Takes an export out of the trash. @throws StillhouseError `file.missing`, `file.exists`, `disk.denied` */
export function restoreExport(run: string, name: string): void {
  const kept = keptIn(run, name);
  const [from, to] = [keptFolder(kept), dirname(kept.path)];
  const files = kept.files.filter((file) => existsSync(join(from, file))).reverse();
  const taken = files.map((file) => join(to, file)).find((path) => existsSync(path));
  if (taken !== undefined) throw new StillhouseError('file.exists', { path: taken });
  doing(kept.path, () => {
    for (const file of files) moveNow(join(from, file), join(to, file));
    syncToDisk(to);
  });
  forget(run, kept);
}

/** Removes an export in the trash for good. @returns its bytes. @throws StillhouseError `file.missing`, `disk.denied` */
export function emptyExport(run: string, name: string): number {
  const kept = keptIn(run, name);
  const bytes = bytesOf(kept);
  // The first last, so that a removal cut short can be repeated.
  doing(kept.path, () => {
    for (const file of [...kept.files].reverse()) removeNow(join(keptFolder(kept), file));
  });
  forget(run, kept);
  return bytes;
}

function forget(run: string, gone: Kept): void {
  doing(gone.path, () => {
    write(
      run,
      read(run).filter((kept) => nameOf(kept) !== nameOf(gone)),
    );
    // Something else that lies in it stays.
    if (existsSync(keptFolder(gone))) removeEmpty(keptFolder(gone));
  });
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

function keptIn(run: string, name: string): Kept {
  const kept = read(run).find((one) => nameOf(one) === name);
  if (!kept || !existsSync(join(keptFolder(kept), kept.files[0])))
    throw new StillhouseError('file.missing', { path: kept?.path ?? name });
  return kept;
}

function keptFolder({ path, time }: Pick<Kept, 'path' | 'time'>): string {
  return join(dirname(path), `.trashed-${time}`);
}

function nameOf({ time }: Kept): string {
  return `export-${time}`;
}

function bytesOf(kept: Kept): number {
  return kept.files.reduce((sum, file) => sum + sizeOnDisk(join(keptFolder(kept), file)), 0);
}

function write(run: string, list: readonly Kept[]): void {
  writeFileAtomic(listFile(run), JSON.stringify(list, null, 2));
}

/** A run may come from anywhere: only plain names are taken, which lie in a folder that is named as the trash is. */
function read(run: string): Kept[] {
  try {
    const list = JSON.parse(readFileSync(listFile(run), 'utf8')) as unknown;
    return Array.isArray(list) ? list.filter(isKept) : [];
  } catch {
    return [];
  }
}

function isKept(given: unknown): given is Kept {
  const { path, time, files } = (given ?? {}) as Partial<Record<keyof Kept, unknown>>;
  const plain = (name: unknown): boolean => typeof name === 'string' && name !== '..' && /^[^/\\\0]+$/.test(name);
  return (
    typeof path === 'string' &&
    Number.isSafeInteger(time) &&
    Array.isArray(files) &&
    files.every(plain) &&
    files[0] === basename(path)
  );
}

function listFile(run: string): string {
  return join(exportsFolder(run), 'trashed.json');
}

function doing(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw diskError(error, path, 0);
  }
}
