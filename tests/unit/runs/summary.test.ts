import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StillhouseError, toPlainError } from '../../../src-main/protocol/errors.ts';
import type { HistoryRow, RunState } from '../../../src-main/protocol/events.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { saveCheckpoint } from '../../../src-main/runs/checkpoint.ts';
import { truncateHistory } from '../../../src-main/runs/history.ts';
import { changeNotes } from '../../../src-main/runs/run-notes.ts';
import { detailRun, RunSummaries } from '../../../src-main/runs/summary.ts';
import { CLASSES, epochRow, facts, newRun, recipe, stateOf, stepRow, temporaryFolder } from './state.ts';

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

const summary = (run: string) => new RunSummaries().of(run);

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

  it('knows where the run is', () => {
    const { stepsPerEpoch } = stepRow(1);
    expect(summary(runWith([]))).toMatchObject({ step: null, stepsPerEpoch: null });
    expect(summary(runWith([stepRow(1), stepRow(2), epochRow(0)]))).toMatchObject({ step: 2, stepsPerEpoch });
  });

  it('tells best, last and the best average of each metric', () => {
    const epoch = (at: number, acc1: number, loss: number, average: number) => ({
      ...epochRow(at),
      test: { loss, acc1, acc5: acc1 + 10 },
      testEma: { loss: loss - 0.1, acc1: average, acc5: average + 5 },
    });
    expect(summary(runWith([epoch(0, 40, 2, 30), epoch(1, 60, 1, 70), epoch(2, 50, 1.5, 65)]))).toMatchObject({
      ...{ epoch: 3, bestAcc1: 60, lastAcc1: 50, emaAcc1: 70, bestAcc5: 70, lastAcc5: 60, emaAcc5: 75 },
      ...{ bestLoss: 1, lastLoss: 1.5, emaLoss: 0.9, imagesPerSecond: null },
    });
    expect(summary(runWith([stepRow(1), epochRow(0)]))).toMatchObject({ emaAcc1: null, imagesPerSecond: 30 });
  });

  it('counts the time of training alone, also of a run that was killed', () => {
    const at = (seconds: number, row: HistoryRow): HistoryRow => ({ ...row, time: 1e12 + seconds * 1000 });
    const rows = [at(0, state('starting')), at(10, state('running')), at(40, stepRow(1))];
    expect(summary(runWith(rows)).seconds).toBe(30);
    const resumed = [...rows, at(5000, state('starting')), at(5010, state('running')), at(5020, state('stopping'))];
    expect(summary(runWith(resumed)).seconds).toBe(40);
    expect(summary(runWith([...resumed, at(5025, state('stopped'))])).seconds).toBe(45);
    expect(summary(runWith([...resumed, at(5025, state('paused')), at(9000, state('running'))])).seconds).toBe(45);
  });

  it('finds rows that a step names, and lines longer than what is read at once', () => {
    const odd = {
      type: 'note',
      time: 3,
      note: { ...full, message: `{"type":"epoch" ${'x'.repeat(5 << 20)}` },
    } as const;
    expect(summary(runWith([epochRow(0, 60), odd, epochRow(1, 55)]))).toMatchObject({ epoch: 2, lastAcc1: 55 });
  });

  it('shows what a person said of it', () => {
    const run = runWith([]);
    changeNotes(run, { pinned: true, tags: ['ablation'], note: 'good' });
    expect(summary(run)).toMatchObject({ pinned: true, tags: ['ablation'], note: 'good', readOnly: false });
  });
});

describe('summaries that are kept', () => {
  it('follow a history that grows, is rewound or ends, and what is saved and said', async () => {
    const run = runWith([state('running'), stepRow(10), epochRow(0, 60)]);
    const kept = new RunSummaries();
    const seen = () => kept.list(dirname(run)).map(({ epoch, lastAcc1, pinned }) => [epoch, lastAcc1, pinned])[0];
    expect(seen()).toEqual([1, 60, false]);
    const history = openHistory(run);
    history.append([stepRow(20), epochRow(1, 55)]);
    expect(seen()).toEqual([2, 55, false]);
    history.append([epochRow(2, 50), state('finished')]);
    history.close();
    expect(seen()).toEqual([3, 50, false]);
    expect(kept.of(run)).toEqual(summary(run));
    truncateHistory(run, { step: 20, epoch: 2 });
    expect(seen()).toEqual([2, 55, false]);
    changeNotes(run, { pinned: true });
    expect(seen()).toEqual([2, 55, true]);
    const { bytes } = await saveCheckpoint(run, facts({ step: 20 }), stateOf(20));
    expect(kept.of(run).bytes).toBeGreaterThan(bytes);
    expect(kept.of(run)).toEqual(summary(run));
  });

  it('ask each time whether somebody trains', () => {
    const run = runWith([state('running')]);
    const kept = new RunSummaries();
    expect(kept.of(run).state).toBe('crashed');
    const lock = lockRun(run);
    expect(kept.of(run).state).toBe('running');
    lock.release();
    expect(kept.of(run).state).toBe('crashed');
  });

  it('of 1,000 runs cost little when nothing has changed', () => {
    const parent = temporaryFolder();
    const rows = Array.from({ length: 200 }, (_, at) => stepRow(at + 1));
    const text = [state('running'), ...rows, epochRow(0), state('finished')]
      .map((row) => JSON.stringify(row))
      .join('\n');
    for (let at = 0; at < 1000; at++)
      writeFileSync(join(newRun(join(parent, `run-${at}`)), 'history.jsonl'), `${text}\n`);
    const kept = new RunSummaries();
    expect(kept.list(parent).map(({ lastAcc1 }) => lastAcc1)).toEqual(Array(1000).fill(50));
    const spent = [1, 2, 3].map(() => {
      const before = process.cpuUsage();
      kept.list(parent);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    expect(Math.min(...spent)).toBeLessThan(250);
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
  expect(new RunSummaries().list(parent).map(({ id, state, error }) => [id, state, error?.code])).toEqual([
    ['run', 'crashed', undefined],
    ['bad', 'failed', 'run.damaged'],
  ]);
});
