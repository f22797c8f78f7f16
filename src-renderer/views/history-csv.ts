import { columnLines } from '../components/charts/chart-csv.ts';
import { csvText } from '../components/save-text.ts';
import type { Columns } from '../stores/columns.ts';
import { EPOCH_COLUMNS, STEP_COLUMNS, type RunHistory } from '../stores/run-history.ts';

/** Rows of one part, so that no text becomes too long. */
const PART = 20_000;
const PLACES = 3;

/**
 * Every step row, then every epoch row of each run, not smoothed, as the parts of a CSV file. A column that a row does
 * not have is empty; units are those of the history: milliseconds, bytes, percent, seconds of training.
 */
export function historyCsv(runs: readonly { id: string; history: RunHistory }[]): string[] {
  const steps = STEP_COLUMNS.slice(PLACES);
  const epochs = EPOCH_COLUMNS.slice(PLACES);
  const head = ['run', 'row', ...STEP_COLUMNS.slice(0, PLACES), ...steps, ...epochs.map((name) => `val.${name}`)];
  const parts = [csvText([head])];
  for (const { id, history } of runs) {
    parts.push(...tableParts([id, 'step'], history.steps, STEP_COLUMNS, steps.length, epochs.length, false));
    parts.push(...tableParts([id, 'epoch'], history.epochs, EPOCH_COLUMNS, steps.length, epochs.length, true));
  }
  return parts;
}

function tableParts<Name extends string>(
  prefix: string[],
  table: Columns<Name>,
  names: readonly Name[],
  before: number,
  after: number,
  late: boolean,
): string[] {
  const nothing = { length: table.length } as ArrayLike<number>;
  const [places, values] = [names.slice(0, PLACES), names.slice(PLACES)].map((some) =>
    some.map((name) => table.column(name) as ArrayLike<number>),
  );
  const gap = (count: number): ArrayLike<number>[] => Array.from({ length: count }, () => nothing);
  const columns = [...places, ...(late ? gap(before) : []), ...values, ...(late ? [] : gap(after))];
  const parts: string[] = [];
  for (let from = 0; from < table.length; from += PART) {
    const to = Math.min(table.length, from + PART);
    parts.push(columnLines(prefix, columns.map((column) => slice(column, from, to)), PLACES)); // prettier-ignore
  }
  return parts;
}

function slice(column: ArrayLike<number>, from: number, to: number): ArrayLike<number> {
  return ArrayBuffer.isView(column) ? (column as Float64Array).subarray(from, to) : { length: to - from };
}
