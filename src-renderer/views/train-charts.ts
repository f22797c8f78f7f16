import type { Unit } from '../../src-main/protocol/step-numbers.ts';
import type { ChartName } from '../i18n/chart-names.ts';
import type { Series } from '../components/charts/series.ts';
import { TIME_COLORS } from '../components/train/time-colors.ts';
import type { XAxis } from '../stores/preferences.ts';
import type { EpochColumn, RunHistory } from '../history/run-history.ts';
import { RunLines, SOLID, type AxisLines, type Look, type Translate } from './run-lines.ts';

/** One chart of a run. */
export interface ChartSpec extends Omit<Chart, 'lines' | 'standing'> {
  id: ChartId;
  series: Series[];
}

/** A run to draw. Of several, each has a colour of its own, or a dash where there are more runs than colours. */
export interface DrawnRun {
  id: string;
  history: RunHistory;
  color: string;
  dash?: readonly number[];
}

const LOOKS = {
  total: { color: 'series-total', dash: SOLID, width: 1.75 },
  class: { color: 'series-class', dash: [6, 3], width: 1.5 },
  distillation: { color: 'series-distillation', dash: [2, 2], width: 1.5 },
  fused: { color: 'series-fused', dash: SOLID, width: 2 },
  validation: { color: 'series-validation', dash: [8, 3, 2, 3], width: 1.5 },
  other: { color: 'series-other', dash: SOLID, width: 1.5 },
  average: { color: 'series-other', dash: [12, 3], width: 1.5 },
  feed: { color: 'series-fused', dash: [8, 3, 2, 3], width: 1.5 },
} as const satisfies Record<string, Look>;

interface Chart {
  unit: Unit;
  /** The event after which it has a first value. */
  after: 'steps' | 'epoch';
  /** Stands where it has no line yet, too: always, or once a run distils. */
  standing?: 'always' | 'distilling';
  /** Of one run only: stacks of several would hide each other. */
  alone?: boolean;
  lines: (lines: AxisLines) => Series[];
}

/**
 * The charts in their order. To add one: "A chart" in docs/adding.md.
 */
const CHARTS = {
  loss: {
    ...{ unit: 'plain', after: 'steps', standing: 'always' },
    lines: (lines) => [
      ...lines.line('loss', 'charts.total', LOOKS.total, { withRaw: true }),
      ...lossParts(lines),
      ...lines.epochs('loss', 'charts.validation', LOOKS.validation),
    ],
  },
  acc1: { unit: 'percent', after: 'epoch', standing: 'always', lines: (lines) => heads(lines, 'acc1') },
  acc5: { unit: 'percent', after: 'epoch', standing: 'always', lines: (lines) => heads(lines, 'acc5') },
  agreement: {
    ...{ unit: 'percent', after: 'epoch', standing: 'distilling' },
    lines: (lines) => lines.epochs('agreement', 'charts.lines.agreement', LOOKS.other),
  },
  lr: {
    ...{ unit: 'plain', after: 'steps', standing: 'always' },
    lines: (lines) => lines.raw('lr', 'charts.lines.lr', LOOKS.total),
  },
  speed: {
    ...{ unit: 'rate', after: 'steps', standing: 'always' },
    lines: (lines) => lines.line('imagesPerSecond', 'charts.lines.speed', LOOKS.fused, { withRaw: true }),
  },
  stepTime: {
    ...{ unit: 'milliseconds', after: 'steps', standing: 'always' },
    lines: (lines) => [
      ...lines.line('stepTime', 'train.times.step', LOOKS.total),
      ...minor(lines.line('teacher', 'train.times.teacher', LOOKS.distillation)),
      ...minor(lines.line('dataWait', 'train.times.dataWait', LOOKS.class)),
      ...minor(lines.line('feed', 'train.times.feed', LOOKS.feed)),
    ],
  },
  kept: {
    ...{ unit: 'percent', after: 'steps' },
    lines: (lines) => lines.line('kept', 'charts.lines.kept', LOOKS.other),
  },
  memory: {
    ...{ unit: 'bytes', after: 'steps', standing: 'always' },
    lines: (lines) => lines.raw('memory', 'charts.lines.memory', LOOKS.other),
  },
  deviceMemory: {
    ...{ unit: 'bytes', after: 'steps' },
    lines: (lines) => lines.raw('deviceMemory', 'charts.lines.deviceMemory', LOOKS.other),
  },
  deviceBusy: {
    ...{ unit: 'percent', after: 'steps' },
    lines: (lines) => lines.line('deviceBusy', 'charts.lines.deviceBusy', LOOKS.other),
  },
  epochTime: {
    ...{ unit: 'seconds', after: 'epoch', alone: true },
    lines: (lines) => lines.epochTimes((part) => ({ color: TIME_COLORS[part], dash: SOLID, width: 0 })),
  },
} as const satisfies Partial<Record<ChartName, Chart>>;
export type ChartId = keyof typeof CHARTS;
const ROWS: readonly (readonly [ChartId, Chart])[] = (Object.keys(CHARTS) as ChartId[]).map((id) => [id, CHARTS[id]]);
export const CHART_IDS: readonly ChartId[] = ROWS.map(([id]) => id);

