import { csvText } from '../save-text.ts';
import { lowerBound, type Range, type Series } from './series.ts';

/** Files of the numbers of charts. Long ones come as parts: one text of all would be larger than a text can be. */

export interface ChartNumbers {
  heading: string;
  unit: string;
  series: readonly Series[];
}

/** The numbers between the ends of `range` of one chart, as it draws them. */
export function chartCsv(chart: ChartNumbers, xLabel: string, range: Range): string[] {
  const runs = severalRuns([chart]);
  const head = csvText([[...(runs ? ['run'] : []), 'series', xLabel, chart.unit || chart.heading]]);
  return [head, ...linesOf(chart, range, (one) => [...(runs ? [one.run ?? ''] : []), one.label])];
}

/** The same of many charts. */
export function chartsCsv(charts: readonly ChartNumbers[], xLabel: string, range: Range): string[] {
  const runs = severalRuns(charts);
  const head = csvText([['chart', 'unit', ...(runs ? ['run'] : []), 'series', xLabel, 'value']]);
  return charts.reduce(
    (parts, chart) => {
      const { heading, unit } = chart;
      return parts.concat(linesOf(chart, range, (one) => [heading, unit, ...(runs ? [one.run ?? ''] : []), one.label]));
    },
    [head],
  );
}

/** A table of columns that are measured together, as lines without a head. Values have seven digits, `exact` ones all. */
export function columnLines(names: readonly string[], columns: readonly ArrayLike<number>[], exact = 0): string {
  const prefix = names.length > 0 ? `${csvText([names]).trimEnd()},` : '';
  const lines: string[] = [];
  for (let row = 0; row < (columns[0]?.length ?? 0); row++)
    lines.push(prefix + columns.map((column, at) => written(column[row], at < exact)).join(','));
  return lines.map((line) => `${line}\r\n`).join('');
}

const written = (value: number, exact: boolean): string =>
  Number.isFinite(value) ? String(exact ? value : Number(value.toPrecision(7))) : '';

const severalRuns = (charts: readonly ChartNumbers[]): boolean =>
  charts.some(({ series }) => series.some(({ run }) => run !== undefined));

function linesOf({ series }: ChartNumbers, { min, max }: Range, names: (one: Series) => string[]): string[] {
  return series
    .filter(({ faint }) => !faint)
    .map((one) => {
      const from = lowerBound(one.x, min);
      let to = lowerBound(one.x, max);
      if (one.x[to] === max) to++;
      return columnLines(names(one), [one.x.subarray(from, to), one.y.subarray(from, to)], 1);
    });
}
