import { describe, expect, it } from 'vitest';
import { permutation, philox, PURPOSES, Random, type Purpose } from '../../../src-main/data/random.ts';
import { chiSquareDeviation, correlation, ksStatistic } from '../../helpers/statistics.ts';

const words = (counter: number[], key: number[]): string[] => {
  const out = new Uint32Array(4);
  philox(counter, key, out);
  return [...out].map((word) => word.toString(16).padStart(8, '0'));
};
const draws = (count: number, draw: (random: Random) => number, seed = 1): Float64Array => {
  const random = new Random(seed, 'augment', 0, 0);
  return Float64Array.from({ length: count }, () => draw(random));
};

describe('philox', () => {
  it("gives the known answers of the generator's authors", () => {
    const all = 0xffffffff;
    expect(words([0, 0, 0, 0], [0, 0])).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    expect(words([all, all, all, all], [all, all])).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
    expect(words([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      'd16cfe09',
      '94fdcceb',
      '5001e420',
      '24126ea1',
    ]);
  });
});

describe('Random', () => {
  it('draws the same from the same name and otherwise from another one', () => {
    const first = (seed: number, purpose: Purpose, epoch: number, index: number): number =>
      new Random(seed, purpose, epoch, index).uniform();
    const names = Object.keys(PURPOSES) as Purpose[];
    const values = [0, 1, 2, 4294967295].flatMap((seed) =>
      names.flatMap((purpose) =>
        [0, 1, 2].flatMap((epoch) => [0, 1, 2].map((index) => first(seed, purpose, epoch, index))),
      ),
    );
    expect(new Set(values).size).toBe(values.length);
    expect(first(5, 'order', 3, 9)).toBe(first(5, 'order', 3, 9));
  });

  it('is uniform within a stream, along indices and along epochs', () => {
    const along = (draw: (at: number) => Random): Float64Array =>
      Float64Array.from({ length: 20000 }, (_, at) => draw(at).uniform());
    const [indices, epochs] = [
      along((at) => new Random(0, 'augment', 0, at)),
      along((at) => new Random(0, 'augment', at, 0)),
    ];
    for (const sample of [draws(20000, (random) => random.uniform()), indices, epochs]) {
      expect(ksStatistic(sample, (x) => x)).toBeLessThan(1.95);
      expect(Math.abs(correlation(sample.subarray(1), sample.subarray(0, -1)))).toBeLessThan(0.03);
    }
    expect(Math.abs(correlation(indices, epochs))).toBeLessThan(0.03);
  });

  it('draws whole numbers without favouring any', () => {
    const counts = new Float64Array(7);
    for (const value of draws(70000, (random) => random.integer(7))) counts[value]++;
    expect(Math.abs(chiSquareDeviation(counts, () => 10000))).toBeLessThan(4);
    // 3·2^30 does not divide 2^32: taken modulo, the lower third would come twice as often.
    const low = draws(20000, (random) => Number(random.integer(3 * 2 ** 30) < 2 ** 30)).reduce((a, b) => a + b);
    expect(Math.abs(low / 20000 - 1 / 3)).toBeLessThan(0.015);
    const between = draws(1000, (random) => random.integerBetween(-2, 2));
    expect([Math.min(...between), Math.max(...between)]).toEqual([-2, 2]);
  });

  it('draws a normal distribution', () => {
    // Abramowitz and Stegun 26.2.17, good to 7.5e-8.
    const cdf = (x: number): number => {
      const t = 1 / (1 + 0.2316419 * Math.abs(x));
      const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
      const upper = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * series;
      return x > 0 ? 1 - upper : upper;
    };
    expect(
      ksStatistic(
        draws(20000, (random) => random.normal()),
        cdf,
      ),
    ).toBeLessThan(1.95);
  });

  it('draws beta distributions with the right shape', () => {
    expect(
      ksStatistic(
        draws(20000, (random) => random.beta(1, 1)),
        (x) => x,
      ),
    ).toBeLessThan(1.95);
    expect(
      ksStatistic(
        draws(20000, (random) => random.beta(2, 1)),
        (x) => x * x,
      ),
    ).toBeLessThan(1.95);
    const arcsine = (x: number): number => (2 / Math.PI) * Math.asin(Math.sqrt(x));
    expect(
      ksStatistic(
        draws(20000, (random) => random.beta(0.5, 0.5)),
        arcsine,
      ),
    ).toBeLessThan(1.95);
    const sample = draws(20000, (random) => random.beta(0.8, 0.8));
    const variance = sample.reduce((sum, x) => sum + (x - 0.5) ** 2, 0) / sample.length;
    expect(variance).toBeCloseTo(1 / (4 * 2.6), 2);
    expect(draws(100, (random) => random.beta(0.001, 0.001)).every((x) => x >= 0 && x <= 1)).toBe(true);
  });
});

describe('permutation', () => {
  it('has each number once and each order as often', () => {
    expect([...permutation(1000, new Random(3, 'order', 0, 0))].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 24000; epoch++) {
      const key = permutation(4, new Random(3, 'order', epoch, 0)).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(Math.abs(chiSquareDeviation([...counts.values()], () => 1000))).toBeLessThan(4);
  });
});
