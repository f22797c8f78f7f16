import type { JobContext } from './jobs.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import type { JobRequest, JobResults } from '../../jobs/job-protocol.ts';

/** Milliseconds that a cancelled job may take to end by itself. */
const GRACE = 10_000;

/**
 * Does one job in a job process and ends with it. When cancelled, the process is asked to stop and, if it takes
 * too long, ended.
 * @throws StillhouseError what the job reported, or `run.died`.
 */
export async function runJob<Job extends JobRequest>(
  spawn: SpawnJob,
  job: Job,
  { signal, report }: Partial<JobContext> = {},
): Promise<JobResults[Job['kind']]> {
  const child = spawn(job, {
    onEvent: (event) => {
      if (event.tell === 'progress') report?.({ stage: event.stage, done: event.done, total: event.total });
    },
  });
  let late: NodeJS.Timeout | undefined;
  const cancel = (): void => {
    child.stop();
    late = setTimeout(() => child.kill(), GRACE);
  };
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await child.done;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', cancel);
  }
}
