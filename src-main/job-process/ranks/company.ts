import { createServer, type AddressInfo } from 'node:net';
import * as v from 'valibot';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Engine, State } from '../../engines/engine.ts';
import type { RankedJob } from '../../jobs/job-protocol.ts';
import { fromPlainError, StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { HistoryRow, RankState, StepRow } from '../../protocol/events.ts';
import { VERSION } from '../../protocol/version.ts';
import { abortCollectives, broadcast } from '../../runtime/collectives.ts';
import type { Cluster } from '../../runtime/config.ts';
import type { Evaluation, ScoredBatch } from '../../train/evaluate.ts';
import type { TrainStep } from '../../train/step-types.ts';
import type { JobContext } from '../job-context.ts';
import { lostError, RankLine } from './line.ts';
import { fromOther, SILENCE, type FromLeader, type HeardOther, type Listing } from './line-protocol.ts';
import { differenceOf } from './listing.ts';

/** Milliseconds between two reports of the ranks' states, and minutes in which all must have come. */
const [REPORT, MISSING] = [2000, 5];

/** The other ranks of a training, as rank 0 has them. */
export class Company {
  readonly size: number;
  /** Aborts when the training cannot go on with all ranks, or one of them was asked to stop. */
  readonly stop: AbortSignal;
  /** Why it cannot go on. */
  lost: StillhouseError | null = null;
  /** Hears what others note. */
  onNote: (note: PlainError) => void = () => undefined;
  private readonly stopper = new AbortController();
  private readonly hosts = new Map<number, string>();
  private readonly ready = new Map<number, { port: number; listing: Listing }>();
  private readonly states = new Map<number, RankState>();
  private scores = new Map<number, ScoredBatch[]>();
  private readonly evaluatedRanks = new Set<number>();
  private setup: FromLeader | null = null;
  private changed: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly line: RankLine,
    private readonly ranks: RankedJob,
    private readonly context: JobContext,
  ) {
    this.size = ranks.size;
    this.stop = this.stopper.signal;
    line.onJoined = (rank, host) => {
      this.hosts.set(rank, plainHost(host));
      if (this.setup) line.say(this.setup, rank);
    };
    line.onMessage = (rank, body) => this.hear(rank, body);
    void line.lost.then((error) => this.lose(error));
  }

  /** Listens for the other ranks. @throws StillhouseError `ranks.listen` */
  static async open(ranks: RankedJob, context: JobContext): Promise<Company> {
    const { size, secret } = ranks;
    const line = new RankLine({ rank: 0, size, ...ranks.leader, secret, version: VERSION });
    const company = new Company(line, ranks, context);
    context.tell({ tell: 'rendezvous', port: await line.open });
    return company;
  }

  /**
   * Says what is trained, and waits until all ranks have come and see the same data.
   * @throws StillhouseError `ranks.missing`, `ranks.data`, `ranks.lost`, what a rank has failed with.
   */
  async gather(setup: Extract<FromLeader, { say: 'setup' }>, dataset: Dataset): Promise<Cluster> {
    this.setup = setup;
    this.line.say(setup);
    await this.allReady();
    for (const [rank, { listing }] of this.ready) {
      const why = differenceOf(dataset, listing);
      if (why) throw new StillhouseError('ranks.data', { rank, reason: why, path: dataset.path });
    }
    const own = `${bracketed(this.ranks.leader.host)}:${await freePort()}`;
    const others = Array.from({ length: this.size - 1 }, (_, at) => {
      const rank = at + 1;
      return `${bracketed(this.hosts.get(rank) ?? '')}:${this.ready.get(rank)!.port}`;
    });
    return { rank: 0, addresses: [own, ...others] };
  }

  /** Lets the others open their engines, and gives them the whole state. */
  async begin(engine: Engine, state: State, go: Omit<Extract<FromLeader, { say: 'go' }>, 'say'>): Promise<void> {
    const abort = (error: StillhouseError): void => abortCollectives(engine.tensorflow, error.message);
    if (this.lost) throw this.lost;
    void this.line.lost.then(abort);
    this.line.say({ say: 'go', ...go } satisfies FromLeader);
    await this.orLost(shareState(engine, state, this.ranks));
    this.timer = setInterval(() => this.report(), REPORT);
  }

  /** The step, whose failure is that of the rank that is gone where one is. */
  guarded(step: TrainStep): TrainStep {
    return { run: (batch, scalars) => this.orLost(step.run(batch, scalars)) };
  }

  /** Counts the images that the others have scored in the evaluation under way. */
  images(): number {
    const batches = [...this.scores.values()].flat();
    return batches.reduce((total, { heads }) => total + heads.test.images, 0);
  }

  /** Waits until the others have scored their images. @returns what each has counted, in the order of the ranks. */
  async scored(stop: AbortSignal): Promise<ScoredBatch[][]> {
    await this.until(() => this.evaluatedRanks.size === this.size - 1, stop);
    const { scores } = this;
    this.scores = new Map();
    this.evaluatedRanks.clear();
    return [...scores].sort(([one], [other]) => one - other).map(([, batches]) => batches);
  }

  /** Tells the others how an epoch has scored: they wait for it. */
  evaluated(result: Evaluation | null): void {
    this.line.say({ say: 'evaluated', result } satisfies FromLeader);
  }

  /** Hears of the run's own rows. */
  row(row: HistoryRow): void {
    if (row.type === 'step') this.note(0, ownState(row, this.size));
  }

  /** The training is over; the others end. */
  async end(error: unknown): Promise<void> {
    clearInterval(this.timer);
    this.line.onMessage = () => undefined;
    this.line.say({ say: 'end', error: error === null ? null : toPlainError(error) } satisfies FromLeader);
    await this.line.close();
  }

  private async orLost<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      // TensorFlow may have noticed first.
      const later = new Promise<null>((resolve) => setTimeout(() => resolve(null), 2 * SILENCE).unref());
      throw (await Promise.race([this.line.lost, later])) ?? error;
    }
  }

  private hear(rank: number, body: unknown): void {
    const message = v.safeParse(fromOther, body);
    if (!message.success) return this.lose(lostError(rank, 'strange'));
    this.obey(rank, message.output);
    this.changed();
  }

  private obey(rank: number, message: HeardOther): void {
    if (message.say === 'ready') this.ready.set(rank, message);
    else if (message.say === 'state') this.note(rank, message);
    else if (message.say === 'scored') this.scores.set(rank, [...(this.scores.get(rank) ?? []), message.batch]);
    else if (message.say === 'evaluated') this.evaluatedRanks.add(rank);
    else if (message.say === 'note') this.onNote(message.note);
    else if (message.say === 'failed') this.lose(fromPlainError(message.error));
    else this.stopper.abort();
  }

  private note(rank: number, { step, imagesPerSecond, memory }: OwnState): void {
    const host = this.hosts.get(rank) ?? this.ranks.leader.host;
    this.states.set(rank, { rank, host, step, imagesPerSecond, memory, seen: Date.now() });
  }

  private lose(error: StillhouseError): void {
    this.lost ??= error;
    this.stopper.abort();
    this.changed();
  }

  private report(): void {
    const ranks = [...this.states.values()].sort((one, other) => one.rank - other.rank);
    if (ranks.length > 0) this.context.tell({ tell: 'ranks', ranks });
  }

  private async allReady(): Promise<void> {
    const late = AbortSignal.timeout(MISSING * 60_000);
    const { stop } = this.context;
    await this.until(() => this.ready.size === this.size - 1, AbortSignal.any([stop, late]));
    if (this.lost) throw this.lost;
    if (stop.aborted) throw new StillhouseError('job.cancelled');
    if (late.aborted) throw this.missing();
  }

  /** Waits for something that the others say; ends when one is lost or `stop` says so. */
  private until(met: () => boolean, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.changed = () => {
        if (!this.lost && !stop.aborted && !met()) return;
        stop.removeEventListener('abort', this.changed);
        resolve();
      };
      stop.addEventListener('abort', this.changed);
      this.changed();
    });
  }

  private missing(): StillhouseError {
    const ranks = Array.from({ length: this.size - 1 }, (_, at) => at + 1).filter((rank) => !this.ready.has(rank));
    return new StillhouseError('ranks.missing', { minutes: MISSING, ranks: ranks.join(', ') });
  }
}

/** Gives the state of rank 0 to all; each calls it with variables of the same names and shapes. */
export async function shareState(
  engine: Engine,
  state: State,
  { rank, size }: Pick<RankedJob, 'rank' | 'size'>,
): Promise<void> {
  for (const [index, name] of state.names().sort().entries()) {
    const shape = state.shape(name);
    const own = rank === 0 ? state.read(name) : null;
    const values = await broadcast(engine.tensorflow, { ranks: size, key: index + 1, shape }, own);
    if (rank !== 0) state.set(name, shape, values);
  }
}

/** Finds a port that nobody listens on. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Tells how this rank does, from a row of the whole run: each has its share of the images. */
export function ownState({ step, imagesPerSecond }: StepRow, size: number): OwnState {
  return { step, imagesPerSecond: (imagesPerSecond ?? 0) / size, memory: process.memoryUsage.rss() };
}

type OwnState = Pick<RankState, 'step' | 'imagesPerSecond' | 'memory'>;

// IPv4 in the dress of IPv6 is IPv4.
const plainHost = (host: string): string => host.replace(/^::ffff:/i, '');
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
