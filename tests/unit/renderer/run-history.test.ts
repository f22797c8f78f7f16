import { describe, expect, test } from 'vitest';
import type { StateRow, StepRow } from '../../../src-main/protocol/events.ts';
import { Columns } from '../../../src-renderer/history/columns.ts';
import { RunHistory } from '../../../src-renderer/history/run-history.ts';
import { START, STEPS_PER_EPOCH, epochRows } from '../../helpers/scripted-service.ts';

const state = (time: number, now: StateRow['state']): StateRow => ({ type: 'state', time, state: now, error: null });

describe('Columns', () => {
  test('grow past their first room and keep every value', () => {
    const columns = new Columns(['a', 'b'] as const);
    for (let index = 0; index < 5000; index++) columns.push({ a: index, b: index % 2 ? null : -index });
    expect(columns.length).toBe(5000);
    expect(columns.column('a')[4999]).toBe(4999);
    expect(columns.column('b')[4998]).toBe(-4998);
    expect(columns.column('b')[4999]).toBeNaN();
    columns.truncate(3);
    expect([...columns.column('a')]).toEqual([0, 1, 2]);
    expect(columns.last('a')).toBe(2);
  });
});

describe('RunHistory', () => {
  test('holds the rows of a run as columns', () => {
    const history = new RunHistory();
    epochRows(0, true, 12).forEach((row) => history.append(row));
    epochRows(1, true, 12).forEach((row) => history.append(row));
    expect(history.steps.length).toBe(24);
    expect(history.steps.last('step')).toBe(2 * STEPS_PER_EPOCH);
    expect(history.steps.last('epoch')).toBe(2);
    expect([...history.epochs.column('epoch')]).toEqual([1, 2]);
    expect(history.epochs.last('agreement')).toBeGreaterThan(14);
    expect(history.lastEpoch?.epoch).toBe(1);
  });

  test('leaves null losses out as gaps', () => {
    const history = new RunHistory();
    epochRows(0, false, 4).forEach((row) => history.append(row));
    expect(history.steps.column('lossDistillation').every(Number.isNaN)).toBe(true);
    expect(history.epochs.last('distillationAcc1')).toBeNaN();
    expect(history.epochs.last('averageAcc1')).toBeNaN();
    const row = history.lastEpoch!;
    history.append({ ...row, epoch: 1, step: row.step + 1, testEma: { loss: 1, acc1: 61, acc5: 92 } });
    expect([history.epochs.last('averageAcc1'), history.epochs.last('averageAcc5')]).toEqual([61, 92]);
  });

  test('leaves the time of a step that compiled out, and says where the time went', () => {
    const history = new RunHistory();
    const [first, second] = epochRows(0, true, 2) as StepRow[];
    history.append(state(START, 'running'));
    history.append({ ...first, step: 1, anatomy: { dataWait: 1, feed: 2, step: 9000, teacher: 3 } });
    history.append({ ...second, step: 3, anatomy: { dataWait: 1, step: 100 } });
    expect([...history.steps.column('stepTime')]).toEqual([NaN, 100]);
    expect([...history.steps.column('teacher')]).toEqual([3, NaN]);
    expect([...history.steps.column('feed')]).toEqual([2, NaN]);
    expect(history.times).toMatchObject({ compile: 9, step: 0.2, dataWait: 0.003 });
  });

  test('counts the time of training, not the night between a stop and its resume', () => {
    const history = new RunHistory();
    const [first, second, third] = epochRows(0, true, 3);
    history.append({ ...first, time: START });
    history.append({ ...second, time: START + 10_000 });
    history.append(state(START + 12_000, 'stopped'));
    history.append(state(START + 30_000_000, 'starting'));
    history.append(state(START + 30_005_000, 'running'));
    history.append({ ...third, time: START + 30_007_000 });
    expect([...history.steps.column('time')]).toEqual([0, 10, 14]);
  });

  test('a run resumed from an earlier checkpoint overwrites what came after it', () => {
    const history = new RunHistory();
    for (const epoch of [0, 1, 2]) epochRows(epoch, true, 10).forEach((row) => history.append(row));
    epochRows(1, true, 10)
      .slice(0, 4)
      .forEach((row) => history.append(row));
    const steps = [...history.steps.column('step')];
    expect(steps).toEqual([...steps].sort((one, other) => one - other));
    expect(steps).toHaveLength(14);
    expect([...history.epochs.column('epoch')]).toEqual([1]);
    const times = [...history.steps.column('time')];
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });
});
