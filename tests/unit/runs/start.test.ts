import { join } from 'node:path';
import { expect, it } from 'vitest';
import { saveCheckpoint } from '../../../src-main/runs/checkpoint.ts';
import { chooseStart } from '../../../src-main/runs/start.ts';
import { facts, newRun, stateOf } from './state.ts';

const named = '/elsewhere/epoch-0003-step-00000040.safetensors';
const weights = '/weights/deit.pth';

async function trained(): Promise<string> {
  const run = newRun();
  for (const step of [10, 20]) await saveCheckpoint(run, facts({ step }), stateOf(step));
  return run;
}

it.each([
  { resume: 'auto', finetune: '', start: { kind: 'fresh' } },
  { resume: '', finetune: '', start: { kind: 'fresh' } },
  { resume: 'auto', finetune: weights, start: { kind: 'pretrained', path: weights } },
  { resume: named, finetune: weights, start: { kind: 'named', path: named } },
])('a new run that asks for resume $resume and finetune $finetune starts $start', ({ start, ...wish }) => {
  expect(chooseStart(newRun(), wish)).toEqual(start);
});

it('a run with checkpoints goes on at its last one, whatever else is named', async () => {
  const run = await trained();
  const own = { kind: 'own', file: 'epoch-0001-step-00000020.safetensors' };
  for (const resume of ['auto', named, weights]) expect(chooseStart(run, { resume, finetune: weights })).toEqual(own);
});

it('or at the own one that is named', async () => {
  const run = await trained();
  const file = 'epoch-0000-step-00000010.safetensors';
  const resume = join(run, 'checkpoints/../checkpoints', file);
  expect(chooseStart(run, { resume, finetune: '' })).toEqual({ kind: 'own', file });
});

it('and is not overwritten unasked', async () => {
  const run = await trained();
  const refused = expect.objectContaining({ code: 'run.exists' }) as Error;
  expect(() => chooseStart(run, { resume: '', finetune: weights })).toThrow(refused);
});
