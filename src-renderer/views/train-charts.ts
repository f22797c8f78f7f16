import type { Series } from '../components/charts/series.ts';
import { SPENT_COLORS } from '../components/train/time-colors.ts';
import type { XAxis } from '../stores/preferences.ts';
import type { EpochColumn, RunHistory } from '../history/run-history.ts';
import { RunLines, SOLID, type AxisLines, type Look, type Translate } from './run-lines.ts';

const CHARTS = [
  ...(['loss', 'acc1', 'acc5', 'agreement', 'lr', 'speed', 'stepTime', 'memory'] as const),
  ...(['gpuMemory', 'gpuUse', 'anatomy'] as const),
] as const;
export type ChartId = (typeof CHARTS)[number];

/** One chart of a run: `format` names how its values are written. */
export interface ChartSpec {
  id: ChartId;
  series: Series[];
  format: 'number' | 'percent' | 'rate' | 'milliseconds' | 'gigabytes' | 'seconds';
}

/** A run to draw. Of several, each has a colour of its own, or a dash where there are more runs than colours. */
export interface DrawnRun {
  id: string;
  history: RunHistory;
  color: string;
  dash?: readonly number[];
}

const FORMATS: Record<ChartId, ChartSpec['format']> = {
  ...({ loss: 'number', acc1: 'percent', acc5: 'percent', agreement: 'percent', lr: 'number' } as const),
  ...({ speed: 'rate', stepTime: 'milliseconds', memory: 'gigabytes' } as const),
  ...({ gpuMemory: 'gigabytes', gpuUse: 'percent', anatomy: 'seconds' } as const),
};
/** Charts that stand where they have no line yet, too. */
const ALWAYS: readonly ChartId[] = ['loss', 'acc1', 'acc5', 'lr', 'speed', 'stepTime', 'memory'];
/** Of one run only: stacks of several would hide each other. */
const ALONE: readonly ChartId[] = ['anatomy'];

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
/** Builds the charts of a run, and of those beside it, from their histories. */
export class TrainCharts {
  private readonly kept = new Map<string, RunLines>();

  /**
   * @param runs the open one first.
   * @param weight of the moving average; null draws the raw values alone.
   */
  build(runs: readonly DrawnRun[], axis: XAxis, weight: number | null, t: Translate): ChartSpec[] {
    for (const id of this.kept.keys()) if (!runs.some((run) => run.id === id)) this.kept.delete(id);
    const several = runs.length > 1;
    const distils = runs.some(({ history }) => history.steps.has('lossDistillation'));
    const drawn = runs.map((run, index) => {
      const charts = chartsOf(this.linesOf(run).on(axis, weight, t));
      return (id: ChartId): Series[] => {
        if (ALONE.includes(id)) return index === 0 ? charts[id] : [];
        return several ? charts[id].flatMap((line) => (line.faint && index > 0 ? [] : [ofRun(line, run)])) : charts[id];
      };
    });
    return CHARTS.map((id) => ({ id, format: FORMATS[id], series: drawn.flatMap((of) => of(id)) })).filter(
      ({ id, series }) => series.length > 0 || ALWAYS.includes(id) || (id === 'agreement' && distils),
    );
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

function chartsOf(lines: AxisLines): Record<ChartId, Series[]> {
  return {
    loss: [
      ...lines.line('loss', 'charts.total', LOOKS.total, { withRaw: true }),
      ...lossParts(lines),
      ...lines.epochs('loss', 'charts.validation', LOOKS.validation),
    ],
    acc1: heads(lines, 'acc1'),
    acc5: heads(lines, 'acc5'),
    agreement: lines.epochs('agreement', 'charts.lines.agreement', LOOKS.other),
    lr: lines.raw('lr', 'charts.lines.lr', LOOKS.total),
    speed: lines.line('imagesPerSecond', 'charts.lines.speed', LOOKS.fused, { withRaw: true }),
    stepTime: [
      ...lines.line('stepTime', 'charts.step', LOOKS.total),
      ...minor(lines.line('teacher', 'charts.teacher', LOOKS.distillation)),
      ...minor(lines.line('dataWait', 'charts.dataWait', LOOKS.class)),
      ...minor(lines.line('feed', 'charts.feed', LOOKS.feed)),
    ],
    memory: lines.raw('memory', 'charts.lines.memory', LOOKS.other),
    gpuMemory: lines.raw('gpuMemory', 'charts.lines.gpuMemory', LOOKS.other),
    gpuUse: lines.line('gpuUse', 'charts.lines.gpuUse', LOOKS.fused, { withRaw: true }),
    anatomy: lines.spent((part) => ({ color: SPENT_COLORS[part], dash: SOLID, width: 0 })),
  };
}

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
