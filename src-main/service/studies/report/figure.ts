import type { EpochRow } from '../../../protocol/events.ts';
import type { StudyRow } from '../../../protocol/study.ts';
import { escaped } from './escape.ts';
import { nameOf } from './sections.ts';
import type { ReportWords } from './words.ts';

const [LEFT, WIDTH, ROW, RIGHT] = [260, 860, 26, 70];

/** Draws each variant's mean, std and seeds as SVG; '' where nothing has finished. */
export function accuracyFigure(rows: readonly StudyRow[], words: ReportWords): string {
  const shown = rows.flatMap((row) => (row.test ? [{ row, test: row.test }] : []));
  if (shown.length === 0) return '';
  const all = shown.flatMap(({ test: { mean, std, values } }) => [...values, mean - (std ?? 0), mean + (std ?? 0)]);
  const ticks = ticksOf(Math.min(...all), Math.max(...all));
  const [from, to] = [ticks[0], ticks.at(-1)!];
  const x = (value: number): number => LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const height = ROW * shown.length + 44;
  const lines = shown.map(({ row, test }, at) => {
    const y = ROW * at + ROW / 2 + 4;
    const name = nameOf(row, words);
    const bar = test.std === null ? '' : `<path d="M${x(test.mean - test.std).toFixed(1)} ${y}H${x(test.mean + test.std).toFixed(1)}" stroke="currentColor" stroke-width="2"/>`; // prettier-ignore
    const seeds = test.values.map((value) => `<circle cx="${x(value).toFixed(1)}" cy="${y}" r="3" fill="none" stroke="currentColor" opacity=".6"/>`).join(''); // prettier-ignore
    return `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${escaped(shortened(name))}</text>${bar}${seeds}<circle cx="${x(test.mean).toFixed(1)}" cy="${y}" r="4.5" fill="currentColor"/><text x="${WIDTH - RIGHT + 12}" y="${y + 4}">${test.mean.toFixed(2)}</text>`;
  });
  const bottom = ROW * shown.length + 10;
  const axis = ticks.map((tick) => `<path d="M${x(tick).toFixed(1)} 0V${bottom}" stroke="currentColor" opacity=".15"/><text x="${x(tick).toFixed(1)}" y="${bottom + 15}" text-anchor="middle">${Number(tick.toFixed(3))}</text>`); // prettier-ignore
  const unit = `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 32}" text-anchor="middle">${escaped(words.test)}, %</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(words.chart)}">${axis.join('')}${lines.join('')}${unit}</svg>`;
}

/** Draws Acc@1 over the epochs of a run as SVG; '' where fewer than two are done. */
export function epochFigure(epochs: readonly EpochRow[], words: ReportWords): string {
  const points = epochs.flatMap(({ epoch, test }) => (test.acc1 === null ? [] : [{ epoch, acc1: test.acc1 }]));
  if (points.length < 2) return '';
  const [width, height, left, bottom] = [860, 300, 60, 260];
  const ticks = ticksOf(Math.min(...points.map(({ acc1 }) => acc1)), Math.max(...points.map(({ acc1 }) => acc1)));
  const [from, to] = [ticks[0], ticks.at(-1)!];
  const [first, last] = [points[0].epoch, points.at(-1)!.epoch];
  const x = (epoch: number): string => (left + ((epoch - first) / (last - first)) * (width - left - 20)).toFixed(1);
  const y = (acc1: number): number => bottom - ((acc1 - from) / (to - from)) * (bottom - 15);
  const axis = levels(ticks, y, [left, width]);
  const ends = [first, last].map((epoch) => `<text x="${x(epoch)}" y="${bottom + 18}" text-anchor="middle">${epoch + 1}</text>`); // prettier-ignore
  const line = points.map(({ epoch, acc1 }, at) => `${at === 0 ? 'M' : 'L'}${x(epoch)} ${y(acc1).toFixed(1)}`).join('');
  const unit = `<text x="${width / 2}" y="${bottom + 34}" text-anchor="middle">Acc@1, %; ${escaped(words.epoch)}</text>`;
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Acc@1: ${escaped(words.byEpoch)}">${axis}${ends.join('')}<path d="${line}" fill="none" stroke="currentColor" stroke-width="2"/>${unit}</svg>`;
}

/** Draws a line with its number for each tick of a vertical axis, from left to right. */
export function levels(ticks: readonly number[], y: (tick: number) => number, [left, right]: [number, number]): string {
  return ticks.map((tick) => `<path d="M${left} ${y(tick).toFixed(1)}H${right}" stroke="currentColor" opacity=".15"/><text x="${left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${Number(tick.toFixed(3))}</text>`).join(''); // prettier-ignore
}

/** Shortens a name to what a figure has room for. */
export function shortened(name: string): string {
  return name.length > 38 ? `${name.slice(0, 37)}…` : name;
}

/** Lists round numbers from below the least to above the greatest, about six of them. */
export function ticksOf(least: number, greatest: number): number[] {
  const span = Math.max(greatest - least, 0.1);
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough)!;
  const first = Math.floor(least / step) * step;
  const count = Math.ceil((greatest - first) / step) || 1;
  return Array.from({ length: count + 1 }, (_, at) => first + at * step);
}
