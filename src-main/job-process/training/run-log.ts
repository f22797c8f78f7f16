import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { HistoryRow, RunState } from '../../protocol/events.ts';
import { diskError } from '../../base/files.ts';
import { openHistory, readHistoryEnd, type HistoryWriter } from '../../runs/history.ts';
import { openRun } from '../../runs/run-folder.ts';
import { openEvents, type EventWriter } from '../../runs/tensorboard.ts';
import type { JobContext } from '../job-context.ts';

/**
 * Writes the history of a run and sends its rows to the service. Rows that do not fit on a full disk are sent all the
 * same, and kept in memory, in their order, until they fit.
 */
export interface RunLog {
  /** @throws StillhouseError `disk.denied` */
  row(row: HistoryRow): void;
  note(note: PlainError): void;
  state(state: RunState, error?: PlainError): void;
  /** Why rows are waiting to be written; null while none is. */
  full(): StillhouseError | null;
  /** Tries to write what waits. @throws StillhouseError `disk.denied` */
  retry(): void;
}

export type End = 'finished' | 'stopped';

/**
 * Opens a run's history while `body` runs, and writes down how that began and ended.
 * @param ending makes room before the last rows are written.
 * @throws whatever `body` throws, after it was written down.
 */
export async function withLog(
  run: string,
  { tell }: JobContext,
  body: (log: RunLog) => Promise<End>,
  ending: () => void,
): Promise<{ state: End }> {
  const log = new FileLog(run, tell);
  try {
    log.state('starting');
    const state = await body(log);
    tryTo(ending);
    log.retry();
    log.state(state);
    return { state };
  } catch (error) {
    tryTo(ending);
    tryTo(() => log.retry());
    tryTo(() => log.state('failed', toPlainError(error)));
    if (!(error instanceof StillhouseError)) tryTo(() => logDefect(run, error));
    throw error;
  } finally {
    log.close();
  }
}

class FileLog implements RunLog {
  private history: HistoryWriter;
  private events: EventWriter | null = null;
  private readonly waiting: HistoryRow[] = [];
  private reason: StillhouseError | null = null;

  constructor(
    private readonly run: string,
    private readonly tell: JobContext['tell'],
  ) {
    this.history = openHistory(run);
    // They can be made from the history at any time: no run ends for their sake.
    tryTo(() => (this.events = openRun(run).recipe.tensorboard ? openEvents(run) : null));
  }

  row(row: HistoryRow): void {
    this.waiting.push(row);
    if (!this.reason) this.write();
    this.tell({ tell: 'rows', rows: [row] });
  }

  note(note: PlainError): void {
    this.row({ type: 'note', time: Date.now(), note });
  }

  state(state: RunState, error?: PlainError): void {
    this.row({ type: 'state', time: Date.now(), state, error: error ?? null });
  }

  full(): StillhouseError | null {
    return this.reason;
  }

  retry(): void {
    if (!this.reason) return;
    try {
      this.history.close();
      // Opened anew, it completes the line of an epoch whose row alone had room.
      this.history = openHistory(this.run);
    } catch (error) {
      this.reason = asFull(error, this.run);
      return;
    }
    if (JSON.stringify(readHistoryEnd(this.run).at(-1)) === JSON.stringify(this.waiting[0])) this.waiting.shift();
    this.reason = null;
    this.write();
  }

  close(): void {
    tryTo(() => this.history.close());
    tryTo(() => this.events?.close());
  }

  private write(): void {
    try {
      for (; this.waiting.length > 0; this.waiting.shift()) {
        this.history.append([this.waiting[0]]);
        this.events?.append([this.waiting[0]]);
      }
    } catch (error) {
      this.reason = asFull(error, this.run);
    }
  }
}

/** Returns the error of a full disk. @throws whatever else it is */
export function asFull(error: unknown, path: string): StillhouseError {
  const known = diskError(error, path, 0);
  if (known instanceof StillhouseError && known.code === 'disk.full') return known;
  throw known;
}

/** Keeps the stack of what should not have happened, for the report that the person is asked for. */
function logDefect(run: string, error: unknown): void {
  const stack = error instanceof Error ? error.stack : String(error);
  appendFileSync(join(run, 'trainer.log'), `${new Date().toISOString()} ${stack}\n`);
}

// What ended the run matters more than that it could not be written down.
function tryTo(body: () => void): void {
  try {
    body();
  } catch {
    return;
  }
}
