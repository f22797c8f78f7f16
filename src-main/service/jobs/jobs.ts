import { randomUUID } from 'node:crypto';
import { StillhouseError, fromPlainError, toPlainError } from '../../protocol/errors.ts';
import type { JobKind, JobProgress } from '../../protocol/events.ts';

/** Says how far a job is, in units of its own. */
export interface Progress {
  stage: string;
  done: number;
  /** 0 while unknown. */
  total: number;
  unit?: JobProgress['unit'];
}

/** Functions that the work of a job may call. */
export interface JobContext {
  /** Aborted when the job is cancelled; work that sees it ends soon, by throwing anything. */
  signal: AbortSignal;
  report(progress: Progress): void;
}

export type Work = (context: JobContext) => Promise<unknown>;

/** Ended jobs that a new window still sees. */
const KEPT = 20;
/** Milliseconds between two events of one job. */
const EVENT_INTERVAL = 200;
/** Milliseconds that a rate looks back. */
const RATE_WINDOW = 5000;

interface Entry {
  name: string;
  progress: JobProgress;
  abort: AbortController;
  ended: Promise<void>;
  /** (time, done) of the current stage, oldest first. */
  marks: { time: number; done: number }[];
  timer: NodeJS.Timeout;
  changed: boolean;
}

/** Jobs that are not runs: each reports progress as events, can be cancelled, and is remembered when it has ended. */
export class Jobs {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly emit: (progress: JobProgress) => void) {}

  /**
   * Starts a job. One that is still running under the same `name` is not started twice: its id is returned.
   * @param name what the job is about, such as `engine` or `check:/data/flowers`.
   */
  start(kind: JobKind, name: string, unit: JobProgress['unit'], work: Work): string {
    for (const [id, entry] of this.entries) if (entry.name === name && entry.progress.state === 'running') return id;
    const job = `${kind}-${randomUUID().slice(0, 8)}`;
    const abort = new AbortController();
    const progress: JobProgress = {
      job,
      kind,
      state: 'running',
      stage: '',
      done: 0,
      total: 0,
      unit,
      rate: 0,
      secondsLeft: null,
      error: null,
      result: null,
    };
    const timer = setInterval(() => this.tick(entry), EVENT_INTERVAL);
    const entry: Entry = { name, progress, abort, ended: Promise.resolve(), marks: [], timer, changed: false };
    this.entries.set(job, entry);
    this.emit({ ...progress });
    entry.ended = this.run(entry, work);
    return job;
  }

  /** Asks a job to end; one that has ended, or never was, stays so. */
  cancel(job: string): void {
    this.entries.get(job)?.abort.abort();
  }

  /**
   * Waits for a job, which is cancelled with `signal`. @returns its result.
   * @throws StillhouseError what it failed with, or `job.cancelled`.
   */
  async outcome(job: string, signal: AbortSignal): Promise<unknown> {
    const entry = this.entries.get(job);
    if (!entry) throw new StillhouseError('job.cancelled');
    const cancel = (): void => entry.abort.abort();
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel);
    await entry.ended;
    signal.removeEventListener('abort', cancel);
    if (entry.progress.error) throw fromPlainError(entry.progress.error);
    return entry.progress.result;
  }

  /** Running jobs and those that ended last, oldest first. */
  list(): JobProgress[] {
    return [...this.entries.values()].map(({ progress }) => ({ ...progress }));
  }

  /** Cancels what runs and waits until it has ended. */
  async close(): Promise<void> {
    const entries = [...this.entries.values()];
    for (const { abort } of entries) abort.abort();
    await Promise.all(entries.map(({ ended }) => ended));
  }

  private async run(entry: Entry, work: Work): Promise<void> {
    const { progress, abort } = entry;
    try {
      progress.result = (await work({ signal: abort.signal, report: (next) => this.note(entry, next) })) ?? null;
      abort.signal.throwIfAborted();
      progress.state = 'done';
    } catch (error) {
      progress.state = abort.signal.aborted ? 'cancelled' : 'failed';
      progress.error = toPlainError(abort.signal.aborted ? new StillhouseError('job.cancelled') : error);
    }
    clearInterval(entry.timer);
    progress.rate = 0;
    progress.secondsLeft = null;
    this.forgetOldest();
    this.emit({ ...progress });
  }

  private note(entry: Entry, { stage, done, total, unit }: Progress): void {
    if (stage !== entry.progress.stage) entry.marks = [];
    Object.assign(entry.progress, { stage, done, total, unit: unit ?? entry.progress.unit });
    entry.changed = true;
  }

  // The rate is taken here and not in note: when nothing arrives any more, it must fall to zero.
  private tick(entry: Entry): void {
    const { progress, marks } = entry;
    const time = performance.now();
    marks.push({ time, done: progress.done });
    while (marks.length > 2 && marks[0].time < time - RATE_WINDOW) marks.shift();
    const [first] = marks;
    const seconds = (time - first.time) / 1000;
    const rate = seconds > 0.5 ? Math.max(0, progress.done - first.done) / seconds : 0;
    const left = rate > 0 && progress.total > 0 ? (progress.total - progress.done) / rate : null;
    if (!entry.changed && rate === progress.rate) return;
    Object.assign(progress, { rate, secondsLeft: left });
    entry.changed = false;
    this.emit({ ...progress });
  }

  private forgetOldest(): void {
    const ended = [...this.entries].filter(([, { progress }]) => progress.state !== 'running');
    for (const [id] of ended.slice(0, Math.max(0, ended.length - KEPT))) this.entries.delete(id);
  }
}
