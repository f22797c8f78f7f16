import { inflateRawSync } from 'node:zlib';
import { ReasonError, reason } from '../../protocol/reasons.ts';
import { bitmapOf } from '../../formats/bitmap-writer.ts';

/** The work that makes a file of an image from its stored bytes. */
export interface Packing {
  /** Bytes that these inflate to where they are deflated. */
  inflated?: number;
  /** Side of a square image where these are its raw pixels [3, side, side], as in CIFAR. */
  planes?: number;
}

const LARGEST = 1 << 30;

/**
 * Makes the file of an image from its stored bytes.
 * @throws ReasonError where it does not come to the bytes that were stated.
 */
export function unpacked(bytes: Uint8Array, { inflated, planes }: Packing): Uint8Array {
  if (planes !== undefined) {
    if (bytes.length !== 3 * planes ** 2) throw new ReasonError(reason('file.archive-shrunk'));
    return bitmapOf(bytes, planes);
  }
  return inflated === undefined ? bytes : inflate(bytes, inflated);
}

function inflate(bytes: Uint8Array, expected: number): Uint8Array {
  if (expected > LARGEST) throw new ReasonError(reason('file.over-1-gib'));
  let inflated: Uint8Array;
  try {
    // More than stated is cut off by an error, so a small file cannot fill the memory.
    inflated = inflateRawSync(bytes, { maxOutputLength: Math.max(1, expected) });
  } catch (error) {
    throw new ReasonError(reason('file.bytes-damaged'), { cause: error });
  }
  if (inflated.length !== expected) throw new ReasonError(reason('file.bytes-damaged'));
  return inflated;
}
