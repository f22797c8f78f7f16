import { parentPort as workerPort } from 'node:worker_threads';
import { onOwnerGone } from '../base/process.ts';
import { utilityPort, type UtilityPort } from '../base/utility-port.ts';
import type { JobEvent } from '../jobs/job-protocol.ts';

/** The trainer's line to whoever started it. */
export interface JobPort {
  tell(event: JobEvent): void;
  /** Hears whatever arrives. */
  onCommand(listener: (message: unknown) => void): void;
  /** Calls once when the other side is gone, at once where it is gone already. */
  onGone(listener: () => void): void;
  /** Resolves when every message has left this process. */
  flush(): Promise<void>;
}

/** Opens the message line of this process, however it was started; undefined when it was started by hand. */
export function jobPort(): JobPort | undefined {
  const utility = utilityPort();
  if (utility) return utilityLine(utility);
  if (workerPort) return workerLine();
  return process.send ? forkLine() : undefined;
}

/** How often a lost parent is looked for where no event tells of it. */
const PARENT_INTERVAL = 1000;

function forkLine(): JobPort {
  const sent = new Set<Promise<void>>();
  return {
    tell: (event) => {
      const leaving = new Promise<void>(
        (resolve) => process.send?.(event, undefined, {}, () => resolve()) ?? resolve(),
      );
      sent.add(leaving);
      void leaving.then(() => sent.delete(leaving));
    },
    onCommand: (listener) => void process.on('message', listener),
    onGone: onOwnerGone,
    flush: async () => void (await Promise.all(sent)),
  };
}

function utilityLine(port: UtilityPort): JobPort {
  return {
    tell: (event) => port.postMessage(event),
    onCommand: (listener) => port.on('message', ({ data }) => listener(data)),
    onGone: (listener) => watchParent(listener),
    flush: () => new Promise((resolve) => setTimeout(resolve, 50)),
  };
}

function workerLine(): JobPort {
  return {
    tell: (event) => workerPort?.postMessage(event),
    onCommand: (listener) => void workerPort?.on('message', listener),
    onGone: (listener) => void workerPort?.once('close', listener),
    flush: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

// A process whose parent has died is handed to another.
function watchParent(listener: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    listener();
  }, PARENT_INTERVAL);
  timer.unref();
}
