import type { JobProgress, ServiceEvent } from '../../protocol/events.ts';
import { fromPlainError } from '../../protocol/errors.ts';
import type { Handlers } from '../../protocol/service.ts';
import { cacheFolder, homeFolder } from '../../runs/places.ts';
import { createWorkstation, type WorkstationOptions } from '../../service/workstation.ts';
import type { Shell } from './command.ts';

/** The service as a command uses it: its calls, and jobs as promises. */
export interface LocalService {
  calls: Handlers;
  /**
   * Waits for a job that a call has started, showing its progress; an interruption cancels it.
   * @returns what the job produced.
   * @throws StillhouseError what it failed with, `job.cancelled`.
   */
  job(started: Promise<{ job: string }>): Promise<unknown>;
  /** Hears whatever the service tells from now on. */
  onEvent(listener: (event: ServiceEvent) => void): void;
}

/** Returns the options of a workstation in this process. */
export function here({ spawnJob }: Pick<Shell, 'spawnJob'>): Omit<WorkstationOptions, 'shell' | 'emit'> {
  return { homeFolder: homeFolder(), cacheFolder: cacheFolder(), spawnJob };
}

/** Opens the service in this process while `body` runs. */
export async function withService<Result>(
  shell: Shell,
  body: (desk: LocalService) => Promise<Result>,
): Promise<Result> {
  const listeners = new Set<(progress: JobProgress) => void>();
  const all = new Set<(event: ServiceEvent) => void>();
  const emit = (event: ServiceEvent): void => {
    for (const listener of all) listener(event);
    if (event.event === 'job') for (const listener of listeners) listener(event.progress);
  };
  const workstation = createWorkstation({ ...here(shell), shell: 'cli', emit });
  const calls = workstation.handlers;
  try {
    return await body({
      calls,
      onEvent: (listener) => void all.add(listener),
      job: async (started) => {
        const { job } = await started;
        const cancel = (): void => void calls['job.cancel']({ job });
        const interrupts = shell.onInterrupt(cancel, () => process.exit(130));
        try {
          return await outcome(job, calls, listeners, shell);
        } finally {
          interrupts.release();
        }
      },
    });
  } finally {
    await workstation.close();
  }
}

async function outcome(
  job: string,
  calls: Handlers,
  listeners: Set<(progress: JobProgress) => void>,
  { reporter }: Shell,
): Promise<unknown> {
  const ended = new Promise<JobProgress>((resolve) => {
    listeners.add((progress) => {
      if (progress.job !== job) return;
      const { state, stage, done, total, unit, rate } = progress;
      if (state !== 'running') resolve(progress);
      else if (stage !== '') reporter.progress(stage, done, total, unit, rate);
    });
  });
  // It may have ended before anybody listened.
  const now = (await calls['job.list']({})).find((progress) => progress.job === job);
  const { error, result } = now && now.state !== 'running' ? now : await ended;
  if (error) throw fromPlainError(error);
  return result;
}
