import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HistoryRow, StepRow } from '../../../src-main/protocol/events.ts';
import { MOST_SERIES_ROWS } from '../../../src-main/protocol/step-columns.ts';
import { StepColumns } from '../../../src-main/runs/step-columns.ts';
import { epochRows } from '../../helpers/scripted-service.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'stillhouse-series-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (rows: readonly HistoryRow[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const write = (rows: readonly HistoryRow[]): void => writeFileSync(join(folder, 'history.jsonl'), text(rows));
const rows = [0, 1, 2].flatMap((epoch) => epochRows(epoch, true, 2000));
const steps = rows.filter((row): row is StepRow => row.type === 'step');
const floats = (base64: string): Float32Array => {
  const bytes = Buffer.from(base64, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

test('every step row of a history is reached, in parts, over blocks that cut lines', async () => {
  write(rows);
  const columns = new StepColumns(folder);
  await columns.refresh();
  const loss: number[] = [];
  for (let from = 0; from < steps.length; from += 1500) {
    const part = columns.series(from, 1500);
    expect(part).toMatchObject({ total: 6000, from, count: 1500, revision: 0 });
    loss.push(...floats(part.columns.loss));
  }
  expect(loss).toEqual(steps.map((row) => Math.fround(row.loss)));
  expect(columns.series(5990, MOST_SERIES_ROWS).count).toBe(10);
  expect(columns.series(9000, 10).count).toBe(0);
});

test('what is appended is read on, a line in the middle of its writing is not', async () => {
  write(rows.slice(0, 100));
  const columns = new StepColumns(folder);
  await columns.refresh();
  appendFileSync(join(folder, 'history.jsonl'), text(rows.slice(100, 200)) + '{"type":"step","ti');
  await Promise.all([columns.refresh(), columns.refresh()]);
  expect(columns.series(0, 1000)).toMatchObject({ total: 200, revision: 0 });
});

test('a history that was cut by a resume is read anew', async () => {
  write(rows.slice(0, 100));
  const columns = new StepColumns(folder);
  await columns.refresh();
  write([...rows.slice(0, 60), ...rows.slice(70, 180)]);
  await columns.refresh();
  expect(columns.series(0, 1000)).toMatchObject({ total: 170, revision: 1 });
  rmSync(join(folder, 'history.jsonl'));
  await columns.refresh();
  expect(columns.series(0, 1000)).toMatchObject({ total: 0, revision: 2 });
});

test('a thinned history keeps every other row in its place, and the last step', async () => {
  write(rows);
  const columns = new StepColumns(folder);
  await columns.refresh();
  const thin = columns.thinned(100);
  const kept = thin.filter(({ type }) => type === 'step');
  expect(kept.length).toBeLessThanOrEqual(101);
  expect(kept.at(-1)).toMatchObject({ step: steps.at(-1)!.step });
  expect(thin.filter(({ type }) => type === 'epoch')).toEqual(rows.filter(({ type }) => type === 'epoch'));
  const times = thin.map(({ time }) => time);
  expect(times).toEqual([...times].sort((one, other) => one - other));
});
