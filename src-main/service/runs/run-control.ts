import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import { ENDED, type HistoryRow, type RunState, type ServiceEvent } from '../../protocol/events.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { openHistory } from '../../runs/history.ts';
import { lockRun, type RunLock } from '../../runs/lock.ts';
import { SilenceWatch } from '../../jobs/process-watchdog.ts';
import type { JobProcess, spawnJob } from '../../jobs/job-process.ts';
import type { EngineChoice, JobEvent, RankedJob, TrainJob } from '../../jobs/job-protocol.ts';
import { launchRanks } from '../../jobs/ranks/launch.ts';

export type SpawnJob = typeof spawnJob;

export interface RunControlOptions {
  spawnJob: SpawnJob;
  emit(event: ServiceEvent): void;
  /** How many runs train; called when it changes. */
  onActive?(runs: number): void;
  /** Milliseconds without a heartbeat after which a run is reported as silent; 30,000 when left out. */
  silence?: number;
}

/** Milliseconds between two events of one run. */
const EVENT_INTERVAL = 100;
/** Milliseconds between two events that say that a run looks different in the list. */
const LIST_INTERVAL = 1000;
/** Milliseconds that runs may take to save when the service ends. */
const PARTING = 120_000;

/** So many ranks to be started here, or the ranks that others have started, of which this process is rank 0. */
export type RunRanks = { nproc: number } | RankedJob;

/** Holds what a training is started with. */
export interface Training {
  id: string;
  /** The run folder. */
  path: string;
  recipe: Recipe;
  /** As a train job takes it. */
  resume: string;
  /** The engine to train with. */
  on: EngineChoice;
  /** Of the folder, taken by this process. It is given back when the run has ended. */
  lock: RunLock;
  /** What the run is to write down before it starts. */
  notes?: readonly PlainError[];
  /** Absent: one process trains. */
  ranks?: RunRanks;
  /** Hears how far the preparation is; `total` is 0 while unknown. */
  onProgress?(stage: string, done: number, total: number): void;
}

/** Says how a run has ended. */
export interface RunEnd {
  state: RunState;
  error: PlainError | null;
}

interface ActiveRun {
  path: string;
  /** Taken by this process; the trainer takes it over. */
  lock: RunLock;
  trainer: JobProcess<'train'>;
  state: RunState;
  onProgress: Training['onProgress'];
  /** Settles when the process has ended and that was reported. */
  ended: Promise<RunEnd>;
  pending: HistoryRow[];
  /** The end of the run as the trainer reported it; announced once its process has ended too and the run can be resumed. */
  last: HistoryRow | undefined;
  timer: NodeJS.Timeout | undefined;
  listed: number;
  watch: SilenceWatch;
}

/** The runs that this service trains, one process each. What happens to one process reaches no other. */
export class RunControl {
  private readonly active = new Map<string, ActiveRun>();

  constructor(private readonly options: RunControlOptions) {}

  /** State of a run that trains here; undefined for all others. */
  stateOf(id: string): RunState | undefined {
    return this.active.get(id)?.state;
  }

  /** Ids of the runs that train here, the oldest first. */
  running(): string[] {
    return [...this.active.keys()];
  }

  /** Settles when a run that trains here has ended; at once for all others. */
  async ended(id: string): Promise<void> {
    await this.active.get(id)?.ended;
  }

  /** Settles as {@link ended}; when `signal` aborts, the run is asked to save and stop first. */
  async endedUnder(id: string, signal: AbortSignal): Promise<void> {
    const stop = (): void => this.stop(id);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    await this.ended(id);
    signal.removeEventListener('abort', stop);
  }

  /** Process of a run that trains here. */
  pidOf(id: string): number | undefined {
    return this.active.get(id)?.trainer.pid;
  }

  /** Trains in a run folder. @returns how it ended, when its process is gone; never rejects. */
  start({ id, path, recipe, resume, on, lock, notes, ranks, onProgress }: Training): Promise<RunEnd> {
    const { engine, threads, gpu, note } = on;
    const job: TrainJob = {
      kind: 'train',
      engine,
      threads,
      gpu,
      note,
      notes,
      run: path,
      recipe,
      resume,
      lock: lock.owner,
    };
    const trainer = this.spawn(job, ranks, (event) => this.hear(id, event));
    const run: ActiveRun = {
      path,
      lock,
      trainer,
      onProgress,
      state: 'starting',
      ended: trainer.done.then(
        ({ state }) => this.end(id, run, { state, error: null }),
        (error: unknown) => this.end(id, run, { state: stateFor(error), error: toPlainError(error) }),
      ),
      pending: [],
      last: undefined,
      timer: undefined,
      listed: 0,
      watch: this.watch(id, recipe.stallMinutes),
    };
    this.active.set(id, run);
    this.tellActive();
    return run.ended;
  }

  private spawn(job: TrainJob, ranks: RunRanks | undefined, onEvent: (event: JobEvent) => void): JobProcess<'train'> {
    const { spawnJob } = this.options;
    if (ranks && 'nproc' in ranks) return launchRanks(job, ranks.nproc, { spawn: spawnJob, onEvent });
    return spawnJob(ranks ? { ...job, ranks } : job, { onEvent });
  }

