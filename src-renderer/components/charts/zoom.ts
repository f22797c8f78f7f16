import type { Range } from './series.ts';

/** The arithmetic of zooming and panning one axis; a log axis moves by factors. All stay inside `whole`. */
export interface Axis {
  whole: Range;
  log: boolean;
}

/** The least share of the whole that can be zoomed into. */
const LEAST_SHARE = 1e-5;

const into = (value: number, log: boolean): number => (log ? Math.log(value) : value);
const out = (value: number, log: boolean): number => (log ? Math.exp(value) : value);

function inside(min: number, max: number, { whole, log }: Axis): Range {
  const [first, last] = [into(whole.min, log), into(whole.max, log)];
  const least = Math.max((last - first) * LEAST_SHARE, Number.EPSILON * Math.abs(last) * 16);
  let span = Math.min(last - first, max - min);
  if (span < least) span = least;
  const middle = (min + max) / 2;
  const begin = Math.min(last - span, Math.max(first, middle - span / 2));
  if (span >= last - first) return { ...whole };
  return { min: out(begin, log), max: out(begin + span, log) };
}

/** Scales `range` by `factor` (below 1 shows more detail) around the value `at`, which keeps its place. */
export function zoomed(range: Range, factor: number, at: number, axis: Axis): Range {
  const [min, max, middle] = [range.min, range.max, at].map((value) => into(value, axis.log));
  return inside(middle - (middle - min) * factor, middle + (max - middle) * factor, axis);
}

/** Moves `range` by a share of its own length. */
export function panned(range: Range, share: number, axis: Axis): Range {
  const [min, max] = [into(range.min, axis.log), into(range.max, axis.log)];
  const by = (max - min) * share;
  return inside(min + by, max + by, axis);
}

/** Returns the range between two values, in either order. */
export function brushed(one: number, other: number, axis: Axis): Range {
  const [min, max] = [Math.min(one, other), Math.max(one, other)].map((value) => into(value, axis.log));
  return inside(min, max, axis);
}
