import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { diskError, removeLeftovers, requireSpace, syncToDisk, temporaryBeside, writeChunksAtomic } from './files.ts';
import { moveNow, removeNow } from './moves.ts';
import { requireName } from './names.ts';

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
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const temporary = temporaryBeside(path);
  requireName(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    await removeLeftovers(dirname(path));
    if (existsSync(path) && !mayReplace(path, isOwn))
      throw new StillhouseError('disk.denied', { path, reason: reason('os.folder-taken') });
    await requireSpace(dirname(path), bytes, path);
    for (const { name, chunks, bytes } of files) {
      const file = join(temporary, name);
      mkdirSync(dirname(file), { recursive: true });
      await writeChunksAtomic(file, chunks(), bytes);
    }
    putInPlace(temporary, path);
    return { bytes };
  } catch (error) {
    discardFolder(temporary);
    throw diskError(error, path, bytes);
  }
}

function mayReplace(path: string, isOwn: (folder: string) => boolean): boolean {
  return readdirSync(path).length === 0 || isOwn(path);
}

function putInPlace(temporary: string, path: string): void {
  const before = existsSync(path) ? temporaryBeside(path) : null;
  if (before) moveNow(path, before);
  try {
    moveNow(temporary, path);
  } catch (error) {
    if (before) moveNow(before, path);
    throw error;
  }
  syncToDisk(dirname(path));
  if (before) discardFolder(before);
}

function discardFolder(path: string): void {
  try {
    removeNow(path);
  } catch {
    // What went wrong before is what a person has to know; the next export removes what is left.
  }
}
