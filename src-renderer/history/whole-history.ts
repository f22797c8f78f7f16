import type { RunDetail } from '../../src-main/protocol/data-types.ts';
import type { HistoryRow } from '../../src-main/protocol/events.ts';
import {
  MOST_SERIES_ROWS,
  STEP_FIELDS,
  STEP_FIELD_NAMES,
  rowOf,
  type RunSeries,
  type StepField,
} from '../../src-main/protocol/step-columns.ts';
import type { ServiceClient } from '../client/connect.ts';
import { RunHistory } from './run-history.ts';

/** How often a history that was cut while it was read is read again. */
const MOST_TRIES = 3;

/** Says where a run is read from. */
export interface HistorySource {
  detail(): Promise<RunDetail>;
  /** Step rows from row `from` on. */
  series(from: number): Promise<RunSeries>;
}

/** Reads a run from the service. */
export function historyOf(service: Pick<ServiceClient, 'call'>, run: string): HistorySource {
  return {
    detail: () => service.call('run.detail', { run }),
    series: (from) => service.call('run.series', { run, from, count: MOST_SERIES_ROWS }),
  };
}

/**
 * Reads every step row of a run, in parts, between the other rows of its detail.
 * @param detail as it was read last. The one that the answer goes by is a later one where the history was cut since.
 */
export async function wholeHistory(
  source: HistorySource,
  detail: RunDetail,
  tries = MOST_TRIES,
): Promise<{ whole: RunHistory; detail: RunDetail }> {
  const whole = new RunHistory();
  const others = detail.history.filter(({ type }) => type !== 'step');
  let other = 0;
  let { revision } = detail;
  for (let from = 0; ;) {
    const part = await source.series(from);
    revision ??= part.revision;
    if (part.revision !== revision && tries > 1) return wholeHistory(source, await source.detail(), tries - 1);
    whole.steps.reserve(part.total);
    const columns = decode(part);
    for (let index = 0; index < part.count; index++) {
      for (; other < Math.min(others.length, columns.after[index]); other++) whole.append(others[other]);
      whole.append(rowOf((name) => columns[name][index]));
    }
    from += part.count;
    if (part.count === 0 || from >= part.total) break;
  }
  others.slice(other).forEach((row) => whole.append(row));
  return { whole, detail };
}

/** Appends the rows that came while a history was read and are not in it. @param read the rows of its detail. */
export function appendLate(whole: RunHistory, read: readonly HistoryRow[], late: readonly HistoryRow[]): void {
  const last = whole.lastStep?.time ?? 0;
  unseen(read, late).forEach((row) => (row.type === 'step' && row.time <= last) || whole.append(row));
}

/** Returns the rows of `later` that the end of `known` does not already hold. */
export function unseen(known: readonly HistoryRow[], later: readonly HistoryRow[]): HistoryRow[] {
  const seen = new Set(known.slice(-200 - later.length).map((row) => JSON.stringify(row)));
  return later.filter((row) => !seen.has(JSON.stringify(row)));
}

function decode({ columns }: RunSeries): Record<StepField, Float32Array | Float64Array> {
  const read = STEP_FIELD_NAMES.map((name) => {
    const { buffer } = Uint8Array.from(atob(columns[name]), (letter) => letter.charCodeAt(0));
    return [name, STEP_FIELDS[name] === 8 ? new Float64Array(buffer) : new Float32Array(buffer)];
  });
  return Object.fromEntries(read) as Record<StepField, Float32Array | Float64Array>;
}