/** Builds the charts of a run, and of those beside it, from their histories. */
export class TrainCharts {
  private readonly kept = new Map<string, RunLines>();

  /**
   * @param runs the open one first.
   * @param weight of the moving average; null draws the raw values alone.
   */
  build(runs: readonly DrawnRun[], axis: XAxis, weight: number | null, t: Translate): ChartSpec[] {
    for (const id of this.kept.keys()) if (!runs.some((run) => run.id === id)) this.kept.delete(id);
    const distils = runs.some(({ history }) => history.steps.has('lossDistillation'));
    const all = runs.map((run) => ({ run, lines: this.linesOf(run).on(axis, weight, t) }));
    return ROWS.flatMap(([id, { lines: draw, standing, ...chart }]) => {
      const series = (chart.alone ? all.slice(0, 1) : all).flatMap(({ run, lines }, index) => {
        if (chart.alone || runs.length === 1) return draw(lines);
        return draw(lines).flatMap((line) => (line.faint && index > 0 ? [] : [ofRun(line, run)]));
      });
      const stands = standing === 'always' || (standing === 'distilling' && distils);
      return series.length > 0 || stands ? [{ id, ...chart, series }] : [];
    });
  }

  private linesOf({ id, history }: DrawnRun): RunLines {
    const known = this.kept.get(id);
    if (known?.history === history) return known;
    const lines = new RunLines(history);
    this.kept.set(id, lines);
    return lines;
  }
}

/** A line among those of other runs. */
function ofRun(line: Series, { id, color, dash = SOLID }: DrawnRun): Series {
  return { ...line, id: `${id} ${line.id}`, run: id, color, dash: [...line.dash, ...dash] };
}

const minor = (series: Series[]): Series[] => series.map((one) => ({ ...one, minor: true }));

/** Without a teacher the class loss is the whole. */
function lossParts(lines: AxisLines): Series[] {
  const distillation = lines.line('lossDistillation', 'charts.distillation', LOOKS.distillation);
  return distillation.length > 0
    ? minor([...lines.line('lossClass', 'charts.class', LOOKS.class), ...distillation])
    : [];
}

function heads(lines: AxisLines, which: 'acc1' | 'acc5'): Series[] {
  const [ofClass, ofDistillation]: EpochColumn[] =
    which === 'acc1' ? ['classAcc1', 'distillationAcc1'] : ['classAcc5', 'distillationAcc5'];
  const second = lines.epochs(ofDistillation, 'charts.distillationHead', LOOKS.distillation);
  const average = minor(
    lines.epochs(which === 'acc1' ? 'averageAcc1' : 'averageAcc5', 'charts.average', LOOKS.average),
  );
  // Without a second head the class head is the whole model: one line says it.
  if (!second.length) return [...lines.epochs(which, 'charts.validation', LOOKS.fused), ...average];
  return [
    ...lines.epochs(which, 'charts.fused', LOOKS.fused),
    ...minor([...lines.epochs(ofClass, 'charts.classHead', LOOKS.class), ...second]),
    ...average,
  ];
}
