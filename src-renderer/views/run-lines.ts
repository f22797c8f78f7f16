import { RUN_TIME_PARTS, type RunTimePart } from '../../src-main/protocol/run-times.ts';
import { Pyramid, type Numbers } from '../components/charts/pyramid.ts';
import { Smoother, type Series } from '../components/charts/series.ts';
import type { XAxis } from '../stores/preferences.ts';
import { timeColumn, type EpochColumn, type RunHistory, type StepColumn } from '../history/run-history.ts';

export type Translate = (key: string) => string;
/**
 * Says how a line looks: in a chart of several runs the colour is the run's, so that only the dash tells lines apart.
 */
export type Look = Pick<Series, 'color' | 'dash' | 'width'>;

export const SOLID: readonly number[] = [];

/**
 * The lines of one run. What is worked out of its columns (averages, pyramids) is kept, so that a frame costs only what
 * is new.
 */
export class RunLines {
  private readonly smoothers = new Map<StepColumn, Smoother>();
  private readonly pyramids = new Map<string, Pyramid>();

  constructor(readonly history: RunHistory) {}

  /** @param weight of the moving average; null draws the raw values alone. */
  on(axis: XAxis, weight: number | null, t: Translate): AxisLines {
    return new AxisLines(this, axis, weight, t);
  }

  /** The smoothed column; the number changes when earlier values did. */
  smooth(column: StepColumn, y: Numbers, weight: number): { y: Numbers; generation: number } {
    const smoother = this.smoothers.get(column) ?? new Smoother();
    this.smoothers.set(column, smoother);
    return { y: smoother.of(y, weight), generation: smoother.restarts };
  }

  /** The pyramids over a column, which only take in what is new, and not before they are asked for. */
  over(key: string, y: Numbers, generation: number): Pick<Series, 'pyramid'> {
    return {
      pyramid: (log) => {
        const name = `${key} ${log ? 'log' : ''}`;
        const pyramid = this.pyramids.get(name) ?? new Pyramid(log);
        this.pyramids.set(name, pyramid);
        pyramid.follow(y, generation);
        return pyramid;
      },
    };
  }
}

/** The lines of a run over one x axis. Where nothing was measured there is none. */
export class AxisLines {
  private readonly history: RunHistory;

  constructor(
    private readonly run: RunLines,
    private readonly axis: XAxis,
    private readonly weight: number | null,
    private readonly t: Translate,
  ) {
    this.history = run.history;
  }

  /** A smoothed line over the steps, behind it the raw values when asked for. */
  line(column: StepColumn, label: string, look: Look, { withRaw = false } = {}): Series[] {
    const [raw] = this.raw(column, label, look);
    if (!raw || this.weight === null) return raw ? [raw] : [];
    const { y, generation } = this.run.smooth(column, raw.y, this.weight);
    const over = this.run.over(`${column} smooth`, y, generation + this.history.steps.revision / 1e6);
    const line: Series = { ...raw, y, ...over };
    return withRaw ? [{ ...raw, id: `${column}.raw`, dash: SOLID, width: 1, faint: true }, line] : [line];
  }

  raw(column: StepColumn, label: string, look: Look): Series[] {
    const { steps } = this.history;
    if (!steps.has(column)) return [];
    const y = steps.column(column);
    const over = this.run.over(column, y, steps.revision);
    return [{ id: column, kind: column, label: this.t(label), ...look, x: steps.column(this.axis), y, ...over }];
  }

  /** A line over the epochs, whose points are marked. */
  epochs(column: EpochColumn, label: string, look: Look): Series[] {
    const { epochs } = this.history;
    if (!epochs.has(column)) return [];
    const y = epochs.column(column);
    const id = `epochs.${column}`;
    const over = this.run.over(id, y, epochs.revision);
    const x = epochs.column(this.axis);
    return [{ id, kind: id, label: this.t(label), ...look, marked: true, x, y, ...over }];
  }

  /** Seconds of each epoch by part, from the bottom of the stack to its top. */
  epochTimes(look: (part: RunTimePart) => Look): Series[] {
    const { timesByEpoch } = this.history;
    const some = (part: RunTimePart): boolean => timesByEpoch.column(timeColumn(part)).some((seconds) => seconds > 0);
    return RUN_TIME_PARTS.filter(some).map((part) => ({
      ...{ id: part, kind: part, label: this.t(`train.times.${part}`), ...look(part), fill: true },
      ...{ x: timesByEpoch.column(this.axis), y: timesByEpoch.column(timeColumn(part)) },
    }));
  }
}
