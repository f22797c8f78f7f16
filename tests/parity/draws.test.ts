import { describe, expect, it } from 'vitest';
import { epochOrder } from '../../src-main/data/batches/sampler.ts';
import { ourDraws } from '../helpers/our-draws.ts';
import { chiSquareDeviation } from '../helpers/statistics.ts';
import fixtures from './draws.json';

/** Against 100,000 draws of timm (timm_draws.py); `npm run bench -- draws` compares as many of ours. */
interface Part {
  shares?: Record<string, number>;
  edges?: number[];
  below?: number[];
}

const COUNT = 6000;
const LEAST = 8;

/** Counts of ours by timm's bins, and what is expected there; bins too rare for chi-square are put together. */
function binned(values: readonly (number | string)[], { shares, edges = [], below = [] }: Part) {
  const expected = shares ? Object.values(shares) : [...below, 1].map((share, bin) => share - (below[bin - 1] ?? 0));
  const names = Object.keys(shares ?? {});
  const counts = new Array<number>(expected.length + 1).fill(0);
  for (const value of values) {
    const bin = shares ? names.indexOf(String(value)) : edges.findIndex((edge) => Number(value) < edge);
    counts[bin >= 0 ? bin : shares ? expected.length : expected.length - 1]++;
  }
  const rare = [...expected.keys()].filter((bin) => expected[bin] * values.length < LEAST);
  const common = [...expected.keys()].filter((bin) => !rare.includes(bin));
  const sum = (list: number[], of: number[]): number => list.reduce((total, bin) => total + of[bin], 0);
  return {
    counts: [...common.map((bin) => counts[bin]), sum(rare, counts) + counts[expected.length]],
    expected: [...common.map((bin) => expected[bin]), sum(rare, expected)].map((share) => share * values.length),
  };
}

describe("draws are distributed as timm's", () => {
  const ours = ourDraws(COUNT, 1);

  it.each(Object.entries(fixtures.draws as Record<string, Part>))('%s', (name, part) => {
    const values = ours.get(name)!;
    expect(values.length).toBeGreaterThan(100);
    const { counts, expected } = binned(values, part);
    const filled = [...expected.keys()].filter((bin) => expected[bin] > 0);
    const strays = [...expected.keys()].filter((bin) => expected[bin] === 0 && counts[bin] > 0);
    expect(strays).toEqual([]);
    if (filled.length < 2) return;
    const std = chiSquareDeviation(
      filled.map((bin) => counts[bin]),
      (index) => expected[filled[index]],
    );
    expect(std).toBeLessThan(5);
  });
});

describe('ranks', () => {
  it("get the images that torch's DistributedSampler and timm's RepeatAugSampler give them", () => {
    const wrong = fixtures.samplers.filter(({ count, world, rank, repeats, length, edge, sum }) => {
      const { places } = epochOrder({ count, seed: 0, epoch: 0, world, rank, repeats });
      // Without shuffling, a place of the list shows the image of that number.
      const images = Array.from(places, (place) => Math.floor((place % (count * repeats)) / repeats));
      const same = [...images.slice(0, 8), ...images.slice(-8)].join() === edge.join();
      return !same || images.length !== length || images.reduce((total, one) => total + one, 0) !== sum;
    });
    expect(fixtures.samplers.length).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
  });
});