  /** Asks a run to save and stop. One that does not answer any more is ended. */
  stop(id: string): void {
    const run = this.active.get(id);
    if (!run) return;
    if (run.watch.silent) run.trainer.kill();
    else run.trainer.stop();
    if (run.state !== 'stopping') this.note(id, [stateRow('stopping', null)]);
  }

  /** Ends a run at once, without saving. */
  kill(id: string): void {
    this.active.get(id)?.trainer.kill();
  }

  /** Asks a run to save and stand still, its trainer and memory kept. */
  pause(id: string): void {
    const run = this.active.get(id);
    if (!run || !['starting', 'running'].includes(run.state)) return;
    run.trainer.pause(true);
    this.note(id, [stateRow('pausing', null)]);
  }

  /** Has a run that pauses go on; one that waits for space on the disk looks again. */
  continue(id: string): void {
    const run = this.active.get(id);
    run?.trainer.pause(false);
    // It may not have come to a pause yet, and then has nothing to tell.
    if (run?.state === 'pausing') this.note(id, [stateRow('running', null)]);
  }

  /** Has every run saved and stopped; those that take too long are ended. */
  async close(): Promise<void> {
    const runs = [...this.active.entries()];
    for (const [id] of runs) this.stop(id);
    const late = setTimeout(() => {
      for (const [, { trainer }] of runs) trainer.kill();
    }, PARTING);
    await Promise.all(runs.map(([, { ended }]) => ended));
    clearTimeout(late);
  }

  private hear(id: string, event: JobEvent): void {
    const run = this.active.get(id);
    if (!run) return;
    run.watch.hear();
    if (event.tell === 'progress') run.onProgress?.(event.stage, event.done, event.total);
    if (event.tell === 'ranks') this.options.emit({ event: 'ranks', run: id, ranks: event.ranks });
    if (event.tell !== 'rows') return;
    run.last = event.rows.find(isEnd) ?? run.last;
    this.note(
      id,
      event.rows.filter((row) => !isEnd(row)),
    );
  }

  private note(id: string, rows: HistoryRow[]): void {
    const run = this.active.get(id);
    if (!run) return;
    for (const row of rows) if (row.type === 'state') run.state = row.state;
    run.pending.push(...rows);
    run.timer ??= setTimeout(() => this.flush(id, run), EVENT_INTERVAL);
  }

  private flush(id: string, run: ActiveRun): void {
    clearTimeout(run.timer);
    run.timer = undefined;
    const rows = run.pending.splice(0);
    if (rows.length > 0) this.options.emit({ event: 'run', run: id, rows });
    // The list shows accuracies too. What it misses here, the end of the run tells.
    if (!rows.some(({ type }) => type === 'epoch') || Date.now() - run.listed < LIST_INTERVAL) return;
    run.listed = Date.now();
    this.options.emit({ event: 'runs' });
  }

  /** The process is gone. Whatever it did not say itself is written down for it. */
  private end(id: string, run: ActiveRun, { state, error }: RunEnd): RunEnd {
    run.watch.end();
    run.lock.release();
    // Somebody else trains in that folder: it is theirs to write, and their run that the windows show.
    if (error?.code === 'run.locked') this.note(id, [noteRow(error)]);
    else {
      const row = run.last ?? stateRow(state, error);
      if (!run.last) record(run.path, [row]);
      this.note(id, [row]);
    }
    this.active.delete(id);
    this.flush(id, run);
    this.options.emit({ event: 'runs' });
    this.tellActive();
    return { state, error };
  }

  private watch(id: string, minutes: number): SilenceWatch {
    return new SilenceWatch({
      silence: this.options.silence,
      minutes,
      onSilent: (error) => {
        const run = this.active.get(id);
        if (run?.state === 'stopping') run.trainer.kill();
        this.note(id, [noteRow(toPlainError(error))]);
      },
      onStalled: (error) => this.active.get(id)?.trainer.kill(error),
    });
  }

  private tellActive(): void {
    this.options.onActive?.(this.active.size);
  }
}

function stateFor(error: unknown): RunState {
  return error instanceof StillhouseError &&
    ['run.died', 'run.out-of-memory', 'run.stalled', 'ranks.lost'].includes(error.code)
    ? 'crashed'
    : 'failed';
}

function isEnd(row: HistoryRow): boolean {
  return row.type === 'state' && ENDED.includes(row.state);
}

function noteRow(note: PlainError): HistoryRow {
  return { type: 'note', time: Date.now(), note };
}

function stateRow(state: RunState, error: PlainError | null): HistoryRow {
  return { type: 'state', time: Date.now(), state, error };
}

/**
 * Writes rows into the history of a run that nothing trains. A full disk, or another that trains in the folder already,
 * must not hide from the windows how the run ended.
 */
export function record(path: string, rows: HistoryRow[]): void {
  let lock: RunLock | undefined;
  try {
    lock = lockRun(path);
    const history = openHistory(path);
    history.append(rows);
    history.close();
  } catch {
    return;
  } finally {
    lock?.release();
  }
}
