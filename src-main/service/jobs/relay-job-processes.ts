import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { FromService, ToService } from '../service-link.ts';
import { jobEnvironment, type JobProcess, type JobProcessOptions } from '../../jobs/job-process.ts';
import {
  readJobEvent,
  type JobCommand,
  type JobEvent,
  type JobRequest,
  type JobResults,
} from '../../jobs/job-protocol.ts';

type Verdict = Extract<JobEvent, { tell: 'done' | 'failed' }>;

interface Relayed {
  hear(message: unknown): void;
  exit(code: number | null, signal: string | null): void;
}

/**
 * JobProcesses in utility processes, which only Electron's main process can start: the shell starts them when asked and
 * hands messages on. The same signature as `spawnJob`.
 */
export class RelayJobProcesses {
  private readonly trainers = new Map<number, Relayed>();
  private next = 0;

  constructor(private readonly post: (message: FromService) => void) {}

  readonly spawn = <Job extends JobRequest>(job: Job, options: JobProcessOptions = {}): JobProcess<Job['kind']> => {
    const trainer = this.next++;
    const send = (body: JobCommand): void => this.post({ type: 'trainer-message', trainer, body });
    let because: StillhouseError | undefined;
    const done = new Promise<unknown>((resolve, reject) => {
      let verdict: Verdict | undefined;
      this.trainers.set(trainer, {
        hear: (message) => {
          const event = readJobEvent(message, job.kind);
          if (!event) return;
          if (event.tell === 'ready') send({ do: 'start', job });
          if (event.tell === 'done' || event.tell === 'failed') verdict = event;
          options.onEvent?.(event);
        },
        exit: (code, signal) => {
          this.trainers.delete(trainer);
          const why = signal ? reason('process.killed', { signal }) : reason('process.exit', { code: String(code) });
          if (verdict?.tell === 'done') resolve(verdict.result);
          else if (!verdict && because) reject(because);
          else reject(verdict ? fromPlainError(verdict.error) : new StillhouseError('run.died', { reason: why }));
        },
      });
    });
    this.post({ type: 'trainer-start', trainer, env: jobEnvironment() });
    return {
      pid: undefined,
      done: done as Promise<JobResults[Job['kind']]>,
      stop: () => send({ do: 'stop' }),
      ask: (question, image) => send({ do: 'ask', question, image }),
      pause: (on) => send({ do: on ? 'pause' : 'continue' }),
      kill: (reason) => {
        because = reason;
        this.post({ type: 'trainer-kill', trainer });
      },
    };
  };

  /** Takes what the shell says about trainers. */
  hear(message: Extract<ToService, { type: 'trainer-message' | 'trainer-exit' }>): void {
    const relayed = this.trainers.get(message.trainer);
    if (message.type === 'trainer-message') relayed?.hear(message.body);
    else relayed?.exit(message.code, message.signal);
  }
}
