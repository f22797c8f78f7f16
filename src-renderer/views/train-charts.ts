import type { Series } from '../components/charts/series.ts';
import { Smoother } from '../components/charts/series.ts';
import type { EpochColumn, RunHistory, StepColumn } from '../stores/run-history.ts';
import type { XAxis } from '../stores/preferences.ts';

/** One chart of a run: `format` names how its values are written. */
export interface ChartSpec {
  id: 'loss' | 'acc1' | 'acc5' | 'agreement' | 'lr' | 'speed' | 'stepTime' | 'memory';
  series: Series[];
  format: 'number' | 'percent' | 'rate' | 'milliseconds' | 'gigabytes';
}

type Translate = (key: string) => string;
type Look = Pick<Series, 'color' | 'dash' | 'width'>;

const SOLID: readonly number[] = [];
const LOOKS = {
  total: { color: 'series-total', dash: SOLID, width: 1.75 },
  class: { color: 'series-class', dash: [6, 3], width: 1.5 },
  distillation: { color: 'series-distillation', dash: [2, 2], width: 1.5 },
  fused: { color: 'series-fused', dash: SOLID, width: 2 },
  validation: { color: 'series-validation', dash: [8, 3, 2, 3], width: 1.5 },
  other: { color: 'series-other', dash: SOLID, width: 1.5 },
} as const satisfies Record<string, Look>;

/** Builds a run's charts from its history; smoothed columns are kept, so that a frame costs only what is new. */
export class TrainCharts {
  private readonly smoothers = new Map<StepColumn, Smoother>();
  private history: RunHistory | null = null;

  /** @param weight of the moving average; null draws the raw values alone. */
  build(history: RunHistory, axis: XAxis, weight: number | null, t: Translate): ChartSpec[] {
    if (history !== this.history) this.smoothers.clear();
    this.history = history;
    const steps = new StepLines(history, axis, (column, y) => this.smooth(column, y, weight), weight !== null);
    const epochs = (id: EpochColumn, label: string, look: Look): Series[] => {
      const y = history.epochs.column(id);
      return y.some((value) => !Number.isNaN(value))
        ? [{ id, label: t(label), ...look, marked: true, x: history.epochs.column(axis), y }]
        : [];
    };
    const distils = history.steps.column('lossDistillation').some((value) => !Number.isNaN(value));
    const heads = (which: 'acc1' | 'acc5'): Series[] => {
      const [ofClass, ofDistillation]: EpochColumn[] =
        which === 'acc1' ? ['classAcc1', 'distillationAcc1'] : ['classAcc5', 'distillationAcc5'];
      const second = epochs(ofDistillation, 'charts.distillationHead', LOOKS.distillation);
      const average = epochs(which === 'acc1' ? 'averageAcc1' : 'averageAcc5', 'charts.average', LOOKS.other);
      // Without a second head the class head is the whole model: one line says it.
      if (!second.length) return [...epochs(which, 'charts.validation', LOOKS.fused), ...average];
      return [
        ...epochs(which, 'charts.fused', LOOKS.fused),
        ...epochs(ofClass, 'charts.classHead', LOOKS.class),
        ...second,
        ...average,
      ];
    };
    const agreement = epochs('agreement', 'charts.lines.agreement', LOOKS.other);
    return [
      {
        id: 'loss',
        format: 'number',
        series: [
          ...steps.line('loss', t('charts.total'), LOOKS.total, true),
          ...(distils ? steps.line('lossClass', t('charts.class'), LOOKS.class) : []),
          ...(distils ? steps.line('lossDistillation', t('charts.distillation'), LOOKS.distillation) : []),
          ...epochs('loss', 'charts.validation', LOOKS.validation),
        ],
      },
      { id: 'acc1', format: 'percent', series: heads('acc1') },
      { id: 'acc5', format: 'percent', series: heads('acc5') },
      ...(agreement.length || distils ? [{ id: 'agreement', format: 'percent', series: agreement } as const] : []),
      { id: 'lr', format: 'number', series: steps.raw('lr', t('charts.lines.lr'), LOOKS.total) },
      {
        id: 'speed',
        format: 'rate',
        series: steps.line('imagesPerSecond', t('charts.lines.speed'), LOOKS.fused, true),
      },
      {
        id: 'stepTime',
        format: 'milliseconds',
        series: [
          ...steps.line('stepTime', t('charts.step'), LOOKS.total),
          ...steps.measured('teacher', t('charts.teacher'), LOOKS.distillation),
          ...steps.line('dataWait', t('charts.dataWait'), LOOKS.class),
          ...steps.measured('feed', t('charts.feed'), LOOKS.fused),
        ],
      },
      { id: 'memory', format: 'gigabytes', series: steps.raw('memory', t('charts.lines.memory'), LOOKS.other) },
    ];
  }

  private smooth(column: StepColumn, y: Float64Array, weight: number | null): Float64Array {
    if (weight === null) return y;
    const smoother = this.smoothers.get(column) ?? new Smoother();
    this.smoothers.set(column, smoother);
    return smoother.of(y, weight);
  }
}

/** Lines over the step rows of one history, all on one x column. */
class StepLines {
  private readonly x: Float64Array;

  constructor(
    private readonly history: RunHistory,
    axis: XAxis,
    private readonly smooth: (column: StepColumn, y: Float64Array) => Float64Array,
    private readonly smoothed: boolean,
  ) {
    this.x = history.steps.column(axis);
  }

  /** A smoothed line, behind it the raw values when asked for. */
  line(column: StepColumn, label: string, look: Look, withRaw = false): Series[] {
    const y = this.history.steps.column(column);
    const raw: Series = { id: `${column}.raw`, label, ...look, dash: SOLID, width: 1, faint: true, x: this.x, y };
    const line: Series = { id: column, label, ...look, x: this.x, y: this.smooth(column, y) };
    return withRaw && this.smoothed ? [raw, line] : [line];
  }

  /** A smoothed line, where there is a value at all. */
  measured(column: StepColumn, label: string, look: Look): Series[] {
    const known = this.history.steps.column(column).some((value) => !Number.isNaN(value));
    return known ? this.line(column, label, look) : [];
  }

  raw(column: StepColumn, label: string, look: Look): Series[] {
    return [{ id: column, label, ...look, x: this.x, y: this.history.steps.column(column) }];
  }
}
