import { Worker } from 'node:worker_threads';
import { bundlePath } from '../../base/bundle.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { FromLine, LineOptions, LostWhy, ToLine } from './line-protocol.ts';

/** A rank's line to the others: of rank 0 to all of them, of another rank to rank 0. */
export class RankLine {
  /** Resolves when a rank is gone, with what to say of it. */
  readonly lost: Promise<StillhouseError>;
  /** Resolves with the port that rank 0 listens on; on another rank when rank 0 has taken it in. */
  readonly open: Promise<number>;
  /** Hears what others say; those who have joined meanwhile, by their address. */
  onMessage: (rank: number, body: unknown) => void = () => undefined;
  onJoined: (rank: number, host: string) => void = () => undefined;
  private readonly worker: Worker;
  private closed: () => void = () => undefined;

  constructor(options: LineOptions) {
    this.worker = new Worker(bundlePath('line.worker.mjs'), { workerData: options });
    let lose: (error: StillhouseError) => void = () => undefined;
    this.lost = new Promise((resolve) => (lose = resolve));
    this.open = new Promise((resolve, reject) => {
      this.worker.on('error', reject);
      this.worker.on('message', (event: FromLine) => {
        if (event.line === 'listening') resolve(event.port);
        else if (event.line === 'failed') reject(openError(options, event.why));
        else if (event.line === 'lost') lose(lostError(event.rank, event.why));
        else if (event.line === 'message') this.onMessage(event.rank, event.body);
        else if (event.line === 'closed') this.closed();
        else {
          this.onJoined(event.rank, event.host);
          if (options.rank !== 0) resolve(options.port);
        }
      });
    });
    this.open.catch(() => undefined);
  }

  /** Says something to a rank, or to all that this line reaches. */
  say(body: unknown, to: number | null = null): void {
    this.worker.postMessage({ to, body } satisfies ToLine);
  }

  /** Ends the line when all is said. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => (this.closed = resolve));
    this.worker.postMessage('close' satisfies ToLine);
    await closed;
    await this.worker.terminate();
  }
}

/** Makes the error of a rank that is gone. */
export function lostError(rank: number, why: LostWhy): StillhouseError {
  return new StillhouseError('ranks.lost', { rank, reason: reason(`rank.${why}`) });
}

function openError(
  { host, port }: LineOptions,
  { kind, code }: Extract<FromLine, { line: 'failed' }>['why'],
): StillhouseError {
  if (kind === 'listen') return new StillhouseError('ranks.listen', { place: `${host}:${port}`, reason: code });
  if (kind === 'connect') return new StillhouseError('ranks.no-leader', { place: `${host}:${port}`, reason: code });
  const known = ['secret', 'version', 'size', 'taken'] as const;
  const why = known.find((one) => one === code);
  return new StillhouseError('ranks.refused', { reason: why ? reason(`rank.${why}`) : code });
}
