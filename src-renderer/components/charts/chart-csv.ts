import { csvText } from '../../../src-main/protocol/csv.ts';
import { lowerBound, type Range, type Series } from './series.ts';

/**
 * Files of the numbers of charts, in parts that are made as they are asked for: one text of all would be larger than a
 * text can be, and would hold up the page for seconds.
 */

/** Most rows of one part: a few milliseconds of work. */
export const PART_ROWS = 2_000;

export interface ChartNumbers {
  heading: string;
  unit: string;
  series: readonly Series[];
}

/** Writes the numbers of one chart between the ends of `range`, as the chart draws them. */
export function* chartCsv(chart: ChartNumbers, xLabel: string, range: Range): Generator<string, void> {
  const runs = severalRuns([chart]);
  yield csvText([[...(runs ? ['run'] : []), 'series', xLabel, chart.unit || chart.heading]]);
  yield* linesOf(chart, range, (one) => [...(runs ? [one.run ?? ''] : []), one.label]);
}

/** Writes the numbers of many charts as {@link chartCsv} does. */
export function* chartsCsv(charts: readonly ChartNumbers[], xLabel: string, range: Range): Generator<string, void> {
  const runs = severalRuns(charts);
  yield csvText([['chart', 'unit', ...(runs ? ['run'] : []), 'series', xLabel, 'value']]);
  for (const chart of charts) {
    const { heading, unit } = chart;
    yield* linesOf(chart, range, (one) => [heading, unit, ...(runs ? [one.run ?? ''] : []), one.label]);
  }
}

/**
 * Writes a table of columns that are measured together, as lines without a head. Values have seven digits, `exact` ones
 * all.
 */
export function* columnLines(
  names: readonly string[],
  columns: readonly ArrayLike<number>[],
  exact: number,
  { from, to } = { from: 0, to: columns[0]?.length ?? 0 },
): Generator<string, void> {
  const prefix = names.length > 0 ? `${csvText([names]).trimEnd()},` : '';
  for (let start = from; start < to; start += PART_ROWS) {
    let lines = '';
    for (let row = start; row < Math.min(to, start + PART_ROWS); row++)
      lines += `${prefix}${columns.map((column, at) => written(column[row], at < exact)).join(',')}\r\n`;
    yield lines;
  }
}

const written = (value: number, exact: boolean): string =>
  Number.isFinite(value) ? String(exact ? value : Number(value.toPrecision(7))) : '';

const severalRuns = (charts: readonly ChartNumbers[]): boolean =>
  charts.some(({ series }) => series.some(({ run }) => run !== undefined));

function* linesOf(
  { series }: ChartNumbers,
  { min, max }: Range,
  names: (one: Series) => string[],
): Generator<string, void> {
  for (const one of series) {
    if (one.faint) continue;
    const from = lowerBound(one.x, min);
    let to = lowerBound(one.x, max);
    if (one.x[to] === max) to++;
    yield* columnLines(names(one), [one.x, one.y], 1, { from, to });
  }
}
