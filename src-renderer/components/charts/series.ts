import { Pyramid, type Numbers } from './pyramid.ts';

/** The arithmetic of the charts: smoothing, axes. Pure functions over typed arrays. */

/** One line of a chart. `x` only grows; a NaN in `y` is a point that was not measured. */
export interface Series {
  id: string;
  /** The number that it shows: lines of several runs, and a line with its raw values, share it. */
  kind: string;
  label: string;
  /** Id of the run that it is of, where the lines of several are drawn. */
  run?: string;
  /** Not shown beside other runs unless it is asked for. */
  minor?: boolean;
  /** Name of a colour token without its dashes, such as `series-total`, or `#rrggbb`. */
  color: string;
  /** Lengths of dash and gap in pixels; [] is a solid line. */
  dash: readonly number[];
  width: number;
  /** Drawn faintly: the raw values behind a smoothed line, which speak in no legend. */
  faint?: boolean;
  /** Each point is marked while there are few: what is measured seldom. */
  marked?: boolean;
  /** Drawn as a stack of bars, each from the x before to its own. */
  fill?: boolean;
  x: Numbers;
  y: Numbers;
  /** Over `y`, kept between drawings where it is long; of what a log axis can show where asked. */
  pyramid?: (log: boolean) => Pyramid;
}

export interface Range {
  min: number;
  max: number;
}

/** Finds the index of the first value of `sorted` that is at least `value`. */
export function lowerBound(sorted: Numbers, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A debiased exponential moving average, of seven digits, that follows a growing column: only new values are worked on.
 * Value n is Σ wᵏ y / Σ wᵏ over the measured points so far, so the first equals its point.
 */
export class Smoother {
  /** Changes when earlier values of the average did. */
  restarts = 0;
  private values = new Float32Array(256);
  private length = 0;
  private weight = NaN;
  private sum = 0;
  private mass = 0;
  private lastSeen = NaN;

  /** The average of each value of `y`: a view, valid until the next call. `weight` is 0 (raw) to below 1. */
  of(y: Numbers, weight: number): Float32Array {
    if (weight !== this.weight || y.length < this.length || !Object.is(y[this.length - 1] ?? NaN, this.lastSeen))
      this.restart(weight);
    if (y.length > this.values.length) {
      const larger = new Float32Array(Math.max(y.length, 2 * this.values.length));
      larger.set(this.values.subarray(0, this.length));
      this.values = larger;
    }
    for (; this.length < y.length; this.length++) {
      const value = y[this.length];
      if (Number.isFinite(value)) {
        this.sum = this.sum * weight + value;
        this.mass = this.mass * weight + 1;
      }
      this.values[this.length] = Number.isFinite(value) ? this.sum / this.mass : NaN;
    }
    this.lastSeen = y[this.length - 1] ?? NaN;
    return this.values.subarray(0, this.length);
  }

  private restart(weight: number): void {
    this.restarts++;
    this.weight = weight;
    this.length = this.sum = this.mass = 0;
  }
}

/**
 * Finds the smallest range that holds the finite values; null when there is none. `positive` leaves out values that a
 * log axis cannot show.
 */
export function extent(arrays: readonly Numbers[], positive = false): Range | null {
  let min = Infinity;
  let max = -Infinity;
  for (const values of arrays)
    for (let index = 0; index < values.length; index++) {
      const value = values[index];
      if (!Number.isFinite(value) || (positive && value <= 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
  return min <= max ? { min, max } : null;
}

/** Finds the range of columns that only grow, as {@link extent} does, from their ends alone. */
export function ends(columns: readonly Numbers[], positive = false): Range | null {
  const range = { min: Infinity, max: -Infinity };
  for (const column of columns) {
    const first = positive ? lowerBound(column, Number.MIN_VALUE) : 0;
    if (first >= column.length) continue;
    range.min = Math.min(range.min, column[first]);
    range.max = Math.max(range.max, column[column.length - 1]);
  }
  return range.min <= range.max ? range : null;
}

/** Widens the range a little above and below, never beyond `most`; a flat line gets some height too. */
export function padded({ min, max }: Range, log: boolean, most = Infinity): Range {
  if (log) return { min: min / 1.15, max: Math.min(most, max * 1.15) };
  const air = max > min ? 0.05 * (max - min) : Math.abs(max) * 0.05 || 1;
  return { min: min >= 0 ? Math.max(0, min - air) : min - air, max: Math.min(most, max + air) };
}

const CLOCK_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800,
];

/** Chooses the distance between ticks of a time axis, in seconds, so that there are at most `most`. */
export function clockStep(span: number, most = 8): number {
  return CLOCK_STEPS.find((step) => span / step <= most) ?? Math.ceil(span / most / 604800) * 604800;
}

/** Finds the index of the point nearest to `x`, or -1. */
export function nearest(xs: Numbers, x: number): number {
  if (!xs.length) return -1;
  const after = Math.min(xs.length - 1, lowerBound(xs, x));
  return after > 0 && x - xs[after - 1] < xs[after] - x ? after - 1 : after;
}

/** Returns the pyramid of a line: its own, or one made for this drawing. */
export function pyramidOf({ y, pyramid }: Series, log: boolean): Pyramid {
  if (pyramid) return pyramid(log);
  const made = new Pyramid(log);
  made.follow(y, 0);
  return made;
}

/** Stacks series as they are drawn: each filled one stands on those before it. The highest comes first. */
export function stacked(series: readonly Series[]): readonly Series[] {
  if (!series.some(({ fill }) => fill)) return series;
  let base = new Float64Array(0);
  const tops = series.map((one) => {
    base = Float64Array.from(one.y, (value, index) => (value || 0) + (base[index] || 0));
    const { pyramid: own, ...rest } = one;
    void own;
    return { ...rest, y: base };
  });
  return tops.reverse();
}

/** Returns the colour of a {@link Series} in CSS. */
export const cssColor = (color: string): string => (color.startsWith('#') ? color : `var(--${color})`);

/** Returns the full name of a line, for places where several runs may be named. */
export const fullLabel = ({ label, run }: Pick<Series, 'label' | 'run'>): string => (run ? `${run} · ${label}` : label);
