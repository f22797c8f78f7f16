import { randomBytes } from 'node:crypto';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import type { JobProcess, spawnJob } from '../job-process.ts';
import type { EngineChoice, JobEvent, RankedJob, TrainJob } from '../job-protocol.ts';

/** Milliseconds that the other ranks have to end by themselves when rank 0 has ended. */
const PARTING = 2000;
/** Milliseconds in which rank 0, lost to another rank, must say something here: several of its signs of life. */
const LAST_WORD = 3000;

/** A training that is to be started in one process or several. */
interface Launch {
  spawn: typeof spawnJob;
  onEvent(event: JobEvent): void;
}

/** Starts rank 0 of a training, and the others once it waits for them: one job for whoever watches and ends it. */
export function launchRanks(job: TrainJob, size: number, { spawn, onEvent }: Launch): JobProcess<'train'> {
  const { engine, threads, gpu } = job;
  const secret = randomBytes(16).toString('hex');
  const place = (rank: number, port: number): RankedJob => ({
    rank,
    size,
    leader: { host: '127.0.0.1', port },
    secret,
  });
  const others: JobProcess<'rank'>[] = [];
  let ended = false;
  let cause: StillhouseError | null = null;
  const watch = (rank: number, other: JobProcess<'rank'>): void => {
    other.done.catch((error: unknown) => {
      if (!ended && isLossOfFirst(error)) doubt(error);
      // What its death comes to says more than that its connection ended.
      if (ended || !isDeath(error)) return;
      cause ??= new StillhouseError('ranks.lost', { rank, reason: reasonOf(error) });
    });
  };
  // A rank 0 that is stopped neither ends nor notices that the others have. One that lives saves, and ends by itself.
  let doubted: NodeJS.Timeout | undefined;
  const doubt = (error: StillhouseError): void => {
    doubted ??= setTimeout(() => first.kill(error), LAST_WORD);
  };
  const hear = (event: JobEvent): void => {
    clearTimeout(doubted);
    doubted = undefined;
    if (event.tell === 'rendezvous' && !ended)
      for (let rank = 1; rank < size; rank++) {
        const own: EngineChoice = { engine, threads, gpu };
        const other = spawn({ kind: 'rank', ...own, ranks: place(rank, event.port) });
        watch(rank, other);
        others.push(other);
      }
    onEvent(event);
  };
  const first = spawn({ ...job, ranks: place(0, 0) }, { onEvent: hear });
  const endOthers = async (): Promise<void> => {
    ended = true;
    clearTimeout(doubted);
    const late = setTimeout(() => others.forEach((other) => other.kill()), PARTING);
    await Promise.allSettled(others.map(({ done }) => done));
    clearTimeout(late);
  };
  const outcome = async () => {
    try {
      return await first.done;
    } catch (error) {
      throw error instanceof StillhouseError && error.code === 'ranks.lost' ? (cause ?? error) : error;
    } finally {
      await endOthers();
    }
  };
  const done = outcome();
  done.catch(() => undefined);
  return {
    pid: first.pid,
    done,
    stop: () => first.stop(),
    ask: () => undefined,
    pause: (on) => first.pause(on),
    kill: (because) => [first, ...others].forEach((one) => one.kill(because)),
  };
}

const isDeath = (error: unknown): error is StillhouseError =>
  error instanceof StillhouseError && ['job.died', 'job.out-of-memory'].includes(error.code);

const isLossOfFirst = (error: unknown): error is StillhouseError =>
  error instanceof StillhouseError && error.code === 'ranks.lost' && Number(error.params.rank) === 0;
