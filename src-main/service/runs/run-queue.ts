import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { QueueEntry, QueueReport } from '../../protocol/data-types.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { lockOwner, lockRun, type RunLock } from '../../runs/lock.ts';
import { queueFolder } from '../../runs/places.ts';

/** Parts of the service that the queue uses. */
export interface QueueOptions {
  homeFolder: string;
  /**
   * Starts a waiting run, checking it again.
   * @returns true when the entry stays, since another of its trainings comes after that.
   * @throws StillhouseError what it is refused for.
   */
  begin(entry: QueueEntry): Promise<unknown>;
  /** Whether the turn of an entry can come: a student waits for its teacher. */
  ready(entry: QueueEntry): boolean;
  /** How many runs train now. */
  training(): number;
  /** It looks different than before. */
  onChange(): void;
}

const MOST_ENTRIES = 500;
const MOST_REMOVED = 20;

interface Removed {
  entry: QueueEntry;
  at: number;
  paused: PlainError | null;
}

/**
 * Runs that wait for their turn, kept in `<home>/queue/queue.json`. As many train at once as a person allows; the next
 * starts when one ends by itself. A run that a person stops makes the queue wait, and so does a new start of the
 * service: nothing trains that nobody expects. One service at a time works on the queue, the others only read it.
 */
export class RunQueue {
  private readonly folder: string;
  private state: QueueReport;
  private lock: RunLock | undefined;
  private busy = false;
  private closed = false;
  /** Entries that were removed last, to be taken back. */
  private readonly removed: Removed[] = [];

  constructor(private readonly options: QueueOptions) {
    this.folder = queueFolder(options.homeFolder);
    this.state = this.read();
  }

  /** The calls that a front can make of it. */
  handlers() {
    return {
      'queue.list': async () => this.report(),
      'queue.add': async (what) => this.add(what),
      'queue.move': async ({ id, to }) => this.change((entries) => moved(entries, id, to)),
      'queue.remove': async ({ id }) => this.remove(id),
      'queue.restore': async ({ id }) => this.restore(id),
      'queue.set': async ({ paused, atOnce }) => this.set(paused, atOnce),
    } satisfies Partial<Handlers>;
  }

  /** Refuses to start another run beside those that train, unless a person said so or there is room for it. */
  admit(anyway: boolean | undefined, run: string | undefined): void {
    if (!anyway && this.options.training() >= this.state.atOnce && run !== undefined)
      throw new StillhouseError('run.busy', { run });
  }

  /** A person stopped a run: what waits goes on waiting until they say otherwise. */
  stopped(run: string): void {
    if (this.state.entries.length > 0) this.pause(reasonOf('queue.stopped', { run }));
  }

  /** A run began or ended: starts what there is room for. */
  advance(): void {
    if (this.busy || this.closed) return;
    this.busy = true;
    void this.startNext().finally(() => (this.busy = false));
  }

  /** Starts nothing any more, and gives the queue to other services. */
  close(): void {
    this.closed = true;
    this.lock?.release();
    this.lock = undefined;
  }

  private async startNext(): Promise<void> {
    for (;;) {
      const entry = this.state.entries.find((one) => one.error === null && this.options.ready(one));
      if (!entry || this.closed || this.state.paused || this.options.training() >= this.state.atOnce) return;
      try {
        // What this service read before may be long done.
        if (!this.lock) {
          this.take();
          continue;
        }
        const stays = await this.options.begin(entry);
        if (stays !== true) this.put(this.state.entries.filter(({ id }) => id !== entry.id));
      } catch (error) {
        this.refused(entry, toPlainError(error));
      }
    }
  }

  /** One that cannot start keeps its place and says why; what would keep all from starting makes the queue wait. */
  private refused(entry: Pick<QueueEntry, 'id'>, error: PlainError): void {
    if (/^(engine|disk|queue)\./.test(error.code)) return this.pause(error);
    this.put(this.state.entries.map((other) => (other.id === entry.id ? { ...other, error } : other)));
  }

  /** Says of an entry why it cannot go on; the others do. */
  fail(id: string, error: PlainError): void {
    if (this.state.entries.some((entry) => entry.id === id)) this.refused({ id }, error);
  }

  report(): QueueReport {
    if (!this.lock) this.state = this.read();
    return { ...this.state, entries: [...this.state.entries] };
  }

