import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HistoryRow } from '../../../src-main/protocol/events.ts';
import { openHistory, readHistory, readHistoryEnd, readLog, truncateHistory } from '../../../src-main/runs/history.ts';
import { withLimitedDisk } from './limited-disk.ts';
import { epochRow, stepRow, temporaryFolder } from './state.ts';

const state: HistoryRow = { type: 'state', time: 5, state: 'running', error: null };
const checkpoint = (step: number): HistoryRow => ({
  type: 'checkpoint',
  time: step,
  file: 'f',
  epoch: 0,
  step,
  bytes: 1,
});

function write(folder: string, rows: HistoryRow[]): void {
  const history = openHistory(folder);
  for (const row of rows) history.append([row]);
  history.close();
}

describe('history', () => {
  it('reads what was written, over several openings', () => {
    const folder = temporaryFolder();
    const rows = [state, stepRow(1), stepRow(2), epochRow(0)];
    write(folder, rows.slice(0, 2));
    write(folder, rows.slice(2));
    expect(readHistory(folder)).toEqual(rows);
    expect(readFileSync(join(folder, 'history.jsonl'), 'utf8')).toMatch(/^(\{.*\}\n){4}$/);
  });

  it('is empty where there is none', () => {
    expect(readHistory(temporaryFolder())).toEqual([]);
    expect(readHistoryEnd(temporaryFolder())).toEqual([]);
  });

  it.each(['{"type":"step","ti', '{"type":"note","time":1}', '\xff'])('drops a line cut short: %j', (torn) => {
    const folder = temporaryFolder();
    write(folder, [stepRow(1)]);
    appendFileSync(join(folder, 'history.jsonl'), torn);
    expect(readHistory(folder)).toEqual([stepRow(1)]);
    write(folder, [stepRow(2)]);
    expect(readHistory(folder)).toEqual([stepRow(1), stepRow(2)]);
  });

  it('passes over lines that are no rows', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'history.jsonl'), `null\n[]\n{"type":"other"}\n\n${JSON.stringify(state)}\n`);
    expect(readHistory(folder)).toEqual([state]);
  });

  it('reads the end of a long one without the rest', () => {
    const folder = temporaryFolder();
    const rows = Array.from({ length: 2000 }, (_, i) => stepRow(i + 1));
    const history = openHistory(folder);
    history.append(rows);
    history.close();
    const end = readHistoryEnd(folder, 10_000);
    expect(end.length).toBeGreaterThan(20);
    expect(end).toEqual(rows.slice(-end.length));
  });

  it('keeps whole rows only when the disk is full', async () => {
    await withLimitedDisk(1 << 20, (folder) => {
      const history = openHistory(folder);
      const rows = Array.from({ length: 1000 }, (_, i) => stepRow(i + 1));
      let written = 0;
      const fill = () => {
        for (;;) {
          history.append(rows);
          written++;
        }
      };
      expect(fill).toThrow(expect.objectContaining({ code: 'disk.full' }) as Error);
      history.close();
      expect(written).toBeGreaterThan(0);
      expect(readHistory(folder).length).toBe(written * rows.length);
    });
  });

  it('says when it cannot be written', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'history.jsonl'));
    expect(() => openHistory(folder)).toThrow(expect.objectContaining({ code: 'disk.denied' }) as Error);
  });
});

describe("DeiT's log.txt", () => {
  it('has one line an epoch, with its keys in its order', () => {
    const folder = temporaryFolder();
    write(folder, [stepRow(1), epochRow(0), epochRow(1)]);
    expect(readFileSync(join(folder, 'log.txt'), 'utf8')).toBe(
      '{"train_lr":0.0005,"train_loss":2.5,"test_loss":1.25,"test_acc1":50,"test_acc5":90,"epoch":0,"n_parameters":5910800}\n' +
        '{"train_lr":0.0005,"train_loss":2.5,"test_loss":1.25,"test_acc1":51,"test_acc5":90,"epoch":1,"n_parameters":5910800}\n',
    );
    expect(readLog(folder).map((line) => line.test_acc1)).toEqual([50, 51]);
  });

  it('gets the line that a crash left out or cut short', () => {
    const folder = temporaryFolder();
    write(folder, [epochRow(0), epochRow(1)]);
    const text = readFileSync(join(folder, 'log.txt'), 'utf8');
    writeFileSync(join(folder, 'log.txt'), text.slice(0, -20));
    expect(readLog(folder).map((line) => line.epoch)).toEqual([0]);
    write(folder, []);
    expect(readLog(folder).map((line) => line.epoch)).toEqual([0, 1]);
    write(folder, [epochRow(2)]);
    expect(readLog(folder).map((line) => line.epoch)).toEqual([0, 1, 2]);
  });
});

describe('resuming', () => {
  const rows = [
    state,
    stepRow(5),
    stepRow(10),
    checkpoint(10),
    epochRow(0),
    stepRow(15),
    stepRow(20),
    checkpoint(20),
    epochRow(1),
    state,
  ];

  it('in an epoch drops the steps that are made again', () => {
    const folder = temporaryFolder();
    write(folder, rows);
    truncateHistory(folder, { step: 15, epoch: 1 });
    expect(readHistory(folder)).toEqual([...rows.slice(0, 6), state]);
    expect(readLog(folder).map((line) => line.epoch)).toEqual([0]);
  });

  it('before an evaluation drops that evaluation, after it keeps it', () => {
    const folder = temporaryFolder();
    write(folder, rows);
    truncateHistory(folder, { step: 20, epoch: 2 });
    expect(readHistory(folder)).toEqual(rows);
    truncateHistory(folder, { step: 20, epoch: 1 });
    expect(readHistory(folder)).toEqual(rows.filter((row) => row !== rows[8]));
    expect(readLog(folder).length).toBe(1);
  });

  it('from the start drops everything but what happened', () => {
    const folder = temporaryFolder();
    write(folder, rows);
    truncateHistory(folder, { step: 0, epoch: 0 });
    expect(readHistory(folder)).toEqual([state, state]);
    expect(readLog(folder)).toEqual([]);
  });

  it('of a run without history changes nothing', () => {
    const folder = temporaryFolder();
    truncateHistory(folder, { step: 0, epoch: 0 });
    expect(existsSync(join(folder, 'history.jsonl'))).toBe(false);
  });
});
