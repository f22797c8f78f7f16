import { columnLines } from '../components/charts/chart-csv.ts';
import { csvText } from '../../src-main/protocol/csv.ts';
import type { Columns } from '../history/columns.ts';
import { EPOCH_COLUMNS, STEP_COLUMNS, type RunHistory } from '../history/run-history.ts';

const PLACES = 3;

/**
 * Writes every step row, then every epoch row of each run, not smoothed, as the parts of a CSV file. A column that a
 * row does not have is empty; units are those of the history: milliseconds, bytes, percent, seconds of training.
 */
export function* historyCsv(runs: readonly { id: string; history: RunHistory }[]): Generator<string, void> {
  const steps = STEP_COLUMNS.slice(PLACES);
  const epochs = EPOCH_COLUMNS.slice(PLACES);
  const head = ['run', 'row', ...STEP_COLUMNS.slice(0, PLACES), ...steps, ...epochs.map((name) => `val.${name}`)];
  yield csvText([head]);
  for (const { id, history } of runs) {
    yield* tableParts([id, 'step'], history.steps, STEP_COLUMNS, steps.length, epochs.length, false);
    yield* tableParts([id, 'epoch'], history.epochs, EPOCH_COLUMNS, steps.length, epochs.length, true);
  }
}

function tableParts<Name extends string>(
  prefix: string[],
  table: Columns<Name>,
  names: readonly Name[],
  before: number,
  after: number,
  late: boolean,
): Generator<string, void> {
  const nothing = { length: table.length } as ArrayLike<number>;
  const [places, values] = [names.slice(0, PLACES), names.slice(PLACES)].map((some) =>
    some.map((name) => table.column(name) as ArrayLike<number>),
  );
  const gap = (count: number): ArrayLike<number>[] => Array.from({ length: count }, () => nothing);
  const columns = [...places, ...(late ? gap(before) : []), ...values, ...(late ? [] : gap(after))];
  return columnLines(prefix, columns, PLACES, { from: 0, to: table.length });
}
