import { execFileSync, type StdioOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StillhouseError } from '../protocol/errors.ts';
import { foreign } from './foreign.ts';

/** Tells whether a process of this machine exists; one of another user counts. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Returns when a process started, in the words of the system (Linux: boot and clock tick; macOS: `ps`; Windows: 100 ns
 * since 1601), which distinguishes it from a later one with the same number; `''` where the system does not say.
 */
export function startOf(pid: number): string {
  try {
    return (STARTS[process.platform] ?? (() => ''))(pid);
  } catch {
    return '';
  }
}

const STARTS: Partial<Record<NodeJS.Platform, (pid: number) => string>> = {
  linux: (pid) => {
    // Of its first thread: of a process itself, qemu (a container for another processor) gives a start of its own.
    const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold spaces and brackets itself; the start is the 20th field after it.
    return `${bootId()}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  },
  darwin: startByPs,
  win32: startOnWindows,
};

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Asks `ps`, whose answer does not depend on the language: `Sun Nov 29 16:26:13 2026`. @throws when it has none. */
export function startByPs(pid: number): string {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
  return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { env, stdio, encoding: 'utf8' }).trim();
}

// PROCESS_QUERY_LIMITED_INFORMATION, which is given for processes of other people too.
const MAY_ASK = 0x1000;

function startOnWindows(pid: number): string {
  const { OpenProcess, GetProcessTimes, CloseHandle } = windowsCalls();
  const handle = OpenProcess(MAY_ASK, 0, pid) as bigint | null;
  if (!handle) return '';
  try {
    const times = [0, 1, 2, 3].map(() => Buffer.alloc(8));
    return GetProcessTimes(handle, ...times) ? String(times[0].readBigUInt64LE()) : '';
  } finally {
    CloseHandle(handle);
  }
}

function windowsCalls() {
  const kernel = foreign().load('kernel32.dll');
  return {
    OpenProcess: kernel.func('void *OpenProcess(uint32_t access, int inherit, uint32_t pid)'),
    GetProcessTimes: kernel.func(
      'int GetProcessTimes(void *process, void *created, void *ended, void *system, void *user)',
    ),
    CloseHandle: kernel.func('int CloseHandle(void *handle)'),
  };
}

/**
 * Calls `listener` once when the channel to the process that forked this one is closed. It may have closed while this
 * process was still loading, before anybody could hear the event: the listener is then called at once.
 */
export function onOwnerGone(listener: () => void): void {
  if (process.connected) process.once('disconnect', listener);
  else listener();
}

/** Throws when `signal` has aborted. @throws StillhouseError `job.cancelled` when `signal` has aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StillhouseError('job.cancelled');
}
