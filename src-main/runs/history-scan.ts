import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { EpochRow, StateRow, StepRow } from '../protocol/events.ts';
import { historyPath } from './history.ts';

/**
 * Reads from a history the facts that a list of runs needs, without parsing its steps: of 300,000 lines a few hundred
 * are looked at, and of a history that has grown since, only the new ones.
 */

/** Best, latest and best of the moving average, of one metric. */
export interface Standing {
  best: number | null;
  last: number | null;
  ema: number | null;
}

/** Facts that were found in a history. */
export interface HistoryFacts {
  /** Finished epochs. */
  epochs: number;
  acc1: Standing;
  acc5: Standing;
  loss: Standing;
  /** Spent training: between a `running` and whatever ended it. */
  seconds: number;
  state: StateRow | null;
  /** The latest step row. */
  step: StepRow | null;
}

/** A scan as far as it came. */
export interface HistoryScan {
  facts: HistoryFacts;
  /** Of the file: one that took its place is read from the start. */
  inode: number;
  /** Bytes that were read: whole lines. */
  offset: number;
  /** Since when it trains, by its rows; null while it stands still. */
  since: number | null;
  /** Time of the last row. */
  time: number;
}

const BLOCK = 4 << 20;
const NEWLINE = 0x0a;
const MARKS = ['{"type":"epoch"', '{"type":"state"'] as const;
const STEP = '{"type":"step"';

/** Reads a run's history on from where an earlier scan ended, or from its start. */
export function scanHistory(folder: string, earlier: HistoryScan | null = null): HistoryScan {
  let file: number;
  try {
    file = openSync(historyPath(folder), 'r');
  } catch {
    return newScan(0);
  }
  try {
    const { ino, size } = fstatSync(file);
    const goesOn = earlier !== null && earlier.inode === ino && earlier.offset <= size;
    const scan = goesOn ? structuredClone(earlier) : newScan(ino);
    readOn(file, size, scan);
    return scan;
  } finally {
    closeSync(file);
  }
}

function newScan(inode: number): HistoryScan {
  const standing = (): Standing => ({ best: null, last: null, ema: null });
  const scores = { acc1: standing(), acc5: standing(), loss: standing() };
  const facts = { epochs: 0, ...scores, seconds: 0, state: null, step: null };
  return { facts, inode, offset: 0, since: null, time: 0 };
}

function readOn(file: number, size: number, scan: HistoryScan): void {
  let length = Math.min(BLOCK, size - scan.offset);
  while (length > 0) {
    const block = Buffer.allocUnsafe(length);
    const read = block.subarray(0, readSync(file, block, 0, length, scan.offset));
    const end = read.lastIndexOf(NEWLINE) + 1;
    if (end > 0) takeLines(read.subarray(0, end), scan);
    scan.offset += end;
    // A line longer than a block is read whole, one that is not ended yet is left for the next time.
    length = end > 0 ? Math.min(BLOCK, size - scan.offset) : length < size - scan.offset ? size - scan.offset : 0;
  }
  scan.facts.seconds = Math.max(0, scan.facts.seconds);
}

function takeLines(lines: Buffer, scan: HistoryScan): void {
  const starts = MARKS.flatMap((mark) => startsOf(lines, mark)).sort((a, b) => a - b);
  for (const start of starts) {
    const row = parse(lines, start) as EpochRow | StateRow | null;
    if (row?.type === 'epoch') takeEpoch(row, scan.facts);
    else if (row?.type === 'state') takeState(row, timeBefore(lines, start) ?? scan.time, scan);
  }
  const step = lastStart(lines, STEP);
  if (step >= 0) scan.facts.step = (parse(lines, step) as StepRow | null) ?? scan.facts.step;
  const time = timeBefore(lines, lines.length) ?? scan.time;
  scan.time = time;
}

function takeEpoch({ epoch, test, testEma }: EpochRow, facts: HistoryFacts): void {
  facts.epochs = epoch + 1;
  for (const [metric, better] of [
    ['acc1', Math.max],
    ['acc5', Math.max],
    ['loss', Math.min],
  ] as const) {
    // prettier-ignore
    const { best, ema } = facts[metric];
    const average = testEma?.[metric] ?? null;
    facts[metric] = {
      best: best === null ? test[metric] : better(best, test[metric]),
      last: test[metric],
      ema: ema === null || average === null ? (average ?? ema) : better(ema, average),
    };
  }
}

// A run that was killed says nothing at its end: then the last row before the next start is it.
function takeState(row: StateRow, before: number, scan: HistoryScan): void {
  const trains = row.state === 'running' || row.state === 'pausing' || row.state === 'stopping';
  if (scan.since !== null && !trains) {
    scan.facts.seconds += Math.max(0, (row.state === 'starting' ? before : row.time) - scan.since) / 1000;
    scan.since = null;
  }
  if (trains) scan.since ??= row.time;
  scan.facts.state = row;
}

/** Returns the seconds of a scan up to its last row; the facts lack them for a run that still trains or was killed. */
export function secondsOf({ facts, since, time }: HistoryScan): number {
  return facts.seconds + (since === null ? 0 : Math.max(0, time - since) / 1000);
}

function startsOf(lines: Buffer, mark: string): number[] {
  const starts: number[] = [];
  for (let at = lines.indexOf(mark); at >= 0; at = lines.indexOf(mark, at + mark.length))
    if (beginsLine(lines, at)) starts.push(at);
  return starts;
}

function lastStart(lines: Buffer, mark: string): number {
  let at = lines.lastIndexOf(mark);
  while (at > 0 && !beginsLine(lines, at)) at = lines.lastIndexOf(mark, at - 1);
  return at;
}

function beginsLine(lines: Buffer, at: number): boolean {
  return at === 0 || lines[at - 1] === NEWLINE;
}

/** Time of the row before the one that begins at `start`; null where there is none in these lines. */
function timeBefore(lines: Buffer, start: number): number | null {
  if (start === 0) return null;
  const begin = start < 2 ? 0 : lines.lastIndexOf(NEWLINE, start - 2) + 1;
  const time = (parse(lines, begin) as { time?: unknown } | null)?.time;
  return typeof time === 'number' ? time : null;
}

function parse(lines: Buffer, start: number): unknown {
  try {
    return JSON.parse(lines.toString('utf8', start, lines.indexOf(NEWLINE, start)));
  } catch {
    return null;
  }
}
