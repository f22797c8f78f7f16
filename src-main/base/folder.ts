import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { diskError, makeFolder, namesIn, removeLeftovers, requireSpace, syncToDisk, temporaryBeside, writeChunksAtomic } from './files.ts'; // prettier-ignore
import { moveNow, removeNow } from './moves.ts';
import { requireName } from './names.ts';
import { isAlive } from './process.ts';

/** A file to write, with the bytes that its pieces make together. */
export interface FileToWrite {
  /** Its name; in a folder its path there, with `/`. */
  name: string;
  bytes: number;
  chunks(): Iterable<Uint8Array>;
}

/** Makes a small file of a text. */
export function textFile(name: string, text: string): FileToWrite {
  const bytes = Buffer.from(text);
  return { name, bytes: bytes.length, chunks: () => [bytes] };
}

/** Makes a file of JSON that people can read. */
export function jsonFile(name: string, value: unknown): FileToWrite {
  return textFile(name, `${JSON.stringify(value, null, 2)}\n`);
}

/** Ends of the names of folders that are whole and not yet in their place: their files are moved, or they themselves. */
const [FILES, FOLDER] = ['files', 'folder'];
const WHOLE = new RegExp(`^\\.(.+)\\.(\\d+)\\.[0-9a-f]{12}\\.tmp\\.(${FILES}|${FOLDER})$`);

/**
 * Writes files of which the first means nothing without the others: all of them in a folder aside, which one rename
 * declares whole, then each in its place, the first one last. What a crash leaves of the moves is finished by
 * {@link finishLeftovers}.
 * @throws StillhouseError `disk.full`, `disk.denied`; what the pieces throw, when nothing is left behind.
 */
export async function writeFilesAtomic(folder: string, files: readonly FileToWrite[]): Promise<{ bytes: number }> {
  const bytes = sumOf(files);
  const path = join(folder, files[0].name);
  const temporary = temporaryBeside(path);
  const whole = `${temporary}.${FILES}`;
  for (const { name } of files) requireName(join(folder, name));
  try {
    makeFolder(folder);
    await finishLeftovers(folder);
    await requireSpace(folder, bytes, path);
    await writeAside(temporary, files);
    const taken = files.find(({ name }) => statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory());
    if (taken) throw new StillhouseError('disk.denied', { path, reason: reason('os.in-the-way') });
    moveNow(temporary, whole);
    syncToDisk(folder);
    moveFiles(whole);
    return { bytes };
  } catch (error) {
    for (const left of [temporary, whole]) discardFolder(left);
    throw placed(diskError(error, path, bytes), path);
  }
}

/**
 * Writes a folder that is there whole or not at all: beside its place, then renamed. One that is there already is
 * replaced only where it is empty or holds nothing but what `isOwn` says may go.
 * @throws StillhouseError `disk.full`, `disk.denied`; what the pieces throw, when nothing is left behind.
 */
export async function writeFolderAtomic(
  path: string,
  files: readonly FileToWrite[],
  isOwn: (folder: string) => boolean,
): Promise<{ bytes: number }> {
  const bytes = sumOf(files);
  const temporary = temporaryBeside(path);
  const whole = `${temporary}.${FOLDER}`;
  requireName(path);
  try {
    makeFolder(dirname(path));
    await finishLeftovers(dirname(path));
    if (existsSync(path) && !mayReplace(path, isOwn))
      throw new StillhouseError('disk.denied', { path, reason: reason('os.folder-taken') });
    await requireSpace(dirname(path), bytes, path);
    await writeAside(temporary, files);
    moveNow(temporary, whole);
    syncToDisk(dirname(path));
    moveFolder(whole);
    return { bytes };
  } catch (error) {
    for (const left of [temporary, whole]) discardFolder(left);
    throw placed(diskError(error, path, bytes), path);
  }
}

/** Puts what was written whole by processes that are gone in its place, and removes what they left half-written. */
export async function finishLeftovers(folder: string): Promise<void> {
  for (const name of namesIn(folder)) {
    const [, , writer, kind] = WHOLE.exec(name) ?? [];
    if (writer === undefined || isAlive(Number(writer))) continue;
    if (kind === FILES) moveFiles(join(folder, name));
    else moveFolder(join(folder, name));
  }
  await removeLeftovers(folder);
}

/** Moves the files of a whole batch beside their folder: what is opened first comes last, and an old one goes first. */
function moveFiles(whole: string): void {
  const [, main] = WHOLE.exec(basename(whole))!;
  const folder = dirname(whole);
  const names = readdirSync(whole).sort((one, other) => Number(one === main) - Number(other === main));
  // Beside new files an old one would be another network.
  if (names.length > 1) removeNow(join(folder, main));
  for (const name of names) moveNow(join(whole, name), join(folder, name));
  syncToDisk(folder);
  discardFolder(whole);
}

/** Moves a whole folder to its place; one that was there goes. */
function moveFolder(whole: string): void {
  const [, name] = WHOLE.exec(basename(whole))!;
  const path = join(dirname(whole), name);
  const before = existsSync(path) ? temporaryBeside(path) : null;
  if (before) moveNow(path, before);
  try {
    moveNow(whole, path);
  } catch (error) {
    if (before) moveNow(before, path);
    throw error;
  }
  syncToDisk(dirname(path));
  if (before) discardFolder(before);
}

async function writeAside(temporary: string, files: readonly FileToWrite[]): Promise<void> {
  for (const { name, chunks, bytes } of files) {
    const file = join(temporary, name);
    makeFolder(dirname(file));
    await writeChunksAtomic(file, chunks(), bytes);
  }
}

/** An error of the disk names what was to be written, and not where it was aside. */
function placed(error: unknown, path: string): unknown {
  if (!(error instanceof StillhouseError) || !error.code.startsWith('disk.')) return error;
  return new StillhouseError(error.code, { ...error.params, path }, { cause: error });
}

function sumOf(files: readonly FileToWrite[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}

function mayReplace(path: string, isOwn: (folder: string) => boolean): boolean {
  return readdirSync(path).length === 0 || isOwn(path);
}

function discardFolder(path: string): void {
  try {
    removeNow(path);
  } catch {
    // What went wrong before is what a person has to know; the next export removes what is left.
  }
}
