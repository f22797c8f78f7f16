import type { StillhouseError } from '../protocol/errors.ts';
import { fromPlainError } from '../protocol/errors.ts';
import { readJobEvent, type JobEvent, type JobRequest, type JobResults } from './job-protocol.ts';
import { kernelKills } from './out-of-memory.ts';
import { verdictOf, type Exit } from './verdict.ts';

/** Characters of a process's own output that are kept to explain a death: the stack of V8 alone takes several thousand. */
const TAIL = 32_768;

type LastEvent = Extract<JobEvent, { tell: 'done' | 'failed' }>;

/** Follows a job process to its end: hears all that it says, however it was started, and judges its end. */
export class JobOutcome<Job extends JobRequest> {
  /** What the job gave; settles with {@link ended}. Rejects with what it reported or what its death comes to. */
  readonly done: Promise<JobResults[Job['kind']]>;
  private readonly settle: { resolve(result: unknown): void; reject(error: StillhouseError): void };
  private last: LastEvent | undefined;
  private tail = '';
  private resident = 0;
  private killed: Exit['killed'];
  private readonly killsBefore = kernelKills();

  constructor(
    private readonly job: Job,
    private readonly onEvent: (event: JobEvent) => void,
  ) {
    const { promise, resolve, reject } = withResolvers<unknown>();
    this.done = promise as Promise<JobResults[Job['kind']]>;
    this.settle = { resolve, reject };
  }

  /** A message of the process, held against the protocol. */
  hear(message: unknown): void {
    const event = readJobEvent(message, this.job.kind);
    if (!event) return;
    if (event.tell === 'done' || event.tell === 'failed') this.last = event;
    if (event.tell === 'alive') this.resident = event.memory;
    this.onEvent(event);
  }

  /** What it wrote to its outputs. */
  write(text: string): void {
    this.tail = (this.tail + text).slice(-TAIL);
  }

  /** It is being ended from here, for a reason or for none. */
  kill(because: StillhouseError | null): void {
    this.killed = { because };
  }

  /** The process is gone, and nothing more will arrive of it. */
  end(exit: Omit<Exit, 'killed'>): void {
    const { job, last, tail, resident, killed, killsBefore } = this;
    if (last?.tell === 'done') return this.settle.resolve(last.result);
    if (last) return this.settle.reject(fromPlainError(last.error));
    const memory = { resident, kernelKills: kernelKills() - killsBefore };
    this.settle.reject(verdictOf(job, { ...exit, ...(killed && { killed }) }, tail, memory));
  }
}

function withResolvers<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<Value>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
