import { StillhouseError } from '../../protocol/errors.ts';
import { rankPlace, type RankPlace } from '../../jobs/ranks/environment.ts';
import { threadsOf } from '../../jobs/ranks/share.ts';
import type { RunRequest } from '../../service/runs/run-starter.ts';
import { createWorkstation } from '../../service/workstation.ts';
import type { Shell } from './command.ts';
import { here } from './local-service.ts';
import { integerValue, textValue, type Option, type Parsed } from './options.ts';

/** Several processes that train one run: started here, or by torchrun or srun. */

export const RANK_OPTIONS: Option[] = [
  {
    ...{ flag: 'nproc', also: 'nproc-per-node', value: 'N' },
    help: 'Train in N processes of this machine, which share each step. --batch-size counts the images of all.',
  },
  {
    ...{ flag: 'max-restarts', value: 'N', needs: ['nproc'] },
    help: 'Start all processes again from the last checkpoint, up to N times, when one is lost. Default 0.',
  },
  {
    ...{ flag: 'world-size', value: 'N' },
    help: "DeiT's. How many processes torchrun or srun have started; refused where they are not as many.",
  },
  {
    ...{ flag: 'dist-url', value: 'URL' },
    help: "DeiT's. Where process 0 waits for the others: env:// (MASTER_ADDR, MASTER_PORT) or tcp://host:port.",
  },
];

/** The ranks of a command line and its environment. */
export interface CommandRanks {
  /** As a run is begun with; undefined where one process trains. */
  ranks: RunRequest['ranks'];
  /** Threads of a process that others started, where nobody says it; undefined: as the run's start shares them out. */
  threads: number | undefined;
  /** This process is this other rank than 0. */
  follower: Extract<RunRequest['ranks'], { rank: number }> | null;
}

/** The environment's variable that holds the secret of ranks that others start. */
const SECRET = 'STILLHOUSE_RANKS_SECRET';

/** Reads which ranks train. @throws StillhouseError `argument.invalid` */
export function ranksOf(parsed: Parsed, { reporter }: Shell): CommandRanks {
  const nproc = integerValue(parsed, 'nproc', 1, 256);
  const flags = { worldSize: integerValue(parsed, 'world-size', 1, 4096), distUrl: textValue(parsed, 'dist-url') };
  if (nproc !== undefined && nproc > 1 && flags.worldSize === nproc) delete flags.worldSize;
  const place = rankPlace(process.env, flags);
  if (place && nproc !== undefined)
    throw new StillhouseError('argument.invalid', {
      ...{ name: '--nproc', expected: 'nothing for a process that is a rank already', got: String(nproc) },
    });
  if (place) return ofPlace(place, reporter);
  return { ranks: nproc === undefined || nproc === 1 ? undefined : { nproc }, threads: undefined, follower: null };
}

function ofPlace({ rank, size, localSize, leader }: RankPlace, reporter: Shell['reporter']): CommandRanks {
  const secret = process.env[SECRET] ?? '';
  if (rank === 0 && secret === '')
    reporter.note(new StillhouseError('ranks.no-secret', { place: `${leader.host}:${leader.port}` }).message);
  const ranks = { rank, size, leader, secret };
  const given = Number(process.env.SLURM_CPUS_PER_TASK);
  const threads = Number.isInteger(given) && given > 0 ? given : threadsOf(localSize);
  return { ranks, threads, follower: rank === 0 ? null : ranks };
}

/** Takes part in a run as another rank than 0. @returns the exit code. @throws StillhouseError what the run fails with. */
export async function follow(
  ranks: NonNullable<CommandRanks['follower']>,
  threads: number | undefined,
  shell: Shell,
): Promise<number> {
  const { reporter, onInterrupt } = shell;
  const workstation = createWorkstation({ ...here(shell), shell: 'cli', emit: () => undefined });
  try {
    const job = await workstation.join(ranks, threads);
    // That the time is up rank 0 hears too, and says with what the run ends. Kept to the end: a scheduler ends all when
    // rank 0 has ended with a code, and this one has ended well.
    onInterrupt(
      (why) => why === 'time-up' || job.stop(),
      () => job.kill(),
    );
    await job.done;
    reporter.note(`Rank ${ranks.rank} of ${ranks.size}: the run has ended.`);
    return 0;
  } finally {
    await workstation.close();
  }
}

/** Failures after which a run is started again: a process was lost, and not its recipe or its data. */
export function isLoss(error: unknown): error is StillhouseError {
  return error instanceof StillhouseError && ['ranks.lost', 'run.died', 'run.out-of-memory'].includes(error.code);
}
