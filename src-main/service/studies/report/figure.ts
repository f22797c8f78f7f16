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

function shortened(name: string): string {
  return name.length > 38 ? `${name.slice(0, 37)}…` : name;
}

/** Round numbers from below the least to above the greatest, about six of them. */
function ticksOf(least: number, greatest: number): number[] {
  const span = Math.max(greatest - least, 0.1);
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough)!;
  const first = Math.floor(least / step) * step;
  const count = Math.ceil((greatest - first) / step) || 1;
  return Array.from({ length: count + 1 }, (_, at) => first + at * step);
}
