import { StillhouseError } from '../../src-main/protocol/errors.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { spawnJob, type JobProcess } from '../../src-main/jobs/job-process.ts';
import type { JobEvent, TrainJob } from '../../src-main/jobs/job-protocol.ts';
import { launchRanks } from '../../src-main/jobs/ranks/launch.ts';
import { isAlive } from '../../src-main/base/process.ts';

/** Trainings in several processes, one of which meets harm: shared by the test and `npm run bench -- ranks`. */

/** What happens to a rank when so many steps have been told of since the start. */
export interface Harm {
  rank: number;
  signal: 'SIGKILL' | 'SIGSTOP' | 'SIGTERM';
  steps: number;
}

export interface RankedAttempt {
  entry: string;
  run: string;
  recipe: Recipe;
  size: number;
  /** null: undisturbed. */
  harm: Harm | null;
  threads?: number;
  /** Called when the harm is done. */
  onHarm?: () => void;
}

/** What came of it. */
export interface RankedOutcome {
  /** The job's state, or the code of what it failed with. */
  ended: string;
  message: string;
  /** Whether the harm was done: a run may finish before. */
  harmed: boolean;
}

/** Trains with `size` ranks, from where the run stands. Every process has ended when it returns. */
export async function rankedAttempt(attempt: RankedAttempt): Promise<RankedOutcome> {
  const { entry, run, recipe, size, harm, threads = 1, onHarm } = attempt;
  const started: JobProcess[] = [];
  const job: TrainJob = { kind: 'train', engine: engineFolder(), threads, run, recipe, resume: 'auto' };
  let harmed = false;
  let steps = 0;
  const spawn: typeof spawnJob = (job, options) => {
    const own = spawnJob(job, { ...options, entry });
    started.push(own);
    return own;
  };
  const onEvent = (event: JobEvent): void => {
    if (event.tell !== 'rows') return;
    steps += event.rows.filter(({ type }) => type === 'step').length;
    const victim = harm && started[harm.rank]?.pid;
    if (!victim || harmed || steps < harm.steps) return;
    harmed = true;
    onHarm?.();
    process.kill(victim, harm.signal);
  };
  const trainer = size === 1 ? spawn(job, { onEvent }) : launchRanks(job, size, { spawn, onEvent });
  const outcome = await trainer.done.then(
    ({ state }) => ({ ended: String(state), message: '' }),
    (error: unknown) => ({
      ended: error instanceof StillhouseError ? error.code : String(error),
      message: (error as Error).message,
    }),
  );
  // Each has ended when its owner says so; none may be left.
  const left = started.filter(({ pid }) => isAlive(pid ?? 0));
  if (left.length > 0) throw new Error(`${left.length} processes are left`);
  return { ...outcome, harmed };
}
