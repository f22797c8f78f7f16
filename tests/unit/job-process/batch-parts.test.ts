import { describe, expect, it } from 'vitest';
import { inParts, sideBySide, type Answers } from '../../../src-main/job-process/teacher/batch-parts.ts';

/** A network of one output: the sum of the two numbers of an image. */
const asked: number[] = [];
const sums = async (images: Float32Array, count: number): Promise<Answers> => {
  asked.push(count);
  expect(images).toHaveLength(2 * count);
  const values = Float32Array.from({ length: count }, (_, row) => images[2 * row] + images[2 * row + 1]);
  return { values, shape: [count, 1] };
};
const IMAGES = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
const EXPECTED = { values: Float32Array.of(3, 7, 11, 15, 19), shape: [5, 1] };

describe('a batch in parts', () => {
  it.each([
    [null, [5]],
    [5, [5]],
    [2, [2, 2, 2]],
    [1, [1, 1, 1, 1, 1]],
    [8, [8]],
  ])('is answered whole where the network takes %s', async (batch, counts) => {
    asked.length = 0;
    expect(await inParts(IMAGES, 5, batch, sums)).toEqual(EXPECTED);
    expect(asked).toEqual(counts);
  });

  it.each([
    [1, [5]],
    [2, [3, 2]],
    [4, [2, 2, 1]],
    [9, [1, 1, 1, 1, 1]],
  ])('is answered side by side in %i lanes', async (lanes, counts) => {
    asked.length = 0;
    expect(await sideBySide(IMAGES, 5, lanes, sums)).toEqual(EXPECTED);
    expect(asked).toEqual(counts);
  });

  it('shows that a network answers another number than it was asked', async () => {
    const one = async (): Promise<Answers> => ({ values: Float32Array.of(0), shape: [1, 1] });
    expect((await inParts(IMAGES, 5, 2, one)).shape).toEqual([3, 1]);
    expect((await sideBySide(IMAGES, 5, 2, one)).shape).toEqual([2, 1]);
  });

  it('fails when a part does', async () => {
    const fails = (images: Float32Array, count: number): Promise<Answers> =>
      images[0] > 3 ? Promise.reject(new Error('no')) : sums(images, count);
    await expect(sideBySide(IMAGES, 5, 2, fails)).rejects.toThrow('no');
  });
});
