import { inflateRawSync } from 'node:zlib';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ReasonError, reason } from '../../protocol/reasons.ts';

/** Where the bytes of an image lie on this machine. */
export interface BytesPlace {
  path: string;
  offset: number;
  /** null: to the end of the file. */
  size: number | null;
  /** Bytes that these inflate to where they are deflated. */
  inflated?: number;
}

const LARGEST = 1 << 30;

/** Inflates what lies deflated in an archive. @throws Error where it does not come to the bytes that were stated. */
export function inflate(bytes: Uint8Array, expected: number): Uint8Array {
  if (expected > LARGEST) throw new Error('the file is larger than 1 GiB');
  let inflated: Uint8Array;
  try {
    // More than stated is cut off by an error, so a small file cannot fill the memory.
    inflated = inflateRawSync(bytes, { maxOutputLength: Math.max(1, expected) });
  } catch (error) {
    throw new Error('its compressed bytes are damaged', { cause: error });
  }
  if (inflated.length !== expected) throw new Error('its compressed bytes are damaged');
  return inflated;
}

/**
 * Reads all bytes at a place on this thread, which takes a tenth of the time of promises; a disk that hangs holds only
 * this thread. A named pipe is refused instead of waited for.
 * @throws Error saying why it could not be read; the `code` of a file-system error is kept.
 */
export function readNow({ path, offset, size: wanted, inflated }: BytesPlace): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new ReasonError(reason('file.not-file'));
    const size = wanted ?? stats.size;
    if (size > LARGEST) throw new ReasonError(reason('file.over-1-gib'));
    if (offset + size > stats.size) throw new ReasonError(reason('file.archive-shrunk'));
    const bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (filled < size) {
      const count = readSync(file, bytes, filled, size - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return inflated === undefined ? bytes.subarray(0, filled) : inflate(bytes, inflated);
  } finally {
    closeSync(file);
  }
}
