import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mcnemar, meanInterval, spreadOf } from '../../../src-main/train/statistics.ts';

/** What SciPy gives (`tests/fixtures/statistics/make-statistics.py`). */
const EXPECTED = JSON.parse(
  readFileSync(new URL('../../fixtures/statistics/expected.json', import.meta.url), 'utf8'),
) as {
  intervals: { values: number[]; from: number; to: number }[];
  mcnemar: { gained: number; lost: number; p: number }[];
};

describe('statistics', () => {
  it.each(EXPECTED.intervals)('of $values have the 95 % interval of scipy.stats.t', ({ values, from, to }) => {
    const interval = meanInterval(values)!;
    expect(interval.from).toBeCloseTo(from, 8);
    expect(interval.to).toBeCloseTo(to, 8);
  });

  it.each(EXPECTED.mcnemar)('of $gained against $lost have the p of scipy.stats.binomtest', ({ gained, lost, p }) => {
    expect(mcnemar(gained, lost)).toBeCloseTo(p, 8);
    expect(mcnemar(lost, gained)).toBe(mcnemar(gained, lost));
  });

  it('of one number have neither std nor interval', () => {
    expect(spreadOf([3])).toEqual({ mean: 3, std: null, values: [3] });
    expect(meanInterval([3])).toBeNull();
  });
});
