import { createHash, randomBytes } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, linkSync, mkdirSync, openSync, readdirSync, statSync, writeSync } from 'node:fs'; // prettier-ignore
import { open, readdir, stat, statfs, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reasonIn } from '../protocol/reasons.ts';
import { readableBytes } from './bytes.ts';
import { move, moveNow, remove, removeNow } from './moves.ts';
import { requireName } from './names.ts';
import { isAlive, throwIfCancelled } from './process.ts';

/**
 * Files that are either the old ones or the new ones whole: written beside their place, synced, renamed, and the
 * folder synced, so that neither a crash nor a power cut leaves half of one. A failed write leaves nothing behind.
 */

const PIECE = 8 << 20;

/** Lists the names in a folder; none where it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Makes a folder and those above it; one that is there stays. Node's own `recursive` never ends where a folder that is
 * there says that it is not, as /proc does.
 * @throws Error as mkdir
 */
export function makeFolder(path: string): void {
  const isFolder = (one: string): boolean => statSync(one, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path && !isFolder(parent)) makeFolder(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have made it.
    if (!isFolder(path)) throw error;
  }
}

/**
 * Makes a folder as {@link makeFolder} does.
 * @param named the path that the error names.
 * @throws StillhouseError `disk.full`, `disk.denied`
 */
export function requireFolder(path: string, named = path): void {
  try {
    makeFolder(path);
  } catch (error) {
    throw diskError(error, named, 0);
  }
}

/** Replaces a small file. @throws StillhouseError `disk.full` or `disk.denied` */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  placeSmallFile(path, data, moveNow);
}

/**
 * Writes a small file where none is. Of several that do so at once, one succeeds.
 * @returns whether it was this one.
 * @throws StillhouseError `disk.full` or `disk.denied`
 */
export function writeNewFile(path: string, data: string | Uint8Array): boolean {
  let made = true;
  placeSmallFile(path, data, (temporary) => {
    try {
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      made = false;
    }
    removeNow(temporary);
  });
  return made;
}

function placeSmallFile(path: string, data: string | Uint8Array, place: (from: string, to: string) => void): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const temporary = temporaryBeside(path);
  requireName(path);
  try {
    const file = openSync(temporary, 'wx');
    try {
      writeAll(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    place(temporary, path);
    syncToDisk(dirname(path));
  } catch (error) {
    discard(temporary);
    throw diskError(error, path, bytes.length);
  }
}

/** Facts about a file that was written as a stream. */
export interface WrittenFile {
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/**
 * Replaces a large file by the given pieces, giving way to other work between them. A piece is asked for when the one
 * before is written.
 * @param expected bytes it will come to: refused at once when the disk has fewer free.
 * @throws StillhouseError `disk.full` or `disk.denied`
 */
export async function writeChunksAtomic(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  expected = 0,
): Promise<WrittenFile> {
  const temporary = temporaryBeside(path);
  requireName(path);
  try {
    if (expected > 0) await requireSpace(dirname(path), expected, path);
    const written = await writeTemporary(temporary, chunks);
    await move(temporary, path);
    syncToDisk(dirname(path));
    return written;
  } catch (error) {
    discard(temporary);
    throw diskError(error, path, expected);
  }
}

/** Replaces a text file of many lines; each gets its line break. Like {@link writeChunksAtomic}. */
export function writeLinesAtomic(path: string, lines: Iterable<string>): Promise<WrittenFile> {
  return writeChunksAtomic(path, piecesOf(lines));
}

function* piecesOf(lines: Iterable<string>): Generator<Uint8Array> {
  let piece = '';
  for (const line of lines) {
    piece += `${line}\n`;
    if (piece.length < 1 << 16) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  yield Buffer.from(piece);
}

// What went wrong before is what a person has to know, not that there was nothing to remove.
function discard(path: string): void {
  try {
    removeNow(path);
  } catch {
    // There is no such folder.
  }
}

async function writeTemporary(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<WrittenFile> {
  const file = await open(path, 'wx');
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        const piece = chunk.subarray(at, at + PIECE);
        hash.update(piece);
        await writeWhole(file, piece);
      }
      bytes += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

// A write may take less than it was given, just before the disk is full.
async function writeWhole(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length;) at += (await file.write(piece, at, piece.length - at)).bytesWritten;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at);
}

/**
 * Makes sure that `bytes` fit on the disk of `folder`, which must exist.
 * @param path what the error names.
 * @throws StillhouseError `disk.full`
 */
export async function requireSpace(folder: string, bytes: number, path = folder): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes) throw new StillhouseError('disk.full', { path, needed: readableBytes(bytes) });
}

/**
 * Forces a file, or the names in a folder, onto the disk, so that they outlast a power cut. Windows keeps the names of a
 * folder itself, and forces out only what is open for writing.
 */
export function syncToDisk(path: string, platform: string = process.platform): void {
  const windows = platform === 'win32';
  if (windows && statSync(path).isDirectory()) return;
  const handle = openSync(path, windows ? 'r+' : 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Returns a name beside `path`, for a file or a folder, that {@link removeLeftovers} recognises once this process is
 * gone.
 */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Removes temporary files and folders here whose writers are gone. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const writer = /^\..+\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name);
    const gone = writer && !isAlive(Number(writer[1]));
    if (gone) await remove(join(folder, name));
  }
}

/** Returns the size of a file in bytes, or null where there is none. */
export async function fileSize(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? found.size : null;
}

/** Returns the size of all files in a folder at any depth, in bytes; 0 where there is none. */
export async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const sizes = await Promise.all(files.map(fileSize));
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

/** Computes the SHA-256 of a file in hexadecimal. @throws StillhouseError `job.cancelled` when `signal` aborts. */
export async function hashFile(path: string, onBytes: (done: number) => void, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    throwIfCancelled(signal);
    hash.update(piece);
    onBytes((done += piece.length));
  }
  return hash.digest('hex');
}

// What these mean of a file that is about to be written.
const OF_WRITING = { ENOENT: 'os.no-folder', ENOTDIR: 'os.no-folder', ENOTEMPTY: 'os.in-the-way' } as const;
// Windows says the same of a file that somebody has open.
const ON_WINDOWS = { EPERM: 'os.denied-or-open', EACCES: 'os.denied-or-open', EBUSY: 'os.denied-or-open' } as const;
const DENIED = [
  ...['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY', 'ENAMETOOLONG', 'EBUSY', 'EIO'],
  ...['ELOOP', 'EMFILE', 'ENFILE'],
];

/**
 * Turns a failed write into an error that a person can act on; returns any other error unchanged.
 * @param needed bytes, for a full disk.
 */
export function diskError(error: unknown, path: string, needed: number, platform: string = process.platform): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StillhouseError('disk.full', { path, needed: readableBytes(needed) }, { cause: error });
  if (!DENIED.includes(code)) return error;
  const meaning = platform === 'win32' ? { ...OF_WRITING, ...ON_WINDOWS } : OF_WRITING;
  return new StillhouseError('disk.denied', { path, reason: reasonIn(error, meaning) }, { cause: error });
}
