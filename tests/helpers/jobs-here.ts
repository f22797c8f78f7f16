import { join } from 'node:path';
import { ownedJob, type JobProcess, type JobProcessOptions } from '../../src-main/jobs/job-process.ts';
import type { JobRequest } from '../../src-main/jobs/job-protocol.ts';
import type { JobPort } from '../../src-main/job-process/job-port.ts';
import { buildPrograms } from './build.ts';

type Here = typeof import('./here-program.ts');
let loaded: Promise<Here> | undefined;

/** Loads the bundle of jobs, whose threads find their own beside it. Its engine is not that of `testEngine`. */
export function jobBundle(): Promise<Here> {
  return (loaded ??= buildPrograms().then(async (folder) => (await import(join(folder, 'here.mjs'))) as Here));
}

/**
 * Does a job in this process, as `spawnJob` does in one of its own, which takes two seconds of a processor to begin:
 * for tests of what a job gives, says and leaves, and not of its process. One that is killed ends when it can.
 * @param own makes its owner's side: that of the bundle for an owner from there, whose errors are its own
 */
export function jobHere<Job extends JobRequest>(
  job: Job,
  options: JobProcessOptions = {},
  own = ownedJob,
): JobProcess<Job['kind']> {
  const listeners: ((message: unknown) => void)[] = [];
  const { outcome, commands } = own(job, options, (command) => {
    const message: unknown = structuredClone(command);
    setImmediate(() => listeners.forEach((listener) => listener(message)));
  });
  let isKilled = false;
  const port: JobPort = {
    tell: (event) => {
      const message = structuredClone(event);
      if (!isKilled) setImmediate(() => outcome.hear(message));
    },
    onCommand: (listener) => void listeners.push(listener),
    onGone: () => undefined,
    flush: () => new Promise((resolve) => setImmediate(resolve)),
  };
  const end = (code: number) => outcome.end(isKilled ? { code: null, signal: 'SIGKILL' } : { code, signal: null });
  void jobBundle().then(
    ({ serveLine }) => (serveLine(port, end), port.tell({ tell: 'ready' })),
    (failure: Error) => outcome.end({ code: null, signal: null, failure }),
  );
  return {
    pid: undefined,
    done: outcome.done,
    ...commands,
    kill: (because) => {
      isKilled = true;
      outcome.kill(because ?? null);
      commands.stop();
    },
  };
}
