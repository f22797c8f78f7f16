import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { HistoryFormat } from '../protocol/data-types.ts';
import { requireFolder, writeFileAtomic } from '../base/files.ts';
import { historyCsv } from './history-columns.ts';
import { readHistory, readLog } from './history.ts';
import { openRun } from './run-folder.ts';
import { eventFileName, eventsOf } from './tensorboard.ts';

export interface HistoryRequest {
  format: HistoryFormat;
  /** Of CSV; epochs when left out. */
  rows?: 'epochs' | 'steps';
  /** Path of the file, for TensorBoard of the folder it goes into; in the run's exports when left out. */
  output?: string;
}

/**
 * Writes a run's history in another format.
 * @throws StillhouseError `run.missing`, `run.damaged`, `disk.full`, `disk.denied`
 */
export async function exportHistory(run: string, { format, rows = 'epochs', output }: HistoryRequest) {
  const { created } = openRun(run);
  const path = pathOf(run, { format, rows, output }, created);
  const content = format === 'tensorboard' ? eventsOf(readHistory(run), created) : historyText(run, format, rows);
  requireFolder(dirname(path));
  writeFileAtomic(path, content);
  return { path, bytes: statSync(path).size };
}

/** Writes a run's history as text, in one of the text formats. */
export function historyText(
  run: string,
  format: Exclude<HistoryFormat, 'tensorboard'>,
  rows: 'epochs' | 'steps',
): string {
  if (format === 'csv') return historyCsv(readHistory(run), rows);
  const lines: object[] = format === 'log' ? readLog(run) : readHistory(run);
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function pathOf(run: string, { format, rows, output }: HistoryRequest, created: number): string {
  const exports = join(run, 'exports');
  if (format === 'tensorboard') return join(output ? resolve(output) : exports, eventFileName(created));
  if (output) return resolve(output);
  const names = { csv: `${rows}.csv`, jsonl: 'history.jsonl', log: 'log.txt' };
  return join(exports, names[format]);
}
