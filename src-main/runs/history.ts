import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs';
import { appendFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochRow, HistoryRow } from '../protocol/events.ts';
import { diskError, writeFileAtomic } from '../base/files.ts';

/**
 * Keeps the reports of a run: history.jsonl, one row a line, and DeiT's log.txt, one line an epoch. Both are only
 * appended to; a line that a crash cut short is dropped by readers and by the next writer.
 */

const NEWLINE = 0x0a;
const TYPES = new Set<unknown>([
  'step',
  'epoch',
  'note',
  'state',
  'checkpoint',
  'export',
] satisfies HistoryRow['type'][]);

export interface HistoryWriter {
  /** @throws StillhouseError `disk.full` or `disk.denied`; then no part of the rows is in the file. */
  append(rows: readonly HistoryRow[]): void;
  close(): void;
}

/** Opens a run's history for appending. The caller closes it. @throws StillhouseError `disk.denied` */
export function openHistory(folder: string): HistoryWriter {
  const path = historyPath(folder);
  const file = openForAppending(path);
  completeLog(folder);
  return {
    append(rows) {
      if (rows.length === 0) return;
      appendWhole(file, path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      // Step rows may be lost to a power cut, what depends on an epoch may not.
      if (rows.some((row) => row.type !== 'step')) fsyncSync(file);
      for (const row of rows) if (row.type === 'epoch') appendLog(folder, row);
    },
    close: () => closeSync(file),
  };
}

function openForAppending(path: string): number {
  try {
    // Not O_APPEND: after truncating a torn line or a failed write, the next write goes where the file ends.
    const file = openSync(path, existsSync(path) ? 'r+' : 'wx+');
    ftruncateSync(file, wholeLength(file));
    return file;
  } catch (error) {
    throw diskError(error, path, 0);
  }
}

// Bytes up to and with the last newline.
function wholeLength(file: number): number {
  const block = Buffer.alloc(1 << 16);
  for (let end = fstatSync(file).size; end > 0;) {
    const begin = Math.max(0, end - block.length);
    const read = readSync(file, block, 0, end - begin, begin);
    const newline = block.subarray(0, read).lastIndexOf(NEWLINE);
    if (newline >= 0) return begin + newline + 1;
    end = begin;
  }
  return 0;
}

function appendWhole(file: number, path: string, text: string): void {
  const bytes = Buffer.from(text);
  const end = fstatSync(file).size;
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, end + at);
  } catch (error) {
    ftruncateSync(file, end);
    throw diskError(error, path, bytes.length);
  }
}

/** Reads the rows of a run, oldest first; [] where there are none. Lines that are no rows are left out. */
export function readHistory(folder: string): HistoryRow[] {
  return linesOf(historyPath(folder)).flatMap((line) => parseRow(line) ?? []);
}

/** Reads the rows within the last `bytes` of a run's history: enough to say how it ended, however long it is. */
export function readHistoryEnd(folder: string, bytes = 1 << 16): HistoryRow[] {
  let file: number;
  try {
    file = openSync(historyPath(folder), 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(file);
    const begin = Math.max(0, size - bytes);
    const block = Buffer.alloc(size - begin);
    const text = block.toString('utf8', 0, readSync(file, block, 0, block.length, begin));
    const lines = wholeLines(text);
    return (begin > 0 ? lines.slice(1) : lines).flatMap((line) => parseRow(line) ?? []);
  } finally {
    closeSync(file);
  }
}

/** Says where a resumed run goes on. */
export interface ResumePoint {
  /** Optimizer steps already made. */
  step: number;
  /** The first epoch that will be evaluated (again). */
  epoch: number;
}

/**
 * Drops what the resumed run will report again, so that no part of the curve is there twice: steps and checkpoints
 * after `step`, epochs from `epoch` on. Notes and states stay, they happened.
 * @throws StillhouseError `disk.full` or `disk.denied`; then nothing has changed.
 */
export function truncateHistory(folder: string, point: ResumePoint): void {
  keepLines(historyPath(folder), (line) => {
    const row = parseRow(line);
    return row !== null && !repeats(row, point);
  });
  keepLines(logPath(folder), (line) => {
    const epoch = parseLog(line)?.epoch;
    return epoch !== undefined && epoch < point.epoch;
  });
}

function repeats(row: HistoryRow, { step, epoch }: ResumePoint): boolean {
  if (row.type === 'epoch') return row.epoch >= epoch;
  return (row.type === 'step' || row.type === 'checkpoint') && row.step > step;
}

function keepLines(path: string, keep: (line: string) => boolean): void {
  const lines = linesOf(path);
  const kept = lines.filter(keep);
  if (kept.length < lines.length) writeFileAtomic(path, kept.map((line) => `${line}\n`).join(''));
}

/** A line of DeiT's log.txt. */
export interface LogLine {
  train_lr: number;
  train_loss: number;
  test_loss: number;
  test_acc1: number;
  test_acc5: number;
  epoch: number;
  n_parameters: number;
}

/** Reads the finished epochs of a run from log.txt, oldest first. */
export function readLog(folder: string): LogLine[] {
  return linesOf(logPath(folder)).flatMap((line) => parseLog(line) ?? []);
}

function appendLog(folder: string, row: EpochRow): void {
  const line: LogLine = {
    train_lr: row.trainLr,
    train_loss: row.trainLoss,
    test_loss: row.test.loss,
    test_acc1: row.test.acc1,
    test_acc5: row.test.acc5,
    epoch: row.epoch,
    n_parameters: row.parameters,
  };
  const path = logPath(folder);
  try {
    appendFileSync(path, `${endsTorn(path) ? '\n' : ''}${JSON.stringify(line)}\n`, { flush: true });
  } catch (error) {
    throw diskError(error, path, 0);
  }
}

// A crash may have come between an epoch's row and its line.
function completeLog(folder: string): void {
  const last = readHistoryEnd(folder)
    .filter((row) => row.type === 'epoch')
    .at(-1);
  if (last && !readLog(folder).some((line) => line.epoch === last.epoch)) appendLog(folder, last);
}

function endsTorn(path: string): boolean {
  if (!existsSync(path)) return false;
  const bytes = readFileSync(path);
  return bytes.length > 0 && bytes[bytes.length - 1] !== NEWLINE;
}

function linesOf(path: string): string[] {
  try {
    return wholeLines(readFileSync(path, 'utf8'));
  } catch {
    return [];
  }
}

// What follows the last newline was cut short, even where it happens to parse.
function wholeLines(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

/** Parses a row from its line; null for any other line. */
export function parseRow(line: string): HistoryRow | null {
  const row = parseObject(line) as HistoryRow | null;
  return row && TYPES.has(row.type) ? row : null;
}

function parseLog(line: string): LogLine | null {
  const found = parseObject(line) as LogLine | null;
  return found && typeof found.epoch === 'number' ? found : null;
}

function parseObject(line: string): object | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** Returns the path of a run's history. */
export function historyPath(folder: string): string {
  return join(folder, 'history.jsonl');
}

function logPath(folder: string): string {
  return join(folder, 'log.txt');
}
