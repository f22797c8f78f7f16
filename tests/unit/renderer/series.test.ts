import { describe, expect, test } from 'vitest';
import {
  Smoother,
  clockStep,
  decimate,
  extent,
  lowerBound,
  nearest,
  padded,
  type Range,
} from '../../../src-renderer/components/charts/series.ts';

const WIDTH = 800;
const HEIGHT = 300;

/** Height of every pixel column that the polyline covers: its lowest and highest y, in pixels, drawn as a line. */
function picture(x: Float64Array, y: Float64Array, kept: number[], view: Range, values: Range): Float64Array {
  const columns = new Float64Array(2 * WIDTH).fill(NaN);
  const px = (value: number): number => ((value - view.min) / (view.max - view.min)) * WIDTH;
  const py = (value: number): number => ((value - values.min) / (values.max - values.min)) * HEIGHT;
  const mark = (column: number, height: number): void => {
    if (column < 0 || column >= WIDTH) return;
    columns[2 * column] = Math.min(Number.isNaN(columns[2 * column]) ? Infinity : columns[2 * column], height);
    columns[2 * column + 1] = Math.max(
      Number.isNaN(columns[2 * column + 1]) ? -Infinity : columns[2 * column + 1],
      height,
    );
  };
  for (let at = 1; at < kept.length; at++) {
    const [x0, y0] = [px(x[kept[at - 1]]), py(y[kept[at - 1]])];
    const [x1, y1] = [px(x[kept[at]]), py(y[kept[at]])];
    mark(Math.floor(x0), y0);
    mark(Math.floor(x1), y1);
    for (let edge = Math.max(0, Math.ceil(x0)); edge <= Math.min(WIDTH, x1); edge++) {
      const crossing = y0 + ((y1 - y0) * (edge - x0)) / (x1 - x0 || 1);
      mark(edge - 1, crossing);
      mark(edge, crossing);
    }
  }
  return columns;
}

function worstError(x: Float64Array, y: Float64Array, view: Range): { pixels: number; kept: number } {
  const kept = decimate(x, y, view, WIDTH);
  const values = extent([y])!;
  const all = Array.from(x, (_, index) => index).filter((index) => !Number.isNaN(y[index]));
  const whole = picture(x, y, all, view, values);
  const drawn = picture(x, y, kept, view, values);
  let pixels = 0;
  for (let at = 0; at < whole.length; at++) {
    if (Number.isNaN(whole[at]) && Number.isNaN(drawn[at])) continue;
    pixels = Math.max(pixels, Math.abs(whole[at] - drawn[at]));
  }
  return { pixels, kept: kept.length };
}

const curves: Record<string, (index: number) => number> = {
  smooth: (index) => Math.exp(-index / 40_000),
  noisy: (index) => Math.exp(-index / 40_000) + 0.3 * Math.sin(index * 12.9898) * Math.sin(index * 0.7),
  spikes: (index) => (index % 9973 === 0 ? 40 : 0) + Math.sin(index / 5000),
  gaps: (index) => (index % 7 === 0 ? NaN : Math.cos(index / 3000) + Math.sin(index * 78.233) / 5),
};

describe('decimate', () => {
  const count = 300_000;
  const x = Float64Array.from({ length: count }, (_, index) => 10 * index + 10);
  const views: Range[] = [
    { min: 0, max: 10 * count },
    { min: 1_000_000, max: 1_100_000 },
    { min: 1_234_567, max: 1_240_567 },
  ];
  for (const [name, curve] of Object.entries(curves))
    test(`draws what all points of a ${name} curve draw, within 2 pixels`, () => {
      const y = Float64Array.from({ length: count }, (_, index) => curve(index));
      for (const view of views) {
        const { pixels, kept } = worstError(x, y, view);
        expect(pixels).toBeLessThanOrEqual(2);
        expect(kept).toBeLessThanOrEqual(4 * WIDTH + 4 * 2);
        expect(kept).toBeGreaterThan(100);
      }
    });

  test('keeps every point while there are few, and none of nothing', () => {
    const few = Float64Array.of(1, 2, 3, 4);
    expect(decimate(few, few, { min: 1, max: 4 }, 100)).toEqual([0, 1, 2, 3]);
    expect(decimate(few, Float64Array.of(1, NaN, 3, 4), { min: 1, max: 4 }, 100)).toEqual([0, 2, 3]);
    expect(decimate(new Float64Array(0), new Float64Array(0), { min: 0, max: 1 }, 100)).toEqual([]);
  });

  test('keeps one point beyond each edge, so that lines run out of the picture', () => {
    const few = Float64Array.of(0, 10, 20, 30, 40);
    expect(decimate(few, few, { min: 12, max: 28 }, 100)).toEqual([1, 2, 3]);
  });
});

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
      Number.isNaN(value) ? expect(got[at]).toBeNaN() : expect(got[at]).toBeCloseTo(value, 10),
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
