import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { writeFileAtomic, writeNewFile } from '../base/files.ts';
import { moveNow, removeNow } from '../base/moves.ts';
import { isAlive, startOf } from '../base/process.ts';

/**
 * One process at a time trains in a run folder: the one named in its `lock` file. A service takes the lock before it
 * changes anything in the folder, and its trainer takes it over from the service.
 */

/** Names who holds a lock. */
export interface LockOwner {
  pid: number;
  host: string;
  /** Of {@link startOf}: tells it from a later process with the same number. */
  started: string;
  /** When it was taken, milliseconds since 1970. */
  time: number;
}

export interface RunLock {
  owner: LockOwner;
  /** Gives the run back. May be called twice. */
  release(): void;
}

const BEAT = 15_000;
// A holder on another machine cannot be asked; it is gone when it has not beaten for so long.
const SILENCE = 120_000;

/**
 * Takes the run for this process, or throws. A lock whose holder died is taken over.
 * @param from who holds it now and hands it over to this process.
 * @throws StillhouseError `run.locked` with the owner, or `disk.full` / `disk.denied`
 */
export function lockRun(folder: string, from?: LockOwner): RunLock {
  const path = lockPath(folder);
  const owner: LockOwner = { pid: process.pid, host: hostname(), started: startOf(process.pid), time: Date.now() };
  const text = JSON.stringify(owner);
  if (!from || !takeOver(path, text, from)) takeFree(folder, text);
  const beat = setInterval(() => touch(path, text), BEAT);
  beat.unref();
  const release = () => {
    clearInterval(beat);
    if (contentOf(path) === text) removeNow(path);
  };
  return { owner, release };
}

function takeFree(folder: string, text: string): void {
  const path = lockPath(folder);
  for (let attempt = 0; !writeNewFile(path, text); attempt++) {
    const holder = lockOwner(folder);
    if (holder || attempt > 20) throw lockedError(folder, holder);
    setAsideStale(path);
  }
}

// Renamed over the old one: there is no moment at which the run is free.
function takeOver(path: string, text: string, from: LockOwner): boolean {
  if (contentOf(path) !== JSON.stringify(from)) return false;
  writeFileAtomic(path, text);
  return contentOf(path) === text;
}

/** Finds the living holder of a run's lock, or null. */
export function lockOwner(folder: string): LockOwner | null {
  const path = lockPath(folder);
  const owner = parseOwner(contentOf(path));
  return owner && isHeld(path, owner) ? owner : null;
}

/** Makes the error of an operation that needs the run to itself. */
export function lockedError(folder: string, owner: LockOwner | null): StillhouseError {
  const who = owner ? `${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}` : 'unknown';
  return new StillhouseError('run.locked', { path: folder, owner: who, since: owner ? localTime(owner.time) : '?' });
}

// As `2026-01-31 15:45`, on the clock of this machine.
function localTime(time: number): string {
  const date = new Date(time);
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace('T', ' ');
}

function lockPath(folder: string): string {
  return join(folder, 'lock');
}

function isHeld(path: string, owner: LockOwner): boolean {
  if (owner.host !== hostname()) return diskTime(path) - modified(path) < SILENCE;
  if (!isAlive(owner.pid)) return false;
  const started = startOf(owner.pid);
  return started === '' || owner.started === '' || started === owner.started;
}

// Two processes may find the same stale lock: the second would remove the first one's new lock, so what was moved is
// looked at again, and put back if somebody lives in it.
function setAsideStale(path: string): void {
  const aside = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    moveNow(path, aside);
  } catch {
    return;
  }
  try {
    const owner = parseOwner(contentOf(aside));
    if (owner && isHeld(aside, owner)) linkSync(aside, path);
  } catch {
    // A third process has locked it meanwhile; it is seen at the next attempt.
  } finally {
    removeNow(aside);
  }
}

// Written and not `utimes`: so the time is that of the disk's own clock, whatever this machine's says. Through one
// handle, so that a lock which has taken the place of this one is left alone.
function touch(path: string, text: string): void {
  let file: number | undefined;
  try {
    file = openSync(path, 'r+');
    if (readFileSync(file, 'utf8') === text) writeSync(file, text, 0);
  } catch {
    // The run folder was removed under us; the next save tells.
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

// What the clock of the disk that holds `path` says now: two machines that share it may disagree.
function diskTime(path: string): number {
  const probe = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(probe, '', { flag: 'wx' });
    return statSync(probe).mtimeMs;
  } catch {
    return Date.now();
  } finally {
    removeNow(probe);
  }
}

function modified(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function parseOwner(text: string): LockOwner | null {
  try {
    const owner = JSON.parse(text) as Partial<LockOwner> | null;
    const { pid, host, started, time } = owner ?? {};
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof started !== 'string') return null;
    return { pid, host, started, time: typeof time === 'number' ? time : 0 };
  } catch {
    return null;
  }
}
