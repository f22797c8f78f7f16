import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { keepBadStep } from '../../src-main/job-process/training/non-finite.ts';
import type { BadStep } from '../../src-main/train/loop.ts';
import { testEngine } from '../helpers/engine.ts';

const run = mkdtempSync(join(tmpdir(), 'stillhouse-non-finite-'));
let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});
afterAll(() => rmSync(run, { recursive: true, force: true }));

const BAD: BadStep = {
  position: { epoch: 2, batch: 3, step: 23, lossSum: 1 },
  batch: {
    ...{ images: new Uint8Array(0), noise: null, mix: null, erase: null },
    ...{ labels: Int32Array.of(1, 0), files: ['train/b/1.png', 'train/a/2.png'] },
  },
  lr: 0.5,
  losses: { loss: Infinity, lossClass: 1, lossDistillation: NaN },
};

/** What is kept after a bad step from a state of these values, and how often the state was saved. */
async function kept(values: Record<string, number[]>, bad = BAD) {
  const state = engine.newState();
  for (const [name, list] of Object.entries(values)) state.set(name, [list.length], Float32Array.from(list));
  let saves = 0;
  const save = () => Promise.resolve(`checkpoint-${++saves}`);
  const error = await keepBadStep(bad, { run, recipe: parseRecipe({ seed: 9 }), classes: ['a', 'b'], state, save });
  state.dispose();
  return { error, saves, file: JSON.parse(readFileSync(error.params.file as string, 'utf8')) as unknown };
}

it('saves a good state and names the batch', async () => {
  const { error, saves, file } = await kept({ 'model.w': [1, 2], 'teacher.w': [NaN] });
  expect(error).toMatchObject({ code: 'run.non-finite', params: { loss: 'Infinity', step: 24, lr: 0.5 } });
  expect(saves).toBe(1);
  expect(file).toMatchObject({
    ...{ loss: 'Infinity', lossClass: '1', lossDistillation: 'NaN', step: 24, epoch: 2, batch: 3, lr: 0.5, seed: 9 },
    ...{ checkpoint: 'checkpoint-1', spoilt: [] },
    images: [
      { file: 'train/b/1.png', label: 1, class: 'b' },
      { file: 'train/a/2.png', label: 0, class: 'a' },
    ],
  });
});

it('says when it was the gradients', async () => {
  const losses = { loss: 2.5, lossClass: 2.5, lossDistillation: null, overflow: true };
  const { error, saves, file } = await kept({ 'model.w': [1, 2] }, { ...BAD, losses });
  expect(error).toMatchObject({ code: 'run.gradients', params: { loss: '2.5', step: 24 } });
  expect(saves).toBe(1);
  expect(file).toMatchObject({ loss: '2.5', gradients: true, checkpoint: 'checkpoint-1' });
});

it('does not save weights that overflowed: the last good checkpoint stays the newest', async () => {
  const { error, saves, file } = await kept({ 'model.w': [1, 2], 'exp_avg.w': [0, -Infinity], 'model.v': [NaN] });
  expect(error).toMatchObject({ code: 'run.overflow', params: { name: 'exp_avg.w' } });
  expect(saves).toBe(0);
  expect(file).toMatchObject({ checkpoint: null, spoilt: ['exp_avg.w', 'model.v'] });
});
