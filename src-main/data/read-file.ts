import { open } from 'node:fs/promises';
import { StillhouseError } from '../protocol/errors.ts';

const LARGEST = 1 << 30;

export interface ReadOptions {
  /** Milliseconds after which a disk that does not answer counts as a failure. */
  timeout: number;
}

/**
 * All bytes of a picture file.
 * Rejects with an Error saying why it could not be read; the `code` of a file-system error is kept.
 */
export async function readPictureFile(path: string, { timeout }: ReadOptions): Promise<Uint8Array> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const reason = `the disk did not answer within ${timeout / 1000} s`;
    timer = setTimeout(() => reject(new Error(reason)), timeout);
  });
  try {
    return await Promise.race([readAll(path), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function readAll(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is not a file');
    const { size } = stats;
    if (size > LARGEST) throw new Error('the file is larger than 1 GiB');
    const bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await file.read(bytes, filled, size - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'the file is gone',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'it is a link that leads to itself',
  EISDIR: 'it is a folder',
  EIO: 'the disk reports an error',
  ENAMETOOLONG: 'its name is too long',
};

/** Why reading or decoding failed, in a few words for a person. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The decoder's own words, not the advice that goes with them.
  if (error instanceof StillhouseError && error.params.reason) return String(error.params.reason);
  const { code } = error as NodeJS.ErrnoException;
  return (code && REASONS[code]) ?? error.message.split('\n')[0];
}
