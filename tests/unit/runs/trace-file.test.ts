import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTrace, traceFile, type TraceSpan } from '../../../src-main/runs/trace-file.ts';
import { withLimitedDisk } from './limited-disk.ts';
import { temporaryFolder } from './state.ts';

interface Event {
  name: string;
  ph: string;
  ts?: number;
  dur?: number;
  pid: number;
  tid?: number;
  args?: Record<string, unknown>;
}
const read = (folder: string): Event[] => JSON.parse(readFileSync(traceFile(folder), 'utf8')) as Event[];
const LOOP = { process: 'JobProcess', name: 'Loop' };
const span = (number: number): TraceSpan => {
  const start = 1000 + 2 * number;
  return { name: `span ${number}`, start, end: start + 1.5, thread: LOOP, facts: { number } };
};

it('names processes and threads once, and writes spans in microseconds', () => {
  const folder = temporaryFolder();
  const trace = openTrace(folder);
  trace.span(span(1));
  trace.span({ ...span(2), thread: { process: 'JobProcess', name: 'Other' } });
  trace.span({ ...span(3), thread: { process: 'TensorFlow', name: 'Loop' } });
  trace.span(span(4));
  trace.close();
  const events = read(folder);
  expect(events.filter(({ ph }) => ph === 'M').map(({ name, pid, tid, args }) => [name, pid, tid, args!.name])).toEqual(
    [
      ['process_name', 1, undefined, 'JobProcess'],
      ['thread_name', 1, 1, 'Loop'],
      ['thread_name', 1, 2, 'Other'],
      ['process_name', 2, undefined, 'TensorFlow'],
      ['thread_name', 2, 1, 'Loop'],
    ],
  );
  const spans = events.filter(({ ph }) => ph === 'X');
  expect(spans.map(({ pid, tid }) => [pid, tid])).toEqual([[1, 1], [1, 2], [2, 1], [1, 1]]); // prettier-ignore
  for (const { dur } of spans) expect(dur).toBeCloseTo(1500, 1);
  expect(spans[0].args).toEqual({ number: 1 });
});

it('is whole JSON after every write, as a kill would leave it', () => {
  const folder = temporaryFolder();
  const trace = openTrace(folder, { block: 200 });
  expect(read(folder)).toEqual([]);
  let seen = 0;
  for (let number = 0; number < 100; number++) {
    trace.span(span(number));
    const events = read(folder).length;
    expect(events).toBeGreaterThanOrEqual(seen);
    seen = events;
  }
  expect(seen).toBeGreaterThan(90);
  trace.close();
  expect(read(folder)).toHaveLength(102);
});

it('ends at its limit and says so', () => {
  const folder = temporaryFolder();
  const trace = openTrace(folder, { limit: 10_000, block: 1000 });
  for (let number = 0; number < 1000; number++) trace.span(span(number));
  trace.close();
  expect(statSync(join(folder, 'trace.json')).size).toBeLessThan(11_000);
  expect(read(folder).at(-1)!.name).toMatch(/full/);
});

it('stays whole when the disk is full', async () => {
  await withLimitedDisk(1 << 18, (folder) => {
    const trace = openTrace(folder);
    for (let number = 0; number < 5000; number++) trace.span(span(number));
    trace.close();
    const events = read(folder);
    expect(events.length).toBeGreaterThan(100);
    expect(events.length).toBeLessThan(5000);
  });
});
