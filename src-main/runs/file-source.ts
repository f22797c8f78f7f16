import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../formats/source.ts';
import { StillhouseError, reasonOf } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';

/** A file as a source; whoever opened it closes it. */
export interface FileSource extends ByteSource {
  close(): void;
}

/**
 * Opens a file for reading at any place; nothing is read yet.
 * @throws StillhouseError `file.missing`, `file.unreadable`; from `read`, `weights.format` when the file has shrunk.
 */
export function openFile(path: string): FileSource {
  const file = openOrThrow(path);
  const info = fstatSync(file);
  if (!info.isFile()) {
    closeSync(file);
    throw new StillhouseError('file.missing', { path });
  }
  let open = true;
  return {
    size: info.size,
    read: (offset, length) => readWhole(file, offset, length, path),
    close: () => {
      if (open) closeSync(file);
      open = false;
    },
  };
}

function openOrThrow(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new StillhouseError('file.missing', { path });
    throw new StillhouseError('file.unreadable', { path, reason: reasonOf(error) }, { cause: error });
  }
}

function readWhole(file: number, offset: number, length: number, path: string): Uint8Array {
  // Not from the shared pool: float32 views need aligned memory, and arrays are kept for long.
  const bytes = new Uint8Array(new ArrayBuffer(length));
  for (let at = 0; at < length;) {
    const read = readSync(file, bytes, at, Math.min(length - at, 1 << 30), offset + at);
    if (read === 0) throw new StillhouseError('weights.format', { path, reason: reason('file.shorter') });
    at += read;
  }
  return bytes;
}
