import { expect, test } from 'vitest';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { jobHere } from '../helpers/jobs-here.ts';

function forecast(changes: Partial<Recipe>, classes: string[] = [], processes = 1) {
  const recipe = parseRecipe({ model: 'deit_tiny_distilled_patch16_224', batchSize: 16, ...changes });
  return jobHere({ kind: 'forecast', engine: engineFolder(), threads: 2 / processes, recipe, classes, processes }).done;
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

test('of two processes it counts both, each with its share of the images', async () => {
  const plain = await forecast({ modelEma: false });
  const two = await forecast({ modelEma: false }, [], 2);
  expect([two.parameters, two.optimizer]).toEqual([2 * plain.parameters, 2 * plain.optimizer]);
  expect(two.process).toBeGreaterThan(1.9 * plain.process);
  // Activations of as many images as two lanes have at once; gradients twice.
  expect(two.activations).toBeGreaterThan(plain.activations);
  expect(two.activations).toBeLessThan(1.5 * plain.activations);
});

test('a forecast says what keeps its networks from being made', async () => {
  await expect(forecast({ distillationType: 'hard', teacherPath: '' })).rejects.toMatchObject({
    code: 'teacher.missing',
  });
  const few = await forecast({ modelEma: false }, ['a', 'b']);
  expect(few.parameters).toBe(4 * (5_910_800 - 2 * 998 * 193));
});
