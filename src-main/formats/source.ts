import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';

/** Bytes at random access: a file, or memory. Lengths are bytes. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset`, in memory of their own. Both are inside the source. */
  read(offset: number, length: number): Uint8Array;
}

/** Makes a source over bytes in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.slice(offset, offset + length) };
}

/** Makes the error that every reader here throws: the file breaks a rule of its format. */
export function badFormat(path: string, reason: Reason, cause?: unknown): StillhouseError {
  return new StillhouseError('weights.format', { path, reason }, { cause });
}

/**
 * Reads after checking the range, so that no length from a file is allocated before it is known to exist.
 * @throws StillhouseError `weights.format`
 */
export function readChecked(source: ByteSource, offset: number, length: number, path: string, part: Reason) {
  const inside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!inside || offset + length > source.size)
    throw badFormat(path, reason('part.beyond', { part, size: source.size }));
  return source.read(offset, length);
}

/** Makes a view for little-endian numbers over `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads an unsigned 64-bit number as a plain one; numbers beyond 2^53 become Infinity, which no range check passes. */
export function uint64At(view: DataView, offset: number): number {
  const value = view.getBigUint64(offset, true);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(value);
}
