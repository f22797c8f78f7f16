import { Pyramid, type Numbers } from '../components/charts/pyramid.ts';
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
  private readonly pyramids = new Map<string, Pyramid>();
  private history: RunHistory | null = null;

  /** @param weight of the moving average; null draws the raw values alone. */
  build(history: RunHistory, axis: XAxis, weight: number | null, t: Translate): ChartSpec[] {
    if (history !== this.history) {
      this.smoothers.clear();
      this.pyramids.clear();
    }
    this.history = history;
    const steps = new StepLines(history, axis, this, weight);
    const epochs = (id: EpochColumn, label: string, look: Look): Series[] => {
      const y = history.epochs.column(id);
      return y.some((value) => !Number.isNaN(value))
        ? [
            {
              id,
              label: t(label),
              ...look,
              marked: true,
              x: history.epochs.column(axis),
              y,
              ...this.over(`epochs.${id}`, y, history.epochs.revision),
            },
          ]
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

/** Lines over the step rows of one history, all on one x column. */
class StepLines {
  private readonly x: Numbers;

  constructor(
    private readonly history: RunHistory,
    axis: XAxis,
    private readonly charts: TrainCharts,
    private readonly weight: number | null,
  ) {
    this.x = history.steps.column(axis);
  }

  /** A smoothed line, behind it the raw values when asked for. */
  line(column: StepColumn, label: string, look: Look, withRaw = false): Series[] {
    const [raw] = this.raw(column, label, look);
    if (this.weight === null) return [raw];
    const { revision } = this.history.steps;
    const { y, generation } = this.charts.smooth(column, raw.y, this.weight);
    const over = this.charts.over(`${column} smooth`, y, generation + revision / 1e6);
    const line: Series = { ...raw, y, ...over };
    return withRaw ? [{ ...raw, id: `${column}.raw`, dash: SOLID, width: 1, faint: true }, line] : [line];
  }

  /** A smoothed line, where there is a value at all. */
  measured(column: StepColumn, label: string, look: Look): Series[] {
    const known = this.history.steps.column(column).some((value) => !Number.isNaN(value));
    return known ? this.line(column, label, look) : [];
  }

  raw(column: StepColumn, label: string, look: Look): Series[] {
    const y = this.history.steps.column(column);
    return [{ id: column, label, ...look, x: this.x, y, ...this.charts.over(column, y, this.history.steps.revision) }];
  }
}
