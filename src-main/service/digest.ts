import { createHash } from 'node:crypto';

/** A name for some bytes: equal bytes have equal names. */
export function digest(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('base64');
}
