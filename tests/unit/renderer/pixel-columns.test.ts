import { describe, expect, test } from 'vitest';
import {
  alignEdges,
  columnEdges,
  coverOf,
  fromPixel,
  newCover,
  pathPoints,
  toPixel,
  type Cover,
  type PixelScale,
} from '../../../src-renderer/components/charts/pixel-columns.ts';
import { grainWithin, Pyramid } from '../../../src-renderer/components/charts/pyramid.ts';
import { extent, type Range } from '../../../src-renderer/components/charts/series.ts';

const WIDTH = 800;
const HEIGHT = 300;
const COUNT = 300_000;

/** The same by drawing every point and every line between neighbours. */
function bruteForce(x: Float64Array, y: Float64Array, xs: PixelScale, ys: PixelScale): Cover {
  const cover = newCover(WIDTH);
  cover.low.fill(NaN);
  cover.high.fill(NaN);
  const mark = (column: number, height: number): void => {
    if (column < 0 || column >= WIDTH) return;
    if (!(height >= cover.low[column])) cover.low[column] = height;
    if (!(height <= cover.high[column])) cover.high[column] = height;
  };
  for (let at = 0; at < x.length; at++) {
    const [px, py] = [toPixel(xs, x[at]), toPixel(ys, y[at])];
    if (Number.isNaN(py)) continue;
    if (x[at] >= xs.range.min && x[at] <= xs.range.max) mark(Math.min(WIDTH - 1, Math.floor(px)), py);
    const [qx, qy] = [toPixel(xs, x[at - 1]), toPixel(ys, y[at - 1])];
    if (at === 0 || !(qy <= Infinity)) continue;
    for (let edge = Math.max(0, Math.floor(qx) + 1); edge <= Math.min(WIDTH, px); edge++) {
      const height = qy + ((py - qy) * (edge - qx)) / (px - qx || 1);
      mark(edge - 1, height);
      mark(edge, height);
    }
  }
  return cover;
}

function worst(one: Cover, other: Cover): number {
  let pixels = 0;
  for (let column = 0; column < WIDTH; column++)
    for (const side of ['low', 'high'] as const) {
      if (Number.isNaN(one[side][column]) && Number.isNaN(other[side][column])) continue;
      // A line that only one of them has is infinitely far off.
      pixels = Math.max(pixels, Number.isNaN(one[side][column] - other[side][column]) ? Infinity : 0);
      pixels = Math.max(pixels, Math.abs(one[side][column] - other[side][column]) || 0);
    }
  return pixels;
}

/** By how many pixels of height one reaches beyond another that is a column wider on either side. */
function beyond(one: Cover, other: Cover): number {
  let pixels = 0;
  for (let column = 0; column < WIDTH; column++) {
    if (Number.isNaN(one.low[column])) continue;
    const near = [column - 1, column, column + 1].filter((place) => !Number.isNaN(other.low[place] ?? NaN));
    if (near.length === 0) return Infinity;
    const low = Math.min(...near.map((place) => other.low[place]));
    const high = Math.max(...near.map((place) => other.high[place]));
    pixels = Math.max(pixels, low - one.low[column], one.high[column] - high);
  }
  return pixels;
}

let seed = 1;
const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
let walk = 500;
const CURVES: Record<string, (index: number) => number> = {
  smooth: (index) => Math.exp(-index / 40_000),
  'random walk': () => (walk = Math.max(1, walk + random() - 0.5)),
  spikes: (index) => (index % 9973 === 0 ? 40 : 0.01) + Math.abs(Math.sin(index / 5000)),
  gaps: (index) => (index % 70_000 < 9_000 || index % 7 === 0 ? NaN : 2 + Math.cos(index / 3000) + random()),
  'partly below zero': (index) => Math.sin(index / 900) + 0.2 * random(),
};
const VIEWS: Range[] = [
  { min: 1, max: COUNT },
  { min: 100_000.3, max: 110_003.7 },
  { min: 123_456.5, max: 123_701.25 },
];
const x = Float64Array.from({ length: COUNT }, (_, index) => index + 1);

