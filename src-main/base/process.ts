import { readFileSync } from 'node:fs';
import { StillhouseError } from '../protocol/errors.ts';

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
 * Returns the boot and the clock tick at which a process started, which distinguish it from a later one with the same
 * number; `''` where the system does not say.
 */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold spaces and brackets itself; the start is the 20th field after it.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${bootId()}:${start}`;
  } catch {
    return '';
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
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
