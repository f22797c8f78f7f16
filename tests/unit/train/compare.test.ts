import { describe, expect, it } from 'vitest';
import { spread } from '../../../src-main/job-process/exports/compare-on-images.ts';
import { latencyOf } from '../../../src-main/job-process/exports/latency.ts';
import { compareAnswers } from '../../../src-main/train/compare.ts';

const [CLASSES, SIZE] = [2, 2];

/** A network that answers each image by a table of logits, whatever it shows. */
const network = (head: number[], headDist: number[] | null = null) => ({
  run: async (images: Uint8Array) => {
    expect(images.length).toBe(SIZE);
    return { head: Float32Array.from(head), headDist: headDist && Float32Array.from(headDist) };
  },
});

async function* batches(...labels: number[][]) {
  for (const some of labels) {
    const files = some.map(String);
    yield { images: new Uint8Array(some.length), labels: Int32Array.from(some), files };
  }
}

const shared = { classes: CLASSES, heads: 'mean', batchBytes: SIZE, stop: new AbortController().signal } as const;

describe('compareAnswers', () => {
  it('tells differences of all heads, agreement and both accuracies, and does not read padding', async () => {
    const seen: number[] = [];
    const compared = await compareAnswers({
      ...shared,
      batches: batches([0, 1], [0]),
      checkpoint: network([3, 1, 0, 2], [3, 1, 0, 2]),
      exported: network([3, 1, 2, 0], [3, 1.5, 2, 0]),
      onProgress: (images) => seen.push(images),
    });
    expect(seen).toEqual([2, 3]);
    // |Δ| of head: 0 0 2 2, 0 0; of headDist: 0 0.5 2 2, 0 0.5.
    expect(compared).toEqual({
      ...{ images: 3, max: 2, mean: 9 / 12, range: 3, agreement: (100 * 2) / 3 },
      acc1: { checkpoint: 100, exported: (100 * 2) / 3 },
    });
  });

  it('has no difference where answers are no numbers', async () => {
    const parts = { ...shared, checkpoint: network([1, 0, 0, 0]), onProgress: () => undefined };
    for (const bad of [NaN, Infinity]) {
      const compared = await compareAnswers({ ...parts, batches: batches([0]), exported: network([bad, 0, 0, 0]) });
      expect(compared).toMatchObject({ max: null, mean: null });
    }
  });

  it('is nothing without images, and when stopped', async () => {
    const same = { checkpoint: network([1, 0, 0, 0]), exported: network([1, 0, 0, 0]), onProgress: () => undefined };
    expect(await compareAnswers({ ...shared, ...same, batches: batches() })).toBeNull();
    expect(await compareAnswers({ ...shared, ...same, batches: batches([0]), stop: AbortSignal.abort() })).toBeNull();
  });
});

describe('what a check takes', () => {
  it('is images of all classes, in order and each once', () => {
    const all = Array.from({ length: 30 }, (_, at) => ({ file: String(at), label: Math.floor(at / 10) }));
    expect(spread(all, 3).map(({ label }) => label)).toEqual([0, 1, 2]);
    expect(new Set(spread(all, 29)).size).toBe(29);
    expect(spread(all, 64)).toEqual(all);
  });

  it('is times by rank', () => {
    expect(latencyOf(32, [5, 1, 4, 2, 3, 6, 7, 8, 9, 100])).toEqual({
      ...{ batch: 32, median: 5, p90: 9, imagesPerSecond: 6400, runs: 10 },
    });
  });
});
