import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open, readdir, rename, rm, statfs, type FileHandle } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reasonIn } from '../protocol/reasons.ts';
import { isAlive } from './process.ts';

/**
 * Files that are either the old ones or the new ones whole: written beside their place, synced, renamed, and the
 * folder synced, so that neither a crash nor a power cut leaves half of one. A failed write leaves nothing behind.
 */

const PIECE = 8 << 20;

/** Replaces a small file. @throws StillhouseError `disk.full` or `disk.denied` */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  placeSmallFile(path, data, renameSync);
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
    rmSync(temporary, { force: true });
  });
  return made;
}

function placeSmallFile(path: string, data: string | Uint8Array, place: (from: string, to: string) => void): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const temporary = temporaryBeside(path);
  try {
    const file = openSync(temporary, 'wx');
    try {
      writeAll(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    place(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    discard(temporary);
    throw diskError(error, path, bytes.length);
  }
}

/** What a streamed file came to. */
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
  try {
    await checkSpace(path, expected);
    const written = await writeTemporary(temporary, chunks);
    await rename(temporary, path);
    syncFolder(dirname(path));
    return written;
  } catch (error) {
    discard(temporary);
    throw diskError(error, path, expected);
  }
}

// What went wrong before is what a person has to know, not that there was nothing to remove.
function discard(path: string): void {
  try {
    rmSync(path, { force: true });
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

async function checkSpace(path: string, expected: number): Promise<void> {
  if (expected === 0) return;
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize < expected) throw new StillhouseError('disk.full', { path, needed: readableBytes(expected) });
}

/** Makes a rename in this folder outlast a power cut. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Removes temporary files here whose writers are gone. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const writer = /^\..+\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name);
    const gone = writer && !isAlive(Number(writer[1]));
    if (gone) await rm(join(folder, name), { force: true });
  }
}

// What these mean of a file that is about to be written.
const NO_FOLDER = { ENOENT: 'os.no-folder', ENOTDIR: 'os.no-folder' } as const;

/** A failed write as what a person can act on; anything else as it was. */
export function diskError(error: unknown, path: string, needed: number): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StillhouseError('disk.full', { path, needed: readableBytes(needed) }, { cause: error });
  if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOENT', 'EEXIST'].includes(code ?? ''))
    return new StillhouseError('disk.denied', { path, reason: reasonIn(error, NO_FOLDER) }, { cause: error });
  return error;
}

/** 1,234,567 → `1.2 MB`. */
export function readableBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  return `${(bytes / 1000 ** power).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** A name beside `path` that {@link removeLeftovers} knows once this process is gone. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`);
}
