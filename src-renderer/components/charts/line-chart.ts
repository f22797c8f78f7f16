import {
  Chart,
  LineController,
  LineElement,
  LinearScale,
  LogarithmicScale,
  PointElement,
  type ChartConfiguration,
  type Point,
} from 'chart.js';
import { placeMarks, type Mark } from './marks.ts';
import {
  alignEdges,
  columnEdges,
  coverOf,
  coverOfBars,
  newCover,
  toPixel,
  type Cover,
  type PixelScale,
} from './pixel-columns.ts';
import { parseColor, Raster } from './raster.ts';
import { clockStep, pyramidOf, type Range, type Series } from './series.ts';

Chart.register(LineController, LineElement, PointElement, LinearScale, LogarithmicScale);

/** The content of one drawing. Times are seconds on the x axis when `clock` is set; `whole` has no ticks between. */
export interface Plot {
  series: readonly Series[];
  marks?: readonly Mark[];
  x: Range;
  y: Range;
  /** Of the y axis. */
  log: boolean;
  xLog?: boolean;
  clock: boolean;
  whole: boolean;
  xLabel: string;
  yLabel: string;
  formatX: (value: number) => string;
  /** Writes a value of the y axis at its ticks. */
  formatTick: (value: number) => string;
}

/** Up to this many points in sight a marked line marks each of them. */
const MOST_MARKS = 60;

interface Area {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Axes by Chart.js on one canvas; the lines on another over it, from pyramids: never more work than there are pixels. */
export class Plotter {
  private readonly chart: Chart<'line', Point[]>;
  private image: ImageData | null = null;
  private raster = new Raster(0, 0);
  private cover: Cover = newCover(0);
  /** Room for the edges of the columns, one for each x axis of the lines. */
  private room: Int32Array<ArrayBuffer>[] = [];
  private readonly context: CanvasRenderingContext2D;

  constructor(
    private readonly axes: HTMLCanvasElement,
    private readonly lines: HTMLCanvasElement,
  ) {
    this.chart = new Chart(axes, configuration());
    this.context = lines.getContext('2d')!;
  }

  /**
   * Draws `plot`; colours and faces are read from the tokens each time, so a change of theme needs no more.
   * @param quick while it moves: borders between pixel columns may be off by an eighth of one.
   */
  draw(plot: Plot, quick: boolean): void {
    const style = getComputedStyle(this.axes);
    const token = (name: string): string => (name.startsWith('#') ? name : style.getPropertyValue(`--${name}`).trim());
    this.setScales(plot, token('chart-ink'), token('chart-grid'), style.fontFamily);
    this.chart.update('none');
    this.drawLines(plot, quick, token);
  }

  /** The plot's own rectangle inside the canvas, in CSS pixels. */
  get area(): Area {
    return this.chart.chartArea ?? { left: 0, right: 0, top: 0, bottom: 0 };
  }

  dispose(): void {
    this.chart.destroy();
  }

  private drawLines(plot: Plot, quick: boolean, token: (name: string) => string): void {
    const ratio = this.chart.currentDevicePixelRatio || 1;
    const image = this.fit(ratio);
    if (!image) return;
    const xs = { range: plot.x, size: image.width, log: plot.xLog === true };
    const ys = { range: plot.y, size: image.height, log: plot.log };
    const edges = new Map<Series['x'], Int32Array>();
    for (const series of plot.series) {
      const known = edges.get(series.x) ?? columnEdges(series.x, xs, this.roomOf(edges.size, xs));
      if (quick && !edges.has(series.x)) alignEdges(known);
      edges.set(series.x, known);
      if (series.fill) coverOfBars(series.y, known, ys, this.cover);
      else coverOf({ x: series.x, y: series.y, pyramid: pyramidOf(series, plot.log) }, known, xs, ys, this.cover);
      const width = series.fill ? 0 : series.width * ratio;
      const dash = series.fill ? [] : series.dash.map((length) => Math.round(length * ratio));
      const opacity = series.faint ? 0.3 : 1;
      this.raster.paint(this.cover, { color: parseColor(token(series.color)), opacity, width, dash });
    }
    this.raster.copyTo(image);
    this.context.putImageData(image, 0, 0);
    for (const series of plot.series) this.mark(series, edges.get(series.x)!, xs, ys, ratio, token(series.color));
    this.drawMarks(plot.marks ?? [], xs, ratio, token);
  }

  private roomOf(index: number, { size }: PixelScale): Int32Array<ArrayBuffer> {
    if (this.room[index]?.length !== size + 1) this.room[index] = new Int32Array(size + 1);
    return this.room[index];
  }

  /** Draws the events as glyphs on the x axis; one that parts the run has a line. */
  private drawMarks(marks: readonly Mark[], xs: PixelScale, ratio: number, token: (name: string) => string): void {
    const { context } = this;
    const { height } = this.lines;
    for (const { mark, pixel, glyph, parts } of placeMarks(marks, xs, ratio)) {
      context.save();
      // Whole also at the ends of the axis.
      context.translate(Math.max(4 * ratio, Math.min(this.lines.width - 4 * ratio, pixel)), height);
      context.scale(ratio, ratio);
      context.fillStyle = context.strokeStyle = token(mark.color);
      context.setLineDash([3, 3]);
      if (parts) context.stroke(new Path2D(`M0 -8V${-height / ratio}`));
      context.fill(new Path2D(glyph));
      context.restore();
    }
  }

  /** Fits the canvas of the lines to the rectangle between the axes. */
  private fit(ratio: number): ImageData | null {
    const { left, right, top, bottom } = this.area;
    const [width, height] = [Math.round((right - left) * ratio), Math.round((bottom - top) * ratio)];
    if (width < 1 || height < 1) return null;
    if (this.image?.width !== width || this.image.height !== height) {
      this.lines.width = width;
      this.lines.height = height;
      this.image = new ImageData(width, height);
      this.cover = newCover(width);
      this.raster = new Raster(width, height);
    } else this.raster.clear();
    const place = { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` };
    Object.assign(this.lines.style, place);
    return this.image;
  }

  /** Marks each point of a line that is measured seldom, and a line's only point. */
  private mark(series: Series, edges: Int32Array, xs: PixelScale, ys: PixelScale, ratio: number, color: string): void {
    const [from, to] = [edges[0], edges[edges.length - 1]];
    if (series.faint || series.fill || to - from > (series.marked ? MOST_MARKS : 1)) return;
    this.context.fillStyle = color;
    for (let index = from; index < to; index++) {
      const [x, y] = [toPixel(xs, series.x[index]), toPixel(ys, series.y[index])];
      if (!Number.isFinite(x + y)) continue;
      this.context.beginPath();
      this.context.arc(x, ys.size - y, 2.5 * ratio, 0, 2 * Math.PI);
      this.context.fill();
    }
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
        type: plot.xLog ? 'logarithmic' : 'linear',
        min: plot.x.min,
        max: plot.x.max > plot.x.min ? plot.x.max : plot.x.min + 1,
        ticks: {
          color: ink,
          font,
          includeBounds: false,
          maxRotation: 0,
          ...(plot.whole ? { precision: 0 } : {}),
          autoSkipPadding: 18,
          callback: (value) => (plot.xLog && !isRound(Number(value)) ? null : plot.formatX(Number(value))),
          ...(plot.clock && !plot.xLog ? { stepSize: clockStep(plot.x.max - plot.x.min) } : {}),
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
