import * as v from 'valibot';
import { expect, test } from 'vitest';
import { EPOCH_NUMBERS } from '../../../src-main/protocol/epoch-numbers.ts';
import { historyRows, type StepRow } from '../../../src-main/protocol/events.ts';
import { numbersOf, rowOf } from '../../../src-main/protocol/step-columns.ts';
import { STEP_NUMBERS } from '../../../src-main/protocol/step-numbers.ts';
import { epochRows } from '../../helpers/scripted-service.ts';

const [whole] = epochRows(0, true, 1) as [StepRow];

test('a row comes out of its columns as it went in, also without what early versions did not measure', () => {
  const early: StepRow = { ...whole, lossDistillation: null, anatomy: { dataWait: 1, step: 2 } };
  for (const row of [whole, early]) {
    const columns = numbersOf(row, 0);
    expect(rowOf((name) => columns[name])).toEqual(row);
  }
});

test('a row of an earlier version reads, with what is not measured any more left out', () => {
  const old = { ...whole, loss: null, gpu: { memory: 1e9, use: 90 } };
  expect(v.parse(historyRows, [old])).toEqual([{ ...whole, loss: NaN }]);
});

test('no two numbers are exported under one name', () => {
  const names = [...Object.values(STEP_NUMBERS), ...Object.values(EPOCH_NUMBERS)].map(({ exported }) => exported);
  expect(new Set(names).size).toBe(names.length);
});
