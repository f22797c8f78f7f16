import type { Plot } from './line-chart.ts';
import { placeMarks } from './marks.ts';
import { columnEdges, pathPoints, toPixel, type PixelScale } from './pixel-columns.ts';
import { fullLabel } from './series.ts';

/** A chart as a vector drawing for papers: title, axes with units, legend, and how the lines were worked on. */

const WIDTH = 900;
const PLOT_HEIGHT = 364;
const EDGE = { left: 76, right: 20, top: 40, bottom: 76 };
const LEGEND_LINE = 20;
/** Length of the line before a name of the legend: as long as every pattern of dashes. */
const SAMPLE = 34;
/** Of a text of 12 pixels, about. */
const LETTER = 6.6;
const IDEOGRAPH = 12;

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
  const ys = { range: plot.y, size: PLOT_HEIGHT, log: plot.log };
  const entries = legendEntries(plot);
  const height = EDGE.top + PLOT_HEIGHT + EDGE.bottom + LEGEND_LINE * (entries[entries.length - 1]?.line ?? 0);
  const title = unit ? `${heading} (${unit})` : heading;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
      `font-family="sans-serif" font-size="12" fill="${color('ink')}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="${color('surface')}"/>`,
    text(EDGE.left, 24, title, 'font-size="15" font-weight="600"'),
    `<g transform="translate(${EDGE.left} ${EDGE.top})">`,
    ...axes(plot, xs, ys, color),
    `<clipPath id="plot"><rect width="${xs.size}" height="${ys.size}"/></clipPath>`,
    '<g clip-path="url(#plot)" fill="none" stroke-linejoin="round">',
    ...plot.series.map((series) => (series.fill ? barsOf : lineOf)(series, xs, ys, color(series.color))),
    '</g>',
    ...marksOf(plot, xs, ys, color),
    '</g>',
    ...entries.map((entry) => legendEntry(entry, color)),
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

interface LegendEntry {
  series: Plot['series'][number];
  x: number;
  /** From 0. */
  line: number;
}

/** Where each name of the legend stands: beside the one before, or on the next line. */
function legendEntries(plot: Plot): LegendEntry[] {
  let [x, line] = [EDGE.left, 0];
  return plot.series
    .filter(({ faint }) => !faint)
    .map((series) => {
      const width = SAMPLE + 24 + widthOf(fullLabel(series));
      if (x > EDGE.left && x + width > WIDTH) [x, line] = [EDGE.left, line + 1];
      const entry = { series, x, line };
      x += width;
      return entry;
    });
}

function legendEntry({ series, x, line }: LegendEntry, color: (name: string) => string): string {
  const y = EDGE.top + PLOT_HEIGHT + EDGE.bottom - 16 + LEGEND_LINE * line;
  const dash = series.dash.length > 0 && !series.fill ? ` stroke-dasharray="${series.dash.join(' ')}"` : '';
  const width = series.fill ? 10 : 2;
  return (
    `<path d="M${x} ${y}h${SAMPLE}" stroke="${color(series.color)}" stroke-width="${width}"${dash}/>` +
    text(x + SAMPLE + 6, y + 4, fullLabel(series))
  );
}

/** Draws the events, with their words as titles that viewers show at the pointer. */
function marksOf(plot: Plot, xs: PixelScale, ys: PixelScale, color: (name: string) => string): string[] {
  return placeMarks(plot.marks ?? [], xs).map(({ mark, pixel, glyph, parts }) => {
    const ink = color(mark.color);
    const line = parts ? `<path d="M0 -8V${-ys.size}" stroke="${ink}" stroke-dasharray="3 3"/>` : '';
    const title = `<title>${escaped(mark.text)}</title>`;
    return `<g transform="translate(${round(pixel)} ${ys.size})">${title}${line}<path d="${glyph}" fill="${ink}"/></g>`;
  });
}

/** Bars from the x before each point to its own. */
function barsOf(series: Plot['series'][number], xs: PixelScale, ys: PixelScale, color: string): string {
  let path = `M0 ${ys.size}`;
  for (let index = columnEdges(series.x, xs)[0]; index < series.x.length; index++) {
    const [x, height] = [toPixel(xs, series.x[index]), toPixel(ys, series.y[index])];
    path += `V${round(ys.size - (Number.isFinite(height) ? height : 0))}H${round(x)}`;
    if (x > xs.size) break;
  }
  return `<path d="${path}V${ys.size}Z" fill="${color}" stroke="none"/>`;
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

const widthOf = (words: string): number =>
  [...words].reduce((width, letter) => width + (letter >= '\u2e80' ? IDEOGRAPH : LETTER), 0);
const round = (value: number): number => Math.round(value * 100) / 100;
const escaped = (words: string): string => words.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x}" y="${y}"${more && ` ${more}`}>${escaped(words)}</text>`;
