import { constants } from 'node:os';

/** Says how a process has ended. */
export interface End {
  code: number | null;
  signal: string | null;
}

/** Signals that end a process by themselves, whose numbers no job process uses as its exit code. */
const DEADLY = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV', 'SIGTERM'] as const;

/**
 * Reads the one number that Electron tells of a utility process's end: what it gave to `process.exit`, else what
 * `waitpid` says, where the lowest seven bits are a signal, the eighth a core dump and the rest the exit code.
 */
export function endOf(code: number, platform: string = process.platform): End {
  if (platform === 'win32') return { code, signal: null };
  if (code > 0xff) return { code: code >> 8, signal: null };
  const number = code & 0x7f;
  const signal = DEADLY.find((name) => constants.signals[name] === number);
  return signal ? { code: null, signal } : { code, signal: null };
}
