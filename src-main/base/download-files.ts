import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';

/** A file as it was pinned: its size in bytes and SHA-256 in hexadecimal. */
export interface PinnedFile {
  bytes: number;
  sha256: string;
}

/** The size of a file in bytes, or null where there is none. */
export async function fileSize(path: string): Promise<number | null> {
  return stat(path).then(
    (found) => (found.isFile() ? found.size : null),
    () => null,
  );
}

/** The SHA-256 of a file. @throws StillhouseError `job.cancelled` when `signal` aborts. */
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

/** @throws StillhouseError `job.cancelled` when `signal` has aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StillhouseError('job.cancelled');
}

/** Bytes for people: `1.3 GB`. */
export function readableBytes(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : ['kB', 1e3];
  return `${(bytes / size).toFixed(bytes >= 1e9 ? 1 : 0)} ${unit}`;
}

/** Makes sure that `bytes` fit on the disk of `folder`, which must exist. @throws StillhouseError `disk.full`. */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const disk = await statfs(folder);
  if (disk.bavail * disk.bsize < bytes)
    throw new StillhouseError('disk.full', { path: folder, needed: readableBytes(bytes) });
}

/** What the operating system said about writing `path`, as an error a person can act on; others unchanged. */
export function diskError(error: unknown, path: string, bytes: number): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new StillhouseError('disk.full', { path, needed: readableBytes(bytes) });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST')
    return new StillhouseError('disk.denied', { path, reason: message });
  return error;
}

/** Forces what was written under `path` (a file or a folder) onto the disk. */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a small file so that after a crash the old or the new content is there, whole. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text, { flush: true });
    await rename(temporary, path);
    await syncToDisk(dirname(path));
  } finally {
    await rm(temporary, { force: true });
  }
}
