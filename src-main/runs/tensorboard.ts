import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { eventFileStart, eventRecord } from '../formats/event-file.ts';
import type { HistoryRow } from '../protocol/events.ts';
import { diskError, writeFileAtomic } from '../base/files.ts';
import { removeNow } from '../base/moves.ts';
import { numbersOf } from './history-columns.ts';
import { readHistory } from './history.ts';

/**
 * The folder `tensorboard` of a run: one event file with what its history holds. It is made anew from the history
 * whenever a run begins or goes on, so that neither a crash nor a rewind leaves a step missing or twice.
 */

export interface EventWriter {
  /** A write that fails ends the writing, not the run: the history has it all. */
  append(rows: readonly HistoryRow[]): void;
  close(): void;
}

/** Encodes all records of a history. */
export function eventsOf(history: readonly HistoryRow[], now = Date.now()): Buffer {
  const records = history.flatMap((row) => recordOf(row) ?? []);
  return Buffer.concat([eventFileStart(history[0]?.time ?? now), ...records]);
}

function recordOf(row: HistoryRow): Buffer | null {
  const numbers = numbersOf(row);
  if (!numbers || (row.type !== 'step' && row.type !== 'epoch')) return null;
  const values = numbers.flatMap(([tag, value]) => (value === null ? [] : [[tag, value] as const]));
  return eventRecord({ time: row.time, step: row.step, values });
}

/** Writes the event file of a run as far as it came, and opens it for more. @throws StillhouseError `disk.*` */
export function openEvents(run: string, now = Date.now()): EventWriter {
  const folder = join(run, 'tensorboard');
  const path = join(folder, eventFileName(now));
  try {
    mkdirSync(folder, { recursive: true });
    writeFileAtomic(path, eventsOf(readHistory(run), now));
    for (const name of readdirSync(folder))
      if (isOurs(name) && join(folder, name) !== path) removeNow(join(folder, name));
    return writerOf(openSync(path, 'r+'));
  } catch (error) {
    throw diskError(error, path, 0);
  }
}

/** Returns a file name by which TensorBoard finds the file and takes later ones for newer. */
export function eventFileName(now: number): string {
  return `events.out.tfevents.${String(Math.floor(now / 1000)).padStart(10, '0')}.stillhouse.${now % 1000}`;
}

function isOurs(name: string): boolean {
  return /^events\.out\.tfevents\.\d+\.stillhouse\.\d+$/.test(name);
}

function writerOf(file: number): EventWriter {
  let broken = false;
  return {
    append: (rows) => {
      const bytes = Buffer.concat(rows.flatMap((row) => recordOf(row) ?? []));
      if (broken || bytes.length === 0) return;
      const end = fstatSync(file).size;
      try {
        for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, end + at);
      } catch {
        broken = true;
        ftruncateSync(file, end);
      }
    },
    close: () => closeSync(file),
  };
}
