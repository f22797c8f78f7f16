import type { Plot } from './line-chart.ts';
import { columnEdges, pathPoints, toPixel, type PixelScale } from './pixel-columns.ts';

/** A chart as a vector drawing for papers: title, axes with units, legend, and how the lines were worked on. */

const WIDTH = 900;
const HEIGHT = 480;
const EDGE = { left: 76, right: 20, top: 40, bottom: 76 };
/** Of a text of 12 pixels, about. */
const LETTER = 6.6;

export interface Drawing {
  heading: string;
  unit: string;
  note: string;
  plot: Plot;
  /** The colour of a token. */
  color(name: string): string;
}

/** Writes a drawing as SVG. */
export function writeSvg({ heading, unit, note, plot, color }: Drawing): string {
  const xs = { range: plot.x, size: WIDTH - EDGE.left - EDGE.right, log: plot.xLog === true };
  const ys = { range: plot.y, size: HEIGHT - EDGE.top - EDGE.bottom, log: plot.log };
  const title = unit ? `${heading} (${unit})` : heading;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" ` +
      `font-family="sans-serif" font-size="12" fill="${color('ink')}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="${color('surface')}"/>`,
    text(EDGE.left, 24, title, 'font-size="15" font-weight="600"'),
    `<g transform="translate(${EDGE.left} ${EDGE.top})">`,
    ...axes(plot, xs, ys, color),
    `<clipPath id="plot"><rect width="${xs.size}" height="${ys.size}"/></clipPath>`,
    '<g clip-path="url(#plot)" fill="none" stroke-linejoin="round">',
    ...plot.series.map((series) => lineOf(series, xs, ys, color(series.color))),
    '</g></g>',
    ...legend(plot, color),
    text(WIDTH - EDGE.right, 24, note, `text-anchor="end" fill="${color('ink-2')}"`),
    '</svg>\n',
  ].join('\n');
}

function lineOf(series: Plot['series'][number], xs: PixelScale, ys: PixelScale, color: string): string {
  let pen = 'M';
  const parts = pathPoints(series, columnEdges(series.x, xs), ys.log).map((index) => {
    if (index < 0) {
      pen = 'M';
      return '';
    }
    const [x, y] = [toPixel(xs, series.x[index]), ys.size - toPixel(ys, series.y[index])];
    const part = `${pen}${round(Number.isFinite(x) ? x : 0)} ${round(y)}`;
    pen = 'L';
    return part;
  });
  const dash = series.dash.length > 0 ? ` stroke-dasharray="${series.dash.join(' ')}"` : '';
  const faint = series.faint ? ' stroke-opacity="0.3"' : '';
  return `<path d="${parts.join('')}" stroke="${color}" stroke-width="${series.width}"${dash}${faint} stroke-linecap="round"/>`;
}

function axes(plot: Plot, xs: PixelScale, ys: PixelScale, color: (name: string) => string): string[] {
  const grid = `stroke="${color('chart-grid')}"`;
  const across = ticks(xs).map((value) => {
    const x = round(toPixel(xs, value));
    return `<path d="M${x} 0V${ys.size}" ${grid}/>${text(x, ys.size + 18, plot.formatX(value), 'text-anchor="middle"')}`;
  });
  const up = ticks(ys).map((value) => {
    const y = round(ys.size - toPixel(ys, value));
    return `<path d="M0 ${y}H${xs.size}" ${grid}/>${text(-8, y + 4, plot.formatTick(value), 'text-anchor="end"')}`;
  });
  const kind = (log: boolean): string => (log ? ' (log)' : '');
  const [middle, side] = [xs.size / 2, ys.size / 2];
  return [
    ...across,
    ...up,
    `<rect width="${xs.size}" height="${ys.size}" fill="none" ${grid}/>`,
    text(middle, ys.size + 38, plot.xLabel + kind(xs.log), 'text-anchor="middle"'),
    text(-side, -58, plot.yLabel + kind(plot.log), 'text-anchor="middle" transform="rotate(-90)"'),
  ];
}

function legend(plot: Plot, color: (name: string) => string): string[] {
  let x = EDGE.left;
  return plot.series
    .filter(({ faint }) => !faint)
    .map((series) => {
      const dash = series.dash.length > 0 ? ` stroke-dasharray="${series.dash.join(' ')}"` : '';
      const line = `<path d="M${x} ${HEIGHT - 16}h22" stroke="${color(series.color)}" stroke-width="2"${dash}/>`;
      const entry = line + text(x + 28, HEIGHT - 12, series.label);
      x += 46 + LETTER * series.label.length;
      return entry;
    });
}

/** Round values of an axis: 1, 2 or 5 times a power of ten; of a long log axis the powers alone. */
function ticks({ range: { min, max }, log }: PixelScale): number[] {
  if (log && max / min >= 10) {
    const powers = Array.from({ length: Math.floor(Math.log10(max)) - Math.floor(Math.log10(min)) + 1 }, (_, at) => at);
    const factors = max / min > 1e3 ? [1] : [1, 2, 5];
    const all = powers.flatMap((at) => factors.map((factor) => factor * 10 ** (Math.floor(Math.log10(min)) + at)));
    return all.filter((value) => value >= min && value <= max);
  }
  const rough = (max - min) / 7;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(min / step);
  return Array.from({ length: Math.floor(max / step) - first + 1 }, (_, at) => (first + at) * step);
}

const round = (value: number): number => Math.round(value * 100) / 100;
const escaped = (words: string): string => words.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x}" y="${y}"${more && ` ${more}`}>${escaped(words)}</text>`;
