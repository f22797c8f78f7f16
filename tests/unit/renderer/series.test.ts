import { describe, expect, test } from 'vitest';
import {
  Smoother,
  clockStep,
  extent,
  lowerBound,
  nearest,
  padded,
} from '../../../src-renderer/components/charts/series.ts';

describe('Smoother', () => {
  /** The definition, written out. */
  function plain(y: readonly number[], weight: number): number[] {
    return y.map((_, at) => {
      let [sum, mass] = [0, 0];
      for (let k = 0; k <= at; k++) {
        if (!Number.isFinite(y[at - k])) continue;
        const steps = y.slice(at - k + 1, at + 1).filter(Number.isFinite).length;
        sum += weight ** steps * y[at - k];
        mass += weight ** steps;
      }
      return Number.isFinite(y[at]) ? sum / mass : NaN;
    });
  }
  const values = Array.from({ length: 700 }, (_, index) =>
    index % 11 === 3 ? NaN : Math.sin(index * 3.7) + index / 100,
  );

  test('is the debiased average, also where points are missing', () => {
    const got = new Smoother().of(Float64Array.from(values), 0.9);
    plain(values, 0.9).forEach((value, at) =>
      Number.isNaN(value) ? expect(got[at]).toBeNaN() : expect(got[at]).toBeCloseTo(value, 6),
    );
    expect(got[0]).toBe(values[0]);
  });

  test('gives the same when the column grows as when it is whole', () => {
    const grown = new Smoother();
    for (const length of [1, 2, 255, 256, 257, 600]) grown.of(Float64Array.from(values.slice(0, length)), 0.6);
    expect([...grown.of(Float64Array.from(values), 0.6)]).toEqual([
      ...new Smoother().of(Float64Array.from(values), 0.6),
    ]);
  });

  test('starts anew for another weight, and for a column that was cut and regrown', () => {
    const smoother = new Smoother();
    smoother.of(Float64Array.of(1, 2, 3), 0.5);
    expect([...smoother.of(Float64Array.of(1, 2, 3), 0)]).toEqual([1, 2, 3]);
    expect([...smoother.of(Float64Array.of(1, 9, 8, 7), 0)]).toEqual([1, 9, 8, 7]);
  });

  test('stays at the level of a constant for every weight up to 0.999', () => {
    for (const weight of [0, 0.5, 0.999]) {
      const got = new Smoother().of(new Float64Array(2000).fill(3), weight);
      expect(Math.max(...got) - 3).toBeLessThan(1e-9);
      expect(3 - Math.min(...got)).toBeLessThan(1e-9);
    }
  });
});

describe('axes', () => {
  test('extent skips what was not measured, and what a log axis cannot show', () => {
    expect(extent([Float64Array.of(NaN, 3, -1), Float64Array.of(7)])).toEqual({ min: -1, max: 7 });
    expect(extent([Float64Array.of(0, 3, -1)], true)).toEqual({ min: 3, max: 3 });
    expect(extent([Float64Array.of(NaN)])).toBeNull();
  });

  test('padded gives air, never below zero for values that are not, and opens a flat line', () => {
    expect(padded({ min: 0, max: 10 }, false)).toEqual({ min: 0, max: 10.5 });
    const flat = padded({ min: 5, max: 5 }, false);
    expect(flat.max).toBeGreaterThan(flat.min);
    expect(padded({ min: 0.1, max: 10 }, true).min).toBeGreaterThan(0);
  });

  test('a time axis has round steps and at most eight of them', () => {
    for (const span of [3, 59, 61, 800, 4000, 90_000, 3e6]) expect(span / clockStep(span)).toBeLessThanOrEqual(8);
    expect(clockStep(800)).toBe(120);
  });

  test('lowerBound and nearest find their points', () => {
    const xs = Float64Array.of(1, 3, 3, 8);
    expect([0, 1, 2, 3, 4, 9].map((value) => lowerBound(xs, value))).toEqual([0, 0, 1, 1, 3, 4]);
    expect([0, 1.9, 2.1, 5.4, 5.6, 99].map((value) => nearest(xs, value))).toEqual([0, 0, 1, 2, 3, 3]);
    expect(nearest(new Float64Array(0), 1)).toBe(-1);
  });
});
