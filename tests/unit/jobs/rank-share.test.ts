import { expect, it } from 'vitest';
import { shareOfRecipe } from '../../../src-main/jobs/ranks/share.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION } from '../../../src-main/protocol/recipe.ts';

const plain = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION, batchSize: 12 };

it('gives each rank its part of the images of a step', () => {
  expect(shareOfRecipe(plain, 4).batchSize).toBe(3);
  expect(shareOfRecipe(plain, 1)).toBe(plain);
});

it('refuses what ranks cannot share', () => {
  expect(() => shareOfRecipe(plain, 5)).toThrow(/multiple of 5/);
  expect(() => shareOfRecipe({ ...plain, mixup: 0.8 }, 4)).toThrow(/even number/);
  expect(() => shareOfRecipe({ ...plain, teachOnce: true }, 2)).toThrow(/off where several ranks/);
});