describe('cover', () => {
  for (const [name, curve] of Object.entries(CURVES))
    for (const [xLog, yLog] of [
      [false, false],
      [true, true],
    ])
      test(`of a ${name} curve is that of all its points within 2 pixels, ${xLog ? 'log' : 'linear'}`, () => {
        const y = Float64Array.from(x, (_, index) => curve(index));
        const pyramid = new Pyramid(yLog);
        pyramid.follow(y, 0);
        for (const range of VIEWS) {
          const xs = { range, size: WIDTH, log: xLog };
          const ys = { range: extent([y], yLog)!, size: HEIGHT, log: yLog };
          const got = coverOf({ x, y, pyramid }, columnEdges(x, xs), xs, ys, newCover(WIDTH));
          const exact = bruteForce(x, y, xs, ys);
          expect(worst(got, exact)).toBeLessThanOrEqual(2);
          // While it moves, what is drawn may be in the column beside its own.
          const edges = columnEdges(x, xs);
          alignEdges(edges);
          const quick = coverOf({ x, y, pyramid }, edges, xs, ys, newCover(WIDTH));
          expect(beyond(quick, exact)).toBeLessThanOrEqual(2);
          expect(beyond(exact, quick)).toBeLessThanOrEqual(2);
        }
      });

  test('of many points asks for no values but those at its ends', () => {
    expect([0, 15, 16, 63, 64, 100, 1000].map(grainWithin)).toEqual([1, 1, 16, 16, 64, 64, 256]);
    const edges = columnEdges(x, { range: { min: 1, max: COUNT }, size: 400, log: false });
    alignEdges(edges);
    expect(edges.slice(1, -1).every((edge) => edge % 64 === 0)).toBe(true);
    expect([edges[0], edges[400]]).toEqual([0, COUNT]);
  });

  test('of a gap is empty, and of a lone point one column', () => {
    const few = { x: Float64Array.of(0, 10, 20, 30, 40), y: Float64Array.of(1, 1, NaN, 1, NaN) };
    const pyramid = new Pyramid();
    pyramid.follow(few.y, 0);
    const xs = { range: { min: 0, max: 40 }, size: 40, log: false };
    const ys = { range: { min: 0, max: 2 }, size: 10, log: false };
    const { low } = coverOf({ ...few, pyramid }, columnEdges(few.x, xs), xs, ys, newCover(40));
    expect([0, 5, 10].map((column) => low[column])).toEqual([5, 5, 5]);
    expect([11, 20, 29, 31, 39].every((column) => Number.isNaN(low[column]))).toBe(true);
    expect(low[30]).toBe(5);
  });

  test('a vector path keeps few points and its gaps', () => {
    const y = Float64Array.from(x, (_, index) => (index >= 150_000 && index < 200_000 ? NaN : Math.sin(index)));
    const xs = { range: VIEWS[0], size: WIDTH, log: false };
    const path = pathPoints({ x, y }, columnEdges(x, xs), false);
    expect(path.length).toBeLessThanOrEqual(4 * WIDTH + 3);
    expect(path.filter((index) => index === -1)).toHaveLength(1);
    expect(path.every((index) => index === -1 || !Number.isNaN(y[index]))).toBe(true);
  });
});

describe('pyramid', () => {
  test('grown bit by bit answers as each stretch read whole, and starts anew when told', () => {
    const y = Float64Array.from({ length: 5000 }, () => (random() < 0.1 ? NaN : random() - 0.5));
    for (const positive of [false, true]) {
      const pyramid = new Pyramid(positive);
      for (const length of [1, 3, 16, 17, 64, 1000, 1023, 5000]) pyramid.follow(y.subarray(0, length), 0);
      const out = { min: 0, max: 0 };
      for (let round = 0; round < 300; round++) {
        const from = Math.floor(random() * 5000);
        const to = Math.min(5000, from + Math.floor(random() ** 3 * 5000));
        pyramid.query(from, to, out);
        const range = extent([y.subarray(from, to)], positive) ?? { min: NaN, max: NaN };
        expect(out).toEqual(range);
      }
      pyramid.follow(Float64Array.of(7, 8, 9), 1);
      pyramid.query(0, 3, out);
      expect(out).toEqual({ min: 7, max: 9 });
    }
  });
});

test('pixels and values are each other’s inverse on both kinds of axis', () => {
  for (const log of [false, true]) {
    const scale = { range: { min: 2, max: 500 }, size: 300, log };
    for (const value of [2, 30, 499]) expect(fromPixel(scale, toPixel(scale, value))).toBeCloseTo(value, 9);
  }
});
