import { fork } from 'node:child_process';
import { utilityProcess } from 'electron';
import { endOf } from './exit-code.ts';

/** A process beside the main one, with one channel of plain data. */
export interface Child {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  kill(): void;
}

/** Tells whether Electron itself can run a Node process; older ones and a set `STILLHOUSE_NODE` use a stock Node. */
export function hasUtilityProcess(): boolean {
  return !process.env['STILLHOUSE_NODE'] && typeof utilityProcess?.fork === 'function';
}

/** Starts a script in a utility process, or in the Node that `STILLHOUSE_NODE` or the path names. */
export function startChild(script: string, name: string): Child {
  return hasUtilityProcess() ? startUtility(script, name, 'inherit', process.env) : startStock(script);
}

/** A process whose output is heard, as that of a job is. */
export interface HeardChild extends Child {
  onOutput(listener: (text: string) => void): void;
}

/**
 * Starts a script in a utility process; only there must this process start jobs.
 * @param env is added where this process's own environment does not say otherwise.
 */
export function startHeard(script: string, name: string, env: Record<string, string>): HeardChild {
  return startUtility(script, name, 'pipe', { ...env, ...process.env });
}

/** Milliseconds in which what a process wrote last arrives after its end. */
const LAST_WORDS = 200;

function startUtility(script: string, name: string, stdio: 'inherit' | 'pipe', whole: NodeJS.ProcessEnv): HeardChild {
  // With this set, Electron's binary would not be a utility process but a plain Node without a port.
  const { ELECTRON_RUN_AS_NODE: _, ...env } = whole;
  // macOS: TensorFlow's libraries are not signed with this app, and a job loads them.
  const allowLoadingUnsignedLibraries = stdio === 'pipe';
  const child = utilityProcess.fork(script, [], { serviceName: name, stdio, env, allowLoadingUnsignedLibraries });
  const streams = [child.stdout, child.stderr];
  const listeners: ((text: string) => void)[] = [];
  const say = (text: string | Buffer): void => listeners.forEach((listener) => listener(String(text)));
  const listen = (): void => streams.forEach((stream) => stream?.on('data', say));
  listen();
  // V8 has no memory, or is broken: Electron throws these words where nobody listens.
  child.on('error', (type, location) => say(`${type}: ${location}\n`));
  return {
    post: (message) => child.postMessage(message),
    onMessage: (listener) => child.on('message', listener),
    onOutput: (listener) => listeners.push(listener),
    onExit: (listener) =>
      child.on('exit', (code) => {
        const end = endOf(code);
        if (stdio === 'inherit') return listener(end.code, end.signal);
        // After this event Electron takes all listeners off the streams, whatever is still to come.
        setImmediate(listen);
        setTimeout(() => listener(end.code, end.signal), LAST_WORDS);
      }),
    kill: () => void child.kill(),
  };
}

function startStock(script: string): Child {
  const execPath = process.env['STILLHOUSE_NODE'] || 'node';
  const child = fork(script, [], { execPath, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exits: ((code: number | null, signal: string | null) => void)[] = [];
  let ended = false;
  const end = (code: number | null, signal: string | null): void => {
    if (ended) return;
    ended = true;
    for (const listener of exits) listener(code, signal);
  };
  child.on('error', () => end(null, null));
  child.on('exit', end);
  return {
    post: (message) => {
      if (child.connected) child.send(message as object, () => undefined);
    },
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => exits.push(listener),
    kill: () => void child.kill('SIGKILL'),
  };
}
