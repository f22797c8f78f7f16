import type { QueueReport } from '../../protocol/data-types.ts';
import { ENDED, type HistoryRow, type RunState, type ServiceEvent, type StateRow } from '../../protocol/events.ts';
import { connect, type Client, type Port } from '../../protocol/rpc.ts';

/** A run that trains, as far as it is shown outside of the window. */
export interface WatchedRun {
  id: string;
  state: RunState;
  /** From 0; null before the first steps. */
  epoch: number | null;
  /** 0 while unknown. */
  epochs: number;
  /** Share of the whole run that is done. */
  part: number;
  secondsLeft: number | null;
}

/** Something that a person may want to know who does not look at the window. */
export interface RunNews {
  kind: 'finished' | 'failed' | 'held' | 'queue';
  /** '' for the queue. */
  run: string;
}

/** Reasons for the queue to wait that a person knows of: they asked for it, or have just started the app. */
const KNOWN = ['queue.paused', 'queue.restarted'];

/** Follows what trains, over a port of its own: the main process is one more window of the service. */
export class RunWatch {
  readonly runs = new Map<string, WatchedRun>();
  private queue: QueueReport | null = null;
  private client: Client | null = null;
  private readonly changes: (() => void)[] = [];
  private readonly heard: ((news: RunNews) => void)[] = [];

  /** Hears of each change of what trains. */
  onChange(listener: () => void): void {
    this.changes.push(listener);
  }

  onNews(listener: (news: RunNews) => void): void {
    this.heard.push(listener);
  }

  /** True while a waiting run will start by itself. */
  get goesOn(): boolean {
    return this.queue !== null && !this.queue.paused && this.queue.entries.some(({ error }) => error === null);
  }

  /** Follows the service at the other end of a port, in place of the one before. */
  follow(port: Port): void {
    const client = connect(port);
    this.client = client;
    client.onEvent((event) => this.hear(event));
    client.onClose(() => this.lose(client));
    void this.readQueue();
  }

  /** Asks something of a run; a run that has ended meanwhile is no failure. */
  ask(call: 'run.pause' | 'run.continue' | 'run.stop', run: string): void {
    void this.client?.call(call, { run }).catch(() => undefined);
  }

  private lose(client: Client): void {
    if (client !== this.client) return;
    this.client = null;
    this.queue = null;
    this.runs.clear();
    this.changed();
  }

  private hear(event: ServiceEvent): void {
    if (event.event === 'queue') void this.readQueue();
    if (event.event !== 'run') return;
    const known = this.runs.has(event.run);
    for (const row of event.rows) this.note(event.run, row);
    if (!known && this.runs.has(event.run)) void this.readRuns();
    this.changed();
  }

  private note(id: string, row: HistoryRow): void {
    if (row.type === 'state') return this.enter(id, row);
    const run = this.runs.get(id);
    if (!run || row.type !== 'step') return;
    const steps = row.stepsPerEpoch * run.epochs;
    Object.assign(run, {
      epoch: row.epoch,
      part: steps > 0 ? Math.min(1, row.step / steps) : 0,
      secondsLeft: row.secondsLeft,
    });
  }

  private enter(id: string, { state, error }: StateRow): void {
    if (state === 'finished') this.tell({ kind: 'finished', run: id });
    if (state === 'failed' || state === 'crashed') this.tell({ kind: 'failed', run: id });
    if (state === 'paused' && error?.code.startsWith('disk.')) this.tell({ kind: 'held', run: id });
    if (ENDED.includes(state)) return void this.runs.delete(id);
    const run = this.runs.get(id) ?? { id, state, epoch: null, epochs: 0, part: 0, secondsLeft: null };
    this.runs.set(id, { ...run, state });
  }

  /** How many epochs each run has. Those of the list that train elsewhere are not followed. */
  private async readRuns(): Promise<void> {
    const list = await this.client?.call('run.list', {}).catch(() => []);
    for (const { id, epochs } of list ?? []) {
      const run = this.runs.get(id);
      if (run) this.runs.set(id, { ...run, epochs });
    }
    this.changed();
  }

  private async readQueue(): Promise<void> {
    const before = this.queue;
    const now = await this.client?.call('queue.list', {}).catch(() => null);
    if (!now) return;
    this.queue = now;
    const stopped = before && !before.paused && now.paused && now.entries.length > 0;
    if (stopped && !KNOWN.includes(now.paused!.code)) this.tell({ kind: 'queue', run: '' });
    this.changed();
  }

  private changed(): void {
    for (const listener of this.changes) listener();
  }

  private tell(news: RunNews): void {
    for (const listener of this.heard) listener(news);
  }
}
