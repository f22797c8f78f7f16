import { renameSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { setTimeout as later } from 'node:timers/promises';

/**
 * Renames and removals for every system. Windows refuses both while anybody has the file open without sharing it, a
 * virus scanner as a rule, which looks at each new file for a moment; elsewhere they are refused for good or not at all.
 */

const SHARING = ['EPERM', 'EACCES', 'EBUSY'];
/** Milliseconds between the attempts: two seconds together. */
const WAITS = [10, 20, 40, 80, 150, 250, 350, 500, 600];

export interface Patience<Pause> {
  /** This system when left out. */
  platform?: string;
  /** Waits for so many milliseconds. */
  pause?: (milliseconds: number) => Pause;
}

/**
 * Does something with files; on Windows again and again for two seconds while they are in use.
 * @throws whatever the last attempt threw.
 */
export function patiently<Result>(work: () => Result, given: Patience<void> = {}): Result {
  const { platform = process.platform, pause = stand } = given;
  for (const wait of platform === 'win32' ? WAITS : []) {
    try {
      return work();
    } catch (error) {
      if (!isShared(error)) throw error;
    }
    pause(wait);
  }
  return work();
}

/** Does as {@link patiently}, giving way to other work between the attempts. */
export async function patientlySoon<Result>(
  work: () => Promise<Result>,
  given: Patience<Promise<unknown>> = {},
): Promise<Result> {
  const { platform = process.platform, pause = later } = given;
  for (const wait of platform === 'win32' ? WAITS : []) {
    try {
      return await work();
    } catch (error) {
      if (!isShared(error)) throw error;
    }
    await pause(wait);
  }
  return work();
}

function isShared(error: unknown): boolean {
  return SHARING.includes((error as NodeJS.ErrnoException | null)?.code ?? '');
}

function stand(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Renames a file or a folder, over a file that is there. */
export function moveNow(from: string, to: string): void {
  patiently(() => renameSync(from, to));
}

/** Renames as {@link moveNow}, giving way to other work while it waits. */
export function move(from: string, to: string): Promise<void> {
  return patientlySoon(() => rename(from, to));
}

/** Removes a file, or a folder with all in it, where there is one. */
export function removeNow(path: string): void {
  patiently(() => rmSync(path, { recursive: true, force: true }));
}

/** Removes as {@link removeNow}, giving way to other work while it waits. */
export function remove(path: string): Promise<void> {
  return patientlySoon(() => rm(path, { recursive: true, force: true }));
}
