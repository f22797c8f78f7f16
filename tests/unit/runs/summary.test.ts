import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StillhouseError, toPlainError } from '../../../src-main/protocol/errors.ts';
import type { HistoryRow, RunState } from '../../../src-main/protocol/events.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { openRun } from '../../../src-main/runs/run-folder.ts';
import { detailRun, summarizeRun, summarizeRuns } from '../../../src-main/runs/summary.ts';
import { CLASSES, epochRow, newRun, recipe, stepRow, temporaryFolder } from './state.ts';

const full = toPlainError(new StillhouseError('disk.full', { path: '/x', needed: '1 MB' }));
const state = (name: RunState): HistoryRow => ({
  type: 'state',
  time: 1,
  state: name,
  error: name === 'failed' ? full : null,
});

function runWith(rows: HistoryRow[]): string {
  const run = newRun();
  const history = openHistory(run);
  history.append(rows);
  history.close();
  return run;
}

const summary = (run: string) => summarizeRun(run, openRun(run));

describe('a summary', () => {
  it('tells progress and accuracy from the files alone', () => {
    const rows = [state('running'), stepRow(10), epochRow(0, 60), stepRow(20), epochRow(1, 55), state('stopped')];
    const run = runWith(rows);
    expect(summary(run)).toMatchObject({
      id: 'run',
      path: run,
      model: 'deit_tiny_patch16_224',
      dataPath: '/data',
      state: 'stopped',
      error: null,
      epoch: 2,
      epochs: 5,
      bestAcc1: 60,
      lastAcc1: 55,
    });
    expect(summary(run).bytes).toBeGreaterThan(1000);
    expect(detailRun(run)).toEqual({ summary: summary(run), recipe: recipe(), classes: CLASSES, history: rows });
  });

  it('names the teacher only where there is one', () => {
    const model = (distillationType: 'none' | 'hard') => {
      const run = newRun(undefined, { distillationType, teacherModel: 'regnety_160' });
      return summary(run).teacher;
    };
    expect([model('none'), model('hard')]).toEqual(['', 'regnety_160']);
  });

  it('has no accuracy before the first evaluation', () => {
    expect(summary(runWith([stepRow(1)]))).toMatchObject({ epoch: 0, bestAcc1: null, lastAcc1: null });
  });
});

describe('the state', () => {
  it.each<[RunState[], RunState]>([
    [[], 'crashed'],
    [['starting', 'running'], 'crashed'],
    [['running', 'stopping'], 'crashed'],
    [['running', 'stopped'], 'stopped'],
    [['running', 'finished'], 'finished'],
    [['running', 'failed'], 'failed'],
    [['running', 'finished', 'running'], 'crashed'],
  ])('after %j with nobody there is %s', (states, expected) => {
    const run = runWith(states.map(state));
    expect(summary(run)).toMatchObject({ state: expected, error: expected === 'failed' ? full : null });
  });

  it.each<[RunState[], RunState]>([
    [[], 'running'],
    [['starting'], 'starting'],
    [['running', 'stopping'], 'stopping'],
    [['running', 'finished'], 'running'],
  ])('after %j with a living trainer is %s', (states, expected) => {
    const run = runWith(states.map(state));
    const lock = lockRun(run);
    expect(summary(run).state).toBe(expected);
    lock.release();
  });

  it('is found however many steps came after', () => {
    const run = runWith([state('running'), ...Array.from({ length: 3000 }, (_, i) => stepRow(i + 1))]);
    const lock = lockRun(run);
    expect(summary(run).state).toBe('running');
    lock.release();
  });
});

it('a list tells broken runs apart', () => {
  const parent = temporaryFolder();
  newRun(join(parent, 'good'));
  writeFileSync(join(newRun(join(parent, 'bad')), 'run.json'), '{');
  expect(summarizeRuns(parent).map(({ id, state, error }) => [id, state, error?.code])).toEqual([
    ['run', 'crashed', undefined],
    ['bad', 'failed', 'run.damaged'],
  ]);
});
