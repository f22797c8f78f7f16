import { describe, expect, it } from 'vitest';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import { lrAt } from '../../../src-main/train/schedule.ts';

/** The paper's main recipe: batch 1024, so that 5e-4 becomes 1e-3. */
const paper = parseRecipe({ batchSize: 1024 });

describe('lrAt', () => {
  it.each([
    [0, 1e-6],
    [1, 1e-6],
    [2, 2.008e-4],
    [3, 4.006e-4],
    [4, 6.004e-4],
    [5, 8.002e-4],
    [6, 9.9932162e-4],
    [7, 9.99023e-4],
    [299, 1.01085617e-5],
  ])('gives the rate that DeiT uses in epoch %i', (epoch, lr) => {
    expect(lrAt(paper, epoch) / lr).toBeCloseTo(1, 6);
  });

  it('rises to the constant 5e-6 of the 384 fine-tuning recipe', () => {
    const recipe = parseRecipe({ batchSize: 512, lr: 5e-6, minLr: 5e-6, epochs: 30 });
    const rates = [0, 1, 2, 3, 4, 5, 6, 29].map((epoch) => lrAt(recipe, epoch));
    const expected = [1e-6, 1e-6, 1.8e-6, 2.6e-6, 3.4e-6, 4.2e-6, 5e-6, 5e-6];
    rates.forEach((rate, index) => expect(rate / expected[index]).toBeCloseTo(1, 9));
  });

  it('starts at the base rate without warm-up and does not scale it when told so', () => {
    const recipe = parseRecipe({ warmupEpochs: 0, batchSize: 1024, unscaleLr: true, epochs: 10 });
    expect(lrAt(recipe, 0)).toBe(5e-4);
    expect(lrAt(recipe, 1)).toBe(5e-4);
    expect(lrAt(recipe, 2)).toBeLessThan(5e-4);
  });

  it('stays at the floor past the end of the cosine', () => {
    const recipe = parseRecipe({ epochs: 3, warmupEpochs: 0 });
    expect(lrAt(recipe, 4)).toBe(recipe.minLr);
    expect(lrAt(recipe, 50)).toBe(recipe.minLr);
  });
});
