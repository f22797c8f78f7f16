import { expect, it } from 'vitest';
import { opText, timesText } from '../../../src-main/shells/cli/profile.ts';

const NOTHING = { step: 0, teacher: 0, feed: 0, dataWait: 0, evaluation: 0, checkpoint: 0, compile: 0 };

it('says where the time went, and nothing where none did', () => {
  expect(timesText(NOTHING)).toBe('');
  expect(timesText({ ...NOTHING, step: 60, teacher: 30, evaluation: 10 })).toBe(
    'Time: student 60.0 %, teacher 30.0 %, evaluation 10.0 %',
  );
});

it('lists the most expensive ops with their shares', () => {
  const op = (name: string, milliseconds: number) => ({ op: name, shapes: '', count: 3, milliseconds });
  const ops = [{ ...op('MatMul', 12), shapes: 'float[8,5];float[5,2]' }, op('fusion', 4), op('Add', 1)];
  const text = opText({ step: 4, batchSize: 8, milliseconds: 10, opMilliseconds: 20, ops }, 2);
  expect(text.split('\n')).toEqual([
    'Ops of step 4, which took 10.0 ms: 20.0 ms on all threads',
    '     12.00 ms  60.0 %     3 ×  MatMul  float[8,5];float[5,2]',
    '      4.00 ms  20.0 %     3 ×  fusion',
  ]);
});
