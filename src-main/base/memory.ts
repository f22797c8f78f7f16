import { freemem } from 'node:os';

/** Returns how many bytes this process may still take: what the machine has free, or less where it is limited. */
export function freeMemory(): number {
  const limit = process.constrainedMemory();
  // Without a limit it says 0, or a number beyond all memory.
  return limit > 0 && limit < 2 ** 50 ? Math.min(freemem(), limit - process.memoryUsage.rss()) : freemem();
}
