import { fork } from 'node:child_process';
import { utilityProcess } from 'electron';

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

/**
 * Starts a script in a utility process, or in the Node that `STILLHOUSE_NODE` or the path names.
 * @param env is added where this process's own environment does not say otherwise.
 */
export function startChild(script: string, name: string, env: Record<string, string> = {}): Child {
  const whole = { ...env, ...process.env };
  return hasUtilityProcess() ? startUtility(script, name, whole) : startStock(script, whole);
}

function startUtility(script: string, name: string, whole: NodeJS.ProcessEnv): Child {
  // With this set, Electron's binary would not be a utility process but a plain Node without a port.
  const { ELECTRON_RUN_AS_NODE: _, ...env } = whole;
  const child = utilityProcess.fork(script, [], { serviceName: name, stdio: 'inherit', env });
  return {
    post: (message) => child.postMessage(message),
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => child.on('exit', (code) => listener(code, null)),
    kill: () => void child.kill(),
  };
}

function startStock(script: string, env: NodeJS.ProcessEnv): Child {
  const execPath = process.env['STILLHOUSE_NODE'] || 'node';
  const child = fork(script, [], { execPath, execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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
