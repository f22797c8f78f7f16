import { ownedJob, jobEnvironment, type JobProcess, type JobProcessOptions } from '../../jobs/job-process.ts';
import type { JobOutcome } from '../../jobs/job-outcome.ts';
import type { JobRequest } from '../../jobs/job-protocol.ts';
import type { FromService, ToService } from '../service-link.ts';

/**
 * Job processes in utility processes, which only Electron's main process can start: the shell starts them when asked
 * and hands messages on. The same signature as `spawnJob`.
 */
export class RelayJobProcesses {
  private readonly outcomes = new Map<number, JobOutcome<JobRequest>>();
  private next = 0;

  constructor(private readonly post: (message: FromService) => void) {}

  readonly spawn = <Job extends JobRequest>(job: Job, options: JobProcessOptions = {}): JobProcess<Job['kind']> => {
    const number = this.next++;
    const { outcome, commands } = ownedJob(job, options, (body) =>
      this.post({ type: 'job-message', process: number, body }),
    );
    this.outcomes.set(number, outcome);
    this.post({ type: 'job-start', process: number, env: jobEnvironment() });
    return {
      pid: undefined,
      done: outcome.done,
      ...commands,
      kill: (because) => {
        outcome.kill(because ?? null);
        this.post({ type: 'job-kill', process: number });
      },
    };
  };

  /** Takes what the shell says about job processes. */
  hear(message: Extract<ToService, { type: 'job-message' | 'job-output' | 'job-exit' }>): void {
    const outcome = this.outcomes.get(message.process);
    if (message.type === 'job-message') outcome?.hear(message.body);
    else if (message.type === 'job-output') outcome?.write(message.text);
    else {
      this.outcomes.delete(message.process);
      outcome?.end({ code: message.code, signal: message.signal });
    }
  }
}
