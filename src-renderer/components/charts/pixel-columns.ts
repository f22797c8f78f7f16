import { grainWithin, type Numbers, type Pyramid } from './pyramid.ts';
import type { Range } from './series.ts';

/**
 * Computes which part of each pixel column a line covers, from a pyramid: the same as drawing every point, at the cost
 * of the pixels. Points and the lines between neighbours count; a value that was not measured is a gap.
 */

/** An axis in pixels: `range` from pixel 0 to pixel `size`. */
export interface PixelScale {
  range: Range;
  size: number;
  log: boolean;
}

/** Maps a value to a place in pixels; NaN for values that a log axis cannot show. */
export function toPixel({ range, size, log }: PixelScale, value: number): number {
  if (!log) return ((value - range.min) / (range.max - range.min)) * size;
  if (!(value > 0)) return NaN;
  return (Math.log(value / range.min) / Math.log(range.max / range.min)) * size;
}

/** Maps a place in pixels to a value. */
export function fromPixel({ range, size, log }: PixelScale, pixel: number): number {
  const share = pixel / size;
  return log ? range.min * (range.max / range.min) ** share : range.min + share * (range.max - range.min);
}

/**
 * First index, from `from` on, whose value is at least `value`: as far as is `likely` at once, then steps that grow,
 * then halves.
 */
function gallop(sorted: Numbers, from: number, value: number, likely: number): number {
  let low = from;
  let step = Math.max(1, likely);
  while (low + step <= sorted.length && sorted[low + step - 1] < value) {
    low += step;
    step = step === likely ? 1 : 2 * step;
  }
  let high = Math.min(sorted.length, low + step);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Finds for each pixel column the index of its first point, with one more at the end. `x` only grows. */
export function columnEdges(x: Numbers, scale: PixelScale, out = new Int32Array(scale.size + 1)): Int32Array {
  let at = gallop(x, 0, scale.range.min, 0);
  out[0] = at;
  for (let column = 1; column <= scale.size; column++) {
    // Points are about as dense as in the column before.
    const likely = column > 1 ? at - out[column - 2] - 2 : 0;
    out[column] = at = gallop(x, at, fromPixel(scale, column), likely);
  }
  // The end of the range belongs to it.
  while (at < x.length && x[at] <= scale.range.max) at++;
  out[scale.size] = at;
  return out;
}

/** The part of a pixel column by which {@link alignEdges} may move its border. */
const SLACK = 1 / 8;

/**
 * Moves the borders of columns that many points share to where blocks of a pyramid begin, by an eighth of a column at
 * most: several times quicker to draw.
 */
export function alignEdges(edges: Int32Array): void {
  let before = edges[0];
  for (let column = 1; column + 1 < edges.length; column++) {
    const edge = edges[column];
    const grain = grainWithin(SLACK * Math.min(edge - before, edges[column + 1] - edge));
    edges[column] = edge - (edge % grain);
    before = edge;
  }
}

/** Least and greatest height of the line in each pixel column, in pixels from the low end of the axis; NaN where none. */
export interface Cover {
  low: Float32Array;
  high: Float32Array;
}

export function newCover(width: number): Cover {
  return { low: new Float32Array(width), high: new Float32Array(width) };
}

/** Points in a column from which on the line that enters it says nothing that they do not. */
const DENSE = 128;

/** Works out the cover of a line into `out`. */
export function coverOf(
  line: { x: Numbers; y: Numbers; pyramid: Pyramid },
  edges: Int32Array,
  xs: PixelScale,
  ys: PixelScale,
  out: Cover,
): Cover {
  const { x, y, pyramid } = line;
  out.low.fill(NaN);
  out.high.fill(NaN);
  const shown = (index: number): boolean => (ys.log ? y[index] > 0 : !Number.isNaN(y[index]));
  const mark = (column: number, height: number): void => {
    if (column < 0 || column >= xs.size) return;
    if (!(height >= out.low[column])) out.low[column] = height;
    if (!(height <= out.high[column])) out.high[column] = height;
  };
  const join = (from: number, to: number): void => {
    const [x0, y0, x1, y1] = [toPixel(xs, x[from]), toPixel(ys, y[from]), toPixel(xs, x[to]), toPixel(ys, y[to])];
    const first = Math.max(0, Math.floor(x0) + 1);
    const last = Math.min(xs.size, Math.floor(x1));
    // A log axis has no place for what lies before it: the line comes in level.
    const slope = x1 > x0 && Number.isFinite(x0) ? (y1 - y0) / (x1 - x0) : 0;
    for (let edge = first; edge <= last; edge++) {
      const height = y1 + slope * (edge - x1);
      mark(edge - 1, height);
      mark(edge, height);
    }
  };
  const meets = (column: number): boolean =>
    column > 0 && out.low[column] <= out.high[column - 1] && out.high[column] >= out.low[column - 1];
  const found = { min: NaN, max: NaN };
  let before = edges[0] - 1;
  for (let column = 0; column < xs.size; column++) {
    const [from, to] = [edges[column], edges[column + 1]];
    if (from === to) continue;
    pyramid.query(from, to, found);
    if (Number.isNaN(found.min)) {
      before = -1;
      continue;
    }
    mark(column, toPixel(ys, found.min));
    mark(column, toPixel(ys, found.max));
    // Columns of many points that overlap hang together as they are.
    const dense = to - from >= DENSE && meets(column);
    if (!dense && before >= 0 && before === from - 1 && shown(before) && shown(from)) join(before, from);
    before = to - 1;
  }
  const after = edges[xs.size];
  if (before >= 0 && after < x.length && after === before + 1 && shown(before) && shown(after)) join(before, after);
  return out;
}

/** Computes {@link coverOf} for bars that reach from the x before a point to its own. */
export function coverOfBars(y: Numbers, edges: Int32Array, ys: PixelScale, out: Cover): Cover {
  for (let column = 0; column < out.low.length; column++) {
    const height = toPixel(ys, y[edges[column]] ?? NaN);
    out.high[column] = height;
    out.low[column] = Number.isNaN(height) ? NaN : 0;
  }
  return out;
}

/**
 * Chooses the points that draw the same vector path as all of them: of each column the first, lowest, highest and last,
 * one point beyond each end, and -1 where a gap parts the line.
 */
export function pathPoints(line: { x: Numbers; y: Numbers }, edges: Int32Array, log: boolean): number[] {
  const { x, y } = line;
  const path: number[] = [];
  const shown = (index: number): boolean => (log ? y[index] > 0 : !Number.isNaN(y[index]));
  const add = (index: number): void => {
    if (path[path.length - 1] !== index) path.push(index);
  };
  const first = edges[0] - 1;
  if (first >= 0 && shown(first)) add(first);
  let whole = first >= 0 && shown(first);
  for (let column = 0; column + 1 < edges.length; column++) {
    const [from, to] = [edges[column], edges[column + 1]];
    let [opened, low, high, closed] = [-1, -1, -1, -1];
    for (let index = from; index < to; index++) {
      if (!shown(index)) continue;
      if (opened < 0) opened = low = high = index;
      if (y[index] < y[low]) low = index;
      if (y[index] > y[high]) high = index;
      closed = index;
    }
    if (opened < 0) {
      if (to > from) whole = false;
      continue;
    }
    if (!whole || opened !== from) path.push(-1);
    for (const index of [opened, Math.min(low, high), Math.max(low, high), closed]) add(index);
    whole = closed === to - 1;
  }
  const last = edges[edges.length - 1];
  if (whole && last < x.length && shown(last)) add(last);
  return path[0] === -1 ? path.slice(1) : path;
}