  /** Has a run wait for its turn. @throws StillhouseError `queue.elsewhere`, `argument.invalid`. */
  add({
    recipe,
    processes,
    resume,
    plan,
    study,
  }: CallParams<'queue.add'> & Pick<QueueEntry, 'plan' | 'study'>): QueueReport {
    if (!recipe === !resume)
      throw new StillhouseError('argument.invalid', { name: 'queue.add', expected: 'recipe | resume', got: 'else' });
    const entry: QueueEntry = {
      id: randomUUID().slice(0, 8),
      added: Date.now(),
      recipe: recipe ?? null,
      ...(processes !== undefined && { processes }),
      resume: resume ?? null,
      ...(plan !== undefined && { plan }),
      ...(study !== undefined && { study }),
      error: null,
    };
    return this.change((entries) => {
      if (entries.length >= MOST_ENTRIES)
        throw new StillhouseError('argument.invalid', {
          name: 'queue.add',
          expected: reason('value.waiting', { count: MOST_ENTRIES }),
          got: `${entries.length + 1}`,
        });
      return [...entries, entry];
    });
  }

  remove(id: string): QueueReport {
    this.take();
    const { entries, paused } = this.state;
    const at = entries.findIndex((entry) => entry.id === id);
    if (at >= 0) this.removed.push({ entry: entries[at], at, paused });
    this.removed.splice(0, this.removed.length - MOST_REMOVED);
    return this.change((others) => others.filter((entry) => entry.id !== id));
  }

  /** Puts one that was removed back into its place; a queue that waited then, and is empty now, waits again. */
  private restore(id: string): QueueReport {
    const found = this.removed.findIndex(({ entry }) => entry.id === id);
    if (found < 0) return this.report();
    this.take();
    const [{ entry, at, paused }] = this.removed.splice(found, 1);
    const { entries } = this.state;
    if (entries.length === 0) this.state = { ...this.state, paused };
    this.put([...entries.slice(0, at), entry, ...entries.slice(at)]);
    this.advance();
    return this.report();
  }

  set(paused: boolean | undefined, atOnce: number | undefined): QueueReport {
    this.take();
    if (atOnce !== undefined) this.state = { ...this.state, atOnce };
    if (paused === true) this.state = { ...this.state, paused: reasonOf('queue.paused') };
    // What could not start gets another try.
    const entries = this.state.entries.map((entry) => ({ ...entry, error: null }));
    if (paused === false) this.state = { ...this.state, paused: null, entries };
    this.put(this.state.entries);
    this.advance();
    return this.report();
  }

  private change(how: (entries: QueueEntry[]) => QueueEntry[]): QueueReport {
    this.take();
    // Nothing waited: what made it wait is over, unless a person asked for it.
    if (this.state.entries.length === 0 && this.state.paused?.code !== 'queue.paused')
      this.state = { ...this.state, paused: null };
    this.put(how(this.state.entries));
    this.advance();
    return this.report();
  }

  private pause(why: PlainError): void {
    this.state = { ...this.state, paused: why };
    this.put(this.state.entries);
  }

  private put(entries: QueueEntry[]): void {
    this.state = { ...this.state, entries };
    if (this.lock) writeFileAtomic(fileIn(this.folder), `${JSON.stringify(this.state, null, 2)}\n`);
    this.options.onChange();
  }

  /** @throws StillhouseError `queue.elsewhere` while another service works on it. */
  private take(): void {
    if (this.lock) return;
    mkdirSync(this.folder, { recursive: true });
    const owner = lockOwner(this.folder);
    if (owner) throw new StillhouseError('queue.elsewhere', { owner: String(owner.pid) });
    this.lock = lockRun(this.folder);
    this.state = this.read();
  }

  /** Reads the queue that another service wrote, or this one when it ran last. */
  private read(): QueueReport {
    const read = readQueue(this.options.homeFolder);
    const elsewhere = !this.lock && lockOwner(this.folder) !== null;
    if (elsewhere || read.entries.length === 0) return read;
    return { ...read, paused: reasonOf('queue.restarted') };
  }
}

/** Reads the queue from the disk; an empty one where there is none. */
export function readQueue(homeFolder: string): QueueReport {
  try {
    const read = JSON.parse(readFileSync(fileIn(queueFolder(homeFolder)), 'utf8')) as Partial<QueueReport>;
    const entries = Array.isArray(read.entries) ? read.entries.filter(isEntry) : [];
    return { entries, atOnce: read.atOnce && read.atOnce > 0 ? read.atOnce : 1, paused: read.paused ?? null };
  } catch {
    return { entries: [], atOnce: 1, paused: null };
  }
}

function isEntry(entry: unknown): entry is QueueEntry {
  const { id, added } = (entry ?? {}) as Partial<QueueEntry>;
  return typeof id === 'string' && typeof added === 'number';
}

function moved(entries: QueueEntry[], id: string, to: number): QueueEntry[] {
  const entry = entries.find((other) => other.id === id);
  const others = entries.filter((other) => other !== entry);
  return entry ? [...others.slice(0, to), entry, ...others.slice(to)] : entries;
}

function reasonOf(...[code, params]: ConstructorParameters<typeof StillhouseError>): PlainError {
  return toPlainError(new StillhouseError(code, params));
}

function fileIn(folder: string): string {
  return join(folder, 'queue.json');
}
