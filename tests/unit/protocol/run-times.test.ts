import { expect, it } from 'vitest';
import type { HistoryRow } from '../../../src-main/protocol/events.ts';
import type { StepTimes } from '../../../src-main/protocol/step-numbers.ts';
import { RunTimeMeter } from '../../../src-main/protocol/run-times.ts';
import { epochRow, stepRow } from '../runs/state.ts';

const step = (number: number, anatomy: StepTimes): HistoryRow => ({ ...stepRow(number), anatomy });
const state: HistoryRow = { type: 'state', time: 1, state: 'running', error: null };
const checkpoint: HistoryRow = { type: 'checkpoint', time: 1, file: 'f', epoch: 0, step: 4, bytes: 1, seconds: 3 };

it('adds up where the time of a run went', () => {
  const meter = new RunTimeMeter();
  const rows = [
    state,
    step(1, { dataWait: 500, feed: 10, step: 9000, teacher: 90 }),
    step(5, { dataWait: 250, feed: 10, step: 1000, teacher: 100 }),
    checkpoint,
    { ...epochRow(0), evaluationSeconds: 7 },
    state,
    step(6, { dataWait: 0, feed: 0, step: 8000 }),
  ];
  expect(rows.map((row) => meter.add(row))).toEqual([false, true, false, false, false, false, true]);
  expect(meter.times).toEqual({
    ...{ compile: 17, dataWait: 1.5, feed: 0.05, step: 4, teacher: 0.49, evaluation: 7, checkpoint: 3 },
  });
});

it('reads rows of a version that measured less', () => {
  const meter = new RunTimeMeter();
  const { seconds: _, ...old } = checkpoint;
  [step(2, { dataWait: 100, step: 400 }), old, epochRow(0)].forEach((row) => meter.add(row));
  expect(meter.times).toMatchObject({ dataWait: 0.2, step: 0.8, feed: 0, checkpoint: 0, evaluation: 0 });
});
