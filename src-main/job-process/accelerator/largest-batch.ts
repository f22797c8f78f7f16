/** What a batch of some size needs. */
interface Need {
  batch: number;
  bytes: number;
}

/**
 * Finds the largest batch that fits, by the line through two that were compiled: what a step keeps grows with its images.
 * @param step what it is a multiple of
 * @returns 0 where none fits; null where memory does not grow with the batch, and so sets it no limit
 */
export function largestBatch(smaller: Need, larger: Need, bytes: number, step: number): number | null {
  const each = (larger.bytes - smaller.bytes) / (larger.batch - smaller.batch);
  if (!(each > 0)) return null;
  const most = (bytes - (larger.bytes - each * larger.batch)) / each;
  return Math.max(0, Math.floor(most / step) * step);
}
