import { expect, it } from 'vitest';
import { isAlive, startByPs, startOf } from '../../../src-main/base/process.ts';

const GONE = 2 ** 22 + 1;

it('tells a process from a later one with its number', () => {
  expect(startOf(process.pid)).toBe(startOf(process.pid));
  expect(startOf(process.pid)).not.toBe(startOf(process.ppid));
  expect(startOf(process.pid)).not.toBe('');
  expect([isAlive(GONE), startOf(GONE)]).toEqual([false, '']);
});

it('asks ps where the system has no /proc', () => {
  const started = startByPs(process.pid);
  expect(started).toMatch(/^[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}$/);
  expect(startByPs(process.pid)).toBe(started);
  expect(() => startByPs(GONE)).toThrow();
});
