import { describe, expect, it } from 'vitest';
import type { Filter, Pixels } from '../../../src-main/data/decode/pixels.ts';
import { fastResize } from '../../../src-main/data/decode/fast-resize.ts';
import { Random } from '../../../src-main/data/random.ts';
import { cropPixels, flipRows, resizePixels } from '../../../src-main/data/decode/resize.ts';

function noise(width: number, height: number): Pixels {
  const random = new Random(1, 'augment', width, height);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => random.integer(256)) };
}

const worst = (a: Uint8Array, b: Uint8Array): number =>
  a.length === b.length ? a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0) : Infinity;

describe('fastResize', () => {
  it('stays beside the exact one even on noise, at any size', () => {
    const random = new Random(2, 'augment', 0, 0);
    let [others, all] = [0, 0];
    for (let turn = 0; turn < 150; turn++) {
      const side = (): number => random.integerBetween(1, 120);
      const [pixels, size] = [noise(side(), side()), { width: side(), height: side() }];
      const left = random.integer(pixels.width);
      const top = random.integer(pixels.height);
      const crop = {
        left,
        top,
        width: random.integerBetween(1, pixels.width - left),
        height: random.integerBetween(1, pixels.height - top),
      };
      const filter: Filter = turn % 2 ? 'bicubic' : 'bilinear';
      const [ours, exact] = [
        fastResize(pixels, crop, size, filter),
        resizePixels(cropPixels(pixels, crop), size, filter),
      ];
      expect(ours).toMatchObject(size);
      expect(worst(ours.data, exact.data)).toBeLessThanOrEqual(2);
      for (const [at, value] of ours.data.entries()) if (value !== exact.data[at]) others++;
      all += ours.data.length;
    }
    expect(others / all).toBeLessThan(0.02);
  });

  it('leaves one colour as it is', () => {
    const plain = { width: 50, height: 37, data: new Uint8Array(50 * 37 * 3).fill(201) };
    const { data } = fastResize(plain, null, { width: 224, height: 224 }, 'bicubic');
    expect([Math.min(...data.subarray(0, 3000)), worst(data, new Uint8Array(data.length).fill(201))]).toEqual([201, 0]);
  });

  it('mirrors at no cost in exactness', () => {
    const [pixels, size] = [noise(33, 20), { width: 50, height: 41 }];
    const mirrored = fastResize(pixels, null, size, 'bicubic', true);
    expect(mirrored).toEqual(flipRows(fastResize(pixels, null, size, 'bicubic')));
  });

  it('grows its memory for a large image', () => {
    const large = noise(1500, 1200);
    const size = { width: 224, height: 224 };
    expect(
      worst(fastResize(large, null, size, 'bicubic').data, resizePixels(large, size, 'bicubic').data),
    ).toBeLessThanOrEqual(1);
  });
});
