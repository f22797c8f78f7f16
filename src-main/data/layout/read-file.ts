import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import type { BytesPlace } from './read-now.ts';
import { unpacked, type Packing } from './unpacked.ts';

const LARGEST = 1 << 30;

export interface ReadOptions {
  /** Milliseconds after which a disk that does not answer counts as a failure. */
  timeout: number;
}

/**
 * Reads all bytes of an image file. Rejects with an Error that says why it could not be read; the `code` of a
 * file-system error is kept.
 */
export function readImageFile(path: string, { timeout }: ReadOptions): Promise<Uint8Array> {
  return inTime(
    timeout,
    openAnd(path, (file, size) => readBytes(file, 0, size)),
  );
}

/** Reads all bytes at a place, in a file or an archive. Rejects as {@link readImageFile} and {@link readFilePart} do. */
export function readPlace({ path, size, ...part }: BytesPlace, options: ReadOptions): Promise<Uint8Array> {
  return size === null ? readImageFile(path, options) : readFilePart(path, { ...part, size }, options);
}

/**
 * Reads the bytes of an image in an archive. Rejects as {@link readImageFile} does, and when the archive has become
 * shorter.
 */
export function readFilePart(
  path: string,
  { offset, size, ...packing }: { offset: number; size: number } & Packing,
  { timeout }: ReadOptions,
): Promise<Uint8Array> {
  const work = openAnd(path, async (file) => {
    const bytes = await readBytes(file, offset, size);
    if (bytes.length < size) throw new ReasonError(reason('file.archive-short'));
    return unpacked(bytes, packing);
  });
  return inTime(timeout, work);
}

/**
 * Waits for `work`, but rejects with a {@link SlowDiskError} after `timeout` milliseconds; the work itself cannot be
 * ended.
 */
export async function inTime<Result>(timeout: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SlowDiskError(timeout)), timeout);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The disk kept a reader waiting for too long. */
export class SlowDiskError extends ReasonError {
  constructor(timeout: number) {
    super(reason('os.silent', { seconds: timeout / 1000 }));
  }
}

async function openAnd<Result>(
  path: string,
  work: (file: FileHandle, size: number) => Promise<Result>,
): Promise<Result> {
  // Without this flag, opening a pipe that has come in an image's place would wait for a writer for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new ReasonError(reason('file.not-file'));
    return await work(file, stats.size);
  } finally {
    await file.close();
  }
}

async function readBytes(file: FileHandle, start: number, size: number): Promise<Uint8Array> {
  assertSize(size);
  const bytes = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await file.read(bytes, filled, size - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

function assertSize(size: number): void {
  if (size > LARGEST) throw new ReasonError(reason('file.over-1-gib'));
}
