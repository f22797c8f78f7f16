import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { buildPrograms } from '../helpers/build.ts';

let entry: string;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-forecast-'));
beforeAll(async () => {
  entry = join(await buildPrograms(), 'job.process.mjs');
});
afterAll(() => rmSync(folder, { recursive: true }));

function forecast(changes: Partial<Recipe>, classes: string[] = []) {
  const recipe = parseRecipe({ model: 'deit_tiny_distilled_patch16_224', batchSize: 16, ...changes });
  return spawnJob({ kind: 'forecast', engine: engineFolder(), threads: 2, recipe, classes }, { entry }).done;
}

test('a forecast counts parameters, moments and activations before any image is read', async () => {
  const plain = await forecast({ modelEma: false });
  // 5,910,800 parameters with two heads of 1000 classes.
  expect(plain.parameters).toBe(4 * 5_910_800);
  expect(plain.optimizer).toBe(2 * plain.parameters);
  expect(plain.teacher).toBe(0);
  const { total, answers, device, ...parts } = plain;
  expect([answers, device]).toEqual([undefined, undefined]);
  expect(Object.values(parts).reduce((sum, part) => sum + part)).toBe(total);
  const whole = await forecast({ microBatch: 16, modelEma: true });
  expect(whole.parameters).toBe(2 * plain.parameters); // the average is kept too
  const again = await forecast({ microBatch: 16, recompute: true });
  expect(again.activations).toBeLessThan(0.4 * whole.activations);
});

test('a forecast says what keeps its networks from being made', async () => {
  await expect(forecast({ distillationType: 'hard', teacherPath: '' })).rejects.toMatchObject({
    code: 'teacher.missing',
  });
  const few = await forecast({ modelEma: false }, ['a', 'b']);
  expect(few.parameters).toBe(4 * (5_910_800 - 2 * 998 * 193));
});
