import { EPOCH_NUMBER_NAMES, EPOCH_NUMBERS, epochNumber } from '../protocol/epoch-numbers.ts';
import type { EpochRow, HistoryRow, StepRow } from '../protocol/events.ts';
import { STEP_NUMBER_NAMES, STEP_NUMBERS, stepNumber } from '../protocol/step-numbers.ts';

/** The numbers of a history row under the names that TensorBoard and spreadsheets show: `train/loss`, `test/acc1`. */
export type Named = readonly (readonly [name: string, value: number | null])[];

/** The numbers of a step row, the same names for each. */
function stepNumbers(row: StepRow): Named {
  return STEP_NUMBER_NAMES.map((name) => [STEP_NUMBERS[name].exported, stepNumber(row, name)]);
}

/** The numbers of an epoch row, the same names for each. */
function epochNumbers(row: EpochRow): Named {
  return EPOCH_NUMBER_NAMES.map((name) => [EPOCH_NUMBERS[name].exported, epochNumber(row, name)]);
}

/** Returns the numbers of a row that has any; null for all others. */
export function numbersOf(row: HistoryRow): Named | null {
  if (row.type === 'step') return stepNumbers(row);
  return row.type === 'epoch' ? epochNumbers(row) : null;
}

/**
 * Writes a table of comma-separated values, a line a row: time, epoch, step, then the row's numbers; '' where one is
 * missing.
 */
export function historyCsv(history: readonly HistoryRow[], rows: 'epochs' | 'steps'): string {
  const type = rows === 'steps' ? 'step' : 'epoch';
  const lines = history.flatMap((row) => {
    if (row.type !== type) return [];
    const { time, epoch, step } = row;
    const numbers = row.type === 'step' ? stepNumbers(row) : epochNumbers(row);
    return [{ names: numbers.map(([name]) => name), cells: [new Date(time).toISOString(), epoch, step, ...numbers.map(([, value]) => value ?? '')] }]; // prettier-ignore
  });
  const head = ['time', 'epoch', 'step', ...(lines[0]?.names ?? [])];
  return [head, ...lines.map(({ cells }) => cells)].map((cells) => `${cells.join(',')}\n`).join('');
}
