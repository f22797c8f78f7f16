import { describe, expect, test } from 'vitest';
import { brushed, panned, zoomed } from '../../../src-renderer/components/charts/zoom.ts';

const linear = { whole: { min: 0, max: 1000 }, log: false };
const log = { whole: { min: 1, max: 1e6 }, log: true };

describe('zoom', () => {
  test('keeps the value under the pointer in its place', () => {
    const range = zoomed({ min: 200, max: 600 }, 0.5, 300, linear);
    expect(range).toEqual({ min: 250, max: 450 });
    const logged = zoomed({ min: 1, max: 1e6 }, 0.5, 1e3, log);
    expect(logged.min).toBeCloseTo(10 ** 1.5, 6);
    expect(logged.max).toBeCloseTo(10 ** 4.5, 3);
  });

  test('never leaves the whole, and ends at it', () => {
    expect(zoomed({ min: 100, max: 900 }, 50, 500, linear)).toEqual(linear.whole);
    expect(zoomed({ min: 0, max: 100 }, 2, 100, linear)).toEqual({ min: 0, max: 200 });
    expect(panned({ min: 800, max: 900 }, 5, linear)).toEqual({ min: 900, max: 1000 });
    expect(panned({ min: 100, max: 200 }, -9, linear)).toEqual({ min: 0, max: 100 });
    expect(panned(log.whole, 1, log)).toEqual(log.whole);
  });

  test('has a least span, also after endless zooming', () => {
    let range = { ...linear.whole };
    for (let round = 0; round < 200; round++) range = zoomed(range, 0.5, 333, linear);
    expect(range.max - range.min).toBeCloseTo(0.01, 6);
    expect(range.min).toBeLessThanOrEqual(333.01);
    expect(range.max).toBeGreaterThanOrEqual(332.99);
  });

  test('a brush counts in both directions', () => {
    expect(brushed(700, 300, linear)).toEqual({ min: 300, max: 700 });
    expect(brushed(500, 500, linear).max).toBeGreaterThan(brushed(500, 500, linear).min);
  });
});
