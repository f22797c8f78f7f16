import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { lockOwner, lockRun, type LockOwner } from '../../../src-main/runs/lock.ts';
import { startOf } from '../../../src-main/base/process.ts';
import { ended, firstLine, startChild } from './child.ts';
import { temporaryFolder } from './state.ts';

const locked = (owner: string) =>
  expect.objectContaining({ code: 'run.locked', params: expect.objectContaining({ owner }) as object }) as Error;

function leave(folder: string, owner: Partial<LockOwner>): void {
  const whole = { pid: process.pid, host: hostname(), started: startOf(process.pid), time: 0, ...owner };
  writeFileSync(join(folder, 'lock'), JSON.stringify(whole));
}

describe('a run folder', () => {
  it('is held by one at a time, even of the same process', () => {
    const folder = temporaryFolder();
    const lock = lockRun(folder);
    expect(lockOwner(folder)).toEqual(lock.owner);
    expect(lock.owner).toMatchObject({ pid: process.pid, host: hostname() });
    expect(() => lockRun(folder)).toThrow(locked(String(process.pid)));
    lock.release();
    lock.release();
    expect(lockOwner(folder)).toBeNull();
    lockRun(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('beats by what it is, and never in the lock of another', () => {
    const folder = temporaryFolder();
    const longAgo = new Date(Date.now() - 600_000);
    const isBeaten = () => statSync(join(folder, 'lock')).mtimeMs > longAgo.getTime();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const lock = lockRun(folder);
    try {
      utimesSync(join(folder, 'lock'), longAgo, longAgo);
      vi.advanceTimersByTime(20_000);
      expect(isBeaten()).toBe(true);
      expect(lockOwner(folder)).toEqual(lock.owner);
      leave(folder, { pid: 1, host: 'elsewhere' });
      utimesSync(join(folder, 'lock'), longAgo, longAgo);
      vi.advanceTimersByTime(20_000);
      expect(isBeaten()).toBe(false);
    } finally {
      lock.release();
      vi.useRealTimers();
    }
  });

  it('is handed over, without a moment at which it is free, and only by its holder', () => {
    const folder = temporaryFolder();
    const service = lockRun(folder);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1000 });
    try {
      const trainer = lockRun(folder, service.owner);
      service.release();
      expect(lockOwner(folder)).toEqual(trainer.owner);
      expect(() => lockRun(folder, service.owner)).toThrow(locked(String(process.pid)));
      trainer.release();
      lockRun(folder, service.owner).release();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('says since when it is held', () => {
    const folder = temporaryFolder();
    leave(folder, { time: new Date(2026, 0, 31, 15, 45).getTime() });
    const params = expect.objectContaining({ owner: String(process.pid), since: '2026-01-31 15:45' }) as object;
    expect(() => lockRun(folder)).toThrow(expect.objectContaining({ params }) as Error);
  });

  it('is not given back by an old holder', () => {
    const folder = temporaryFolder();
    const old = lockRun(folder);
    leave(folder, { time: 7 });
    old.release();
    expect(lockOwner(folder)?.time).toBe(7);
  });

  it('is held by a living process and free once it was killed', async () => {
    const folder = temporaryFolder();
    const child = await startChild('lock', folder);
    expect(await firstLine(child)).toBe('locked');
    expect(lockOwner(folder)?.pid).toBe(child.pid);
    expect(() => lockRun(folder)).toThrow(locked(String(child.pid)));
    child.kill('SIGKILL');
    await ended(child);
    expect(lockOwner(folder)).toBeNull();
    const lock = lockRun(folder);
    expect(lockOwner(folder)?.pid).toBe(process.pid);
    lock.release();
  });

  it('goes to exactly one of those who race for a stale lock', async () => {
    const folder = temporaryFolder();
    leave(folder, { pid: 999_999_999 });
    const children = await Promise.all(Array.from({ length: 6 }, () => startChild('lock', folder)));
    const said = await Promise.all(children.map(firstLine));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(children.map(ended));
    expect(said.sort()).toEqual(['locked', ...Array<string>(5).fill('run.locked')]);
    expect(readdirSync(folder)).toEqual(['lock']);
  });
});

describe('a lock is stale', () => {
  it.each<[string, Partial<LockOwner>]>([
    ['when its process is gone', { pid: 999_999_999 }],
    ['when its number now belongs to a later process', { started: `${startOf(process.pid)}0` }],
    ['when its number belongs to a process of another boot', { started: 'other:1' }],
  ])('%s', (_, owner) => {
    const folder = temporaryFolder();
    leave(folder, owner);
    expect(lockOwner(folder)).toBeNull();
    lockRun(folder).release();
  });

  it('when another machine has been silent for minutes, not before', () => {
    const folder = temporaryFolder();
    leave(folder, { pid: 1, host: 'elsewhere' });
    expect(() => lockRun(folder)).toThrow(locked('1 on elsewhere'));
    const longAgo = Date.now() / 1000 - 600;
    utimesSync(join(folder, 'lock'), longAgo, longAgo);
    lockRun(folder).release();
  });

  it('by the clock of the disk, not by that of a machine', () => {
    const folder = temporaryFolder();
    leave(folder, { pid: 1, host: 'elsewhere' });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      expect(lockOwner(folder)?.host).toBe('elsewhere');
      expect(readdirSync(folder)).toEqual(['lock']);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each(['', '{', 'null', '{"pid":"1"}'])('when it says %j', (text) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'lock'), text);
    expect(lockOwner(folder)).toBeNull();
    lockRun(folder).release();
  });
});

it('knows when a process started', () => {
  expect(startOf(process.pid)).toMatch(/^[0-9a-f-]{36}:\d+$/);
  expect(startOf(process.pid)).not.toBe(startOf(process.ppid));
  expect(startOf(999_999_999)).toBe('');
  // A name with brackets and spaces does not shift the fields.
  expect(readFileSync('/proc/self/stat', 'latin1')).toContain(')');
});
