import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { bundlePath } from '../base/bundle.ts';
import type { StillhouseError } from '../protocol/errors.ts';
import { JobOutcome } from './job-outcome.ts';
import type { JobCommand, JobEvent, JobRequest, JobResults } from './job-protocol.ts';

export interface JobProcessOptions {
  onEvent?: (event: JobEvent) => void;
  /** The bundle of job processes; `job.process.mjs` beside this one when left out. */
  entry?: string;
  /** The Node that runs it; this process's own when left out. */
  node?: string;
}

/** A job in a process of its own, as its owner sees it. */
export interface JobProcess<Kind extends JobRequest['kind'] = JobRequest['kind']> {
  readonly pid: number | undefined;
  /**
   * The result of the job. Settles when the process has ended.
   * @throws StillhouseError what the job reported, or what its death comes to (`verdict.ts`).
   */
  readonly done: Promise<JobResults[Kind]>;
  /** Asks the job to end and to save where it stands. */
  stop(): void;
  /** Shows a predict job an image; the answer is an event. */
  ask(question: number, image: Uint8Array): void;
  /** Asks a training to save and stand still, or to go on. */
  pause(on: boolean): void;
  /** Ends the process at once; `done` then rejects with `reason`, where one is given. */
  kill(reason?: StillhouseError): void;
}

/** Starts a process and gives it the job. Nothing is thrown here: failures to start arrive through `done`. */
export function spawnJob<Job extends JobRequest>(job: Job, options: JobProcessOptions = {}): JobProcess<Job['kind']> {
  const entry = options.entry ?? bundlePath('job.process.mjs');
  const child = fork(entry, [], {
    execPath: options.node ?? process.execPath,
    execArgv: JOB_FLAGS,
    // A job opens no encrypted connection, and Node takes 60 ms to read certificates at each start.
    env: { ...jobEnvironment(), ...process.env, NODE_EXTRA_CA_CERTS: undefined },
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const { outcome, commands } = ownedJob(job, options, (command) => {
    if (child.connected) child.send(command, () => undefined);
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => outcome.write(text));
  child.on('message', (message) => outcome.hear(message));
  child.on('error', (failure) => outcome.end({ code: null, signal: null, failure }));
  // `close` and not `exit`: only then have all messages and output arrived.
  child.on('close', (code, signal) => outcome.end({ code, signal }));
  return {
    pid: child.pid,
    done: outcome.done,
    ...commands,
    kill: (because) => {
      outcome.kill(because ?? null);
      child.kill('SIGKILL');
    },
  };
}

/** Makes the owner's side of a job, however its process is reached: `send` takes a command there. */
export function ownedJob<Job extends JobRequest>(
  job: Job,
  { onEvent }: Pick<JobProcessOptions, 'onEvent'>,
  send: (command: JobCommand) => void,
): { outcome: JobOutcome<Job>; commands: Pick<JobProcess, 'stop' | 'ask' | 'pause'> } {
  const outcome = new JobOutcome(job, (event) => {
    if (event.tell === 'ready') send({ do: 'start', job });
    onEvent?.(event);
  });
  const commands: Pick<JobProcess, 'stop' | 'ask' | 'pause'> = {
    stop: () => send({ do: 'stop' }),
    ask: (question, image) => send({ do: 'ask', question, image }),
    pause: (on) => send({ do: on ? 'pause' : 'continue' }),
  };
  return { outcome, commands };
}

/**
 * Images and weights are outside of V8's heap, so the little garbage in it is seldom worth V8's while, and would be
 * let to grow to a tenth of all memory. A training collects it before the first step and after each evaluation.
 *
 * Most of a job's own code records a program and runs once. V8 optimises a function 15 times later than by itself: that
 * takes a seventh off the processor time of a short job, and loops over pixels come to it within milliseconds. Source
 * maps are not read: that took another eighth, and bundles keep the names of functions.
 */
export const JOB_FLAGS = ['--max-semi-space-size=1', '--expose-gc', '--interrupt-budget=1000000'];

/**
 * Returns the variables that TensorFlow and Node read once when a job process starts. A value that the person has set
 * takes precedence.
 */
export function jobEnvironment(): Record<string, string> {
  return {
    TF_CPP_MIN_LOG_LEVEL: '2',
    // Node's own number is 4, on which decoding of images would stay however many cores there are.
    UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism())),
    // glibc's own number is eight a core, each of which keeps the biggest blocks that its threads ever had.
    MALLOC_ARENA_MAX: String(Math.max(2, availableParallelism() >> 2)),
    ...(process.versions.electron ? { ELECTRON_RUN_AS_NODE: '1' } : {}),
  };
}
