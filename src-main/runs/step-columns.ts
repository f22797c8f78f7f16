import { open } from 'node:fs/promises';
import { MOST_SERIES_ROWS, STEP_FIELDS, STEP_FIELD_NAMES, numbersOf, rowOf } from '../protocol/step-columns.ts';
import type { RunSeries, StepField } from '../protocol/step-columns.ts';
import type { HistoryRow } from '../protocol/events.ts';
import { historyPath, parseRow } from './history.ts';

const BLOCK = 1 << 20;
const NEWLINE = 0x0a;
const FIRST_CAPACITY = 1024;

type Numbers = Float32Array | Float64Array;
/** Bytes before the end of the part that was read; they distinguish the file from one that took its place. */
const SEEN_BYTES = 256;

/**
 * The history of a run in memory, its step rows as columns: 80 bytes a row. Only what was appended since is read
 * again, in blocks, so that a service that reads a long history still answers others meanwhile.
 */
export class StepColumns {
  /** Step rows read so far. */
  count = 0;
  /** Rows of every other type, in their order. */
  others: HistoryRow[] = [];
  /** Goes up when the file that was read is no longer the one that is there. */
  revision = 0;
  private offset = 0;
  private seen: Buffer = Buffer.alloc(0);
  private capacity = FIRST_CAPACITY;
  private columns = emptyColumns(FIRST_CAPACITY);
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly folder: string) {}

  /** Reads what was appended; calls that overlap read one after the other. A run without a history has no rows. */
  refresh(): Promise<void> {
    this.reading = this.reading.then(() => this.readOn());
    return this.reading;
  }

  /** Step rows from `from` on, at most `MOST_SERIES_ROWS`. */
  series(from: number, count: number): RunSeries {
    const begin = Math.min(from, this.count);
    const end = Math.min(this.count, begin + Math.min(count, MOST_SERIES_ROWS));
    const text = (name: StepField): string => {
      const { buffer, byteOffset, byteLength } = this.columns[name].subarray(begin, end);
      return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
    };
    const columns = Object.fromEntries(STEP_FIELD_NAMES.map((name) => [name, text(name)])) as RunSeries['columns'];
    return { total: this.count, from: begin, count: end - begin, revision: this.revision, columns };
  }

  /** All rows but for step rows that are left out evenly where there are more than `most`; the last one stays. */
  thinned(most: number): HistoryRow[] {
    const every = Math.max(1, Math.ceil(this.count / most));
    const rows: HistoryRow[] = [];
    let other = 0;
    for (let index = 0; index < this.count; index++) {
      if (index % every !== 0 && index !== this.count - 1) continue;
      for (; other < this.columns.after[index]; other++) rows.push(this.others[other]);
      rows.push(rowOf((name) => this.columns[name][index]));
    }
    return [...rows, ...this.others.slice(other)];
  }

  private async readOn(): Promise<void> {
    const file = await open(historyPath(this.folder), 'r').catch(() => null);
    if (!file) return this.forget();
    try {
      const before = Buffer.alloc(this.seen.length);
      const { bytesRead } = await file.read(before, 0, before.length, this.offset - before.length);
      if (bytesRead < before.length || !before.equals(this.seen)) this.forget();
      const block = Buffer.alloc(BLOCK);
      let line: Buffer[] = [];
      for (let at = this.offset; ;) {
        const { bytesRead: got } = await file.read(block, 0, BLOCK, at);
        if (got === 0) return;
        at += got;
        const end = block.subarray(0, got).lastIndexOf(NEWLINE) + 1;
        line.push(Buffer.from(block.subarray(0, end || got)));
        if (end === 0) continue;
        this.take(Buffer.concat(line));
        line = [Buffer.from(block.subarray(end, got))];
      }
    } finally {
      await file.close();
    }
  }

  /** Whole lines, ending with a newline. */
  private take(bytes: Buffer): void {
    this.offset += bytes.length;
    this.seen = Buffer.concat([this.seen, bytes.subarray(-SEEN_BYTES)]).subarray(-SEEN_BYTES);
    for (const line of bytes.toString('utf8').split('\n')) {
      const row = line ? parseRow(line) : null;
      if (row?.type === 'step') this.push(numbersOf(row, this.others.length));
      else if (row) this.others.push(row);
    }
  }

  private push(numbers: Record<StepField, number>): void {
    if (this.count === this.capacity) this.grow();
    for (const name of STEP_FIELD_NAMES) this.columns[name][this.count] = numbers[name];
    this.count++;
  }

  private grow(): void {
    this.capacity *= 2;
    const larger = emptyColumns(this.capacity);
    for (const name of STEP_FIELD_NAMES) larger[name].set(this.columns[name]);
    this.columns = larger;
  }

  private forget(): void {
    if (this.offset > 0) this.revision++;
    this.count = this.offset = 0;
    this.others = [];
    this.seen = Buffer.alloc(0);
  }
}

function emptyColumns(capacity: number): Record<StepField, Numbers> {
  const made = STEP_FIELD_NAMES.map((name) => [
    name,
    STEP_FIELDS[name] === 8 ? new Float64Array(capacity) : new Float32Array(capacity),
  ]);
  return Object.fromEntries(made) as Record<StepField, Numbers>;
}
