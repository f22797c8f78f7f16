import { expect, test } from 'vitest';
import { largestBatch } from '../../../src-main/job-process/accelerator/largest-batch.ts';

// About XLA's peak for a DeiT-Ti on an H200 in bfloat16, without its state (docs/engine-install.md).
const line = (batch: number) => ({ batch, bytes: 120e6 + 18.3e6 * batch });

test('follows the line through two batches to the memory there is', () => {
  const bytes = 80e9;
  const most = largestBatch(line(128), line(256), bytes, 2)!;
  expect(line(most).bytes).toBeLessThanOrEqual(bytes);
  expect(line(most + 2).bytes).toBeGreaterThan(bytes);
  expect(largestBatch(line(128), line(256), bytes, 16)! % 16).toBe(0);
});

test('finds none where none fits, and no limit where memory does not grow', () => {
  expect(largestBatch(line(2), line(4), 100e6, 2)).toBe(0);
  expect(largestBatch({ batch: 2, bytes: 5 }, { batch: 4, bytes: 5 }, 1e9, 2)).toBeNull();
});
