import {
  Chart,
  LineController,
  LineElement,
  LinearScale,
  LogarithmicScale,
  PointElement,
  type ChartConfiguration,
  type ChartDataset,
  type Point,
} from 'chart.js';
import { clockStep, decimate, type Range, type Series } from './series.ts';

Chart.register(LineController, LineElement, PointElement, LinearScale, LogarithmicScale);

/** What one drawing shows. Times are seconds on the x axis when `clock` is set; `whole` has no ticks between. */
export interface Plot {
  series: readonly Series[];
  x: Range;
  y: Range;
  log: boolean;
  clock: boolean;
  whole: boolean;
  xLabel: string;
  yLabel: string;
  formatX: (value: number) => string;
  /** Writes a value of the y axis at its ticks. */
  formatTick: (value: number) => string;
}

/** Up to this many points a marked line marks each of them; any line marks a single one, or it would not show. */
const MOST_MARKS = 60;
/** Up to this many points a line keeps its dashes. */
const MOST_DASHED = 800;

/** Chart.js on one canvas: no animation, no parsing, and never more points than the pixels can show. */
export class Plotter {
  private readonly chart: Chart<'line', Point[]>;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.chart = new Chart(canvas, configuration());
  }

  /** Draws `plot`; colours and faces are read from the tokens each time, so a change of theme needs no more. */
  draw(plot: Plot): void {
    const style = getComputedStyle(this.canvas);
    const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    this.chart.data.datasets = plot.series.map((series) => this.dataset(series, plot, token(series.color)));
    this.setScales(plot, token('chart-ink'), token('chart-grid'), style.fontFamily);
    this.chart.update('none');
  }

  /** The plot's own rectangle inside the canvas, in CSS pixels. */
  get area(): { left: number; right: number; top: number; bottom: number } {
    return this.chart.chartArea ?? { left: 0, right: 0, top: 0, bottom: 0 };
  }

  resize(): void {
    this.chart.resize();
  }

  dispose(): void {
    this.chart.destroy();
  }

  private dataset(series: Series, plot: Plot, color: string): ChartDataset<'line', Point[]> {
    const width = Math.max(100, this.area.right - this.area.left) * (this.chart.currentDevicePixelRatio || 1);
    const kept = decimate(series.x, series.y, plot.x, width);
    const marks = !series.faint && kept.length <= (series.marked ? MOST_MARKS : 1);
    return {
      data: kept.map((index) => ({ x: series.x[index], y: series.y[index] })),
      borderColor: series.faint ? `${color}4d` : color,
      backgroundColor: color,
      borderWidth: series.width,
      // Dashes of a dense, noisy line cannot be told apart, and cost most of the drawing.
      borderDash: kept.length > MOST_DASHED ? [] : [...series.dash],
      pointRadius: marks ? 2 : 0,
      clip: 4,
      pointHitRadius: 0,
      pointHoverRadius: 0,
    };
  }

  private setScales(plot: Plot, ink: string, grid: string, family: string): void {
    const font = { family, size: 11 };
    const shared = (label: string): object => ({
      title: { display: true, text: label, color: ink, font, padding: 2 },
      grid: { color: grid, tickLength: 4 },
      border: { color: grid },
    });
    this.chart.options.scales = {
      x: {
        ...shared(plot.xLabel),
        type: 'linear',
        min: plot.x.min,
        max: plot.x.max > plot.x.min ? plot.x.max : plot.x.min + 1,
        ticks: {
          color: ink,
          font,
          includeBounds: false,
          maxRotation: 0,
          ...(plot.whole ? { precision: 0 } : {}),
          autoSkipPadding: 18,
          callback: (value) => plot.formatX(Number(value)),
          ...(plot.clock ? { stepSize: clockStep(plot.x.max - plot.x.min) } : {}),
        },
      },
      y: {
        ...shared(plot.yLabel),
        type: plot.log ? 'logarithmic' : 'linear',
        min: plot.y.min,
        max: plot.y.max,
        ticks: {
          color: ink,
          font,
          includeBounds: false,
          maxTicksLimit: 7,
          callback: (value) => (plot.log && !isRound(Number(value)) ? null : plot.formatTick(Number(value))),
        },
      },
    };
  }
}

/** True for 1, 2 or 5 times a power of ten: the values that a logarithmic axis names. */
function isRound(value: number): boolean {
  const lead = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  return [1, 2, 5, 10].some((round) => Math.abs(lead - round) < 1e-6);
}

function configuration(): ChartConfiguration<'line', Point[]> {
  return {
    type: 'line',
    data: { datasets: [] },
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      spanGaps: true,
      responsive: true,
      maintainAspectRatio: false,
      events: [],
      layout: { padding: { top: 6, right: 10, bottom: 0, left: 0 } },
    },
  };
}
