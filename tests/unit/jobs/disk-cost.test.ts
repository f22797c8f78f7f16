import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import { checkpointCost, diskCost, tooLittleDisk } from '../../../src-main/jobs/disk-cost.ts';
import { withLimitedDisk } from '../runs/limited-disk.ts';

it('counts what is kept and the one being written', () => {
  const cost = (more: Record<string, unknown>) => checkpointCost(parseRecipe(more), 100);
  expect(cost({ keepCheckpoints: 3 })).toEqual({ checkpoint: 100, kept: 4, total: 500 });
  expect(cost({ keepCheckpoints: 3, modelEma: true })).toEqual({ checkpoint: 100, kept: 5, total: 600 });
  expect(cost({ epochs: 2, warmupEpochs: 0, cooldownEpochs: 0, saveMinutes: 0 })).toMatchObject({
    kept: 2,
    total: 200,
  });
});

it('is refused where the disk has less, and not where it has as much', async () => {
  await withLimitedDisk(1_000_000, async (disk) => {
    const recipe = parseRecipe({ keepCheckpoints: 1 });
    const runs = join(disk, 'not', 'there', 'yet');
    const [little, much] = [await diskCost(recipe, 300_000, runs), await diskCost(recipe, 350_000, runs)];
    expect(tooLittleDisk(little!)).toBeNull();
    expect(tooLittleDisk(much!)).toMatchObject({ code: 'disk.reserve', params: { path: runs, needed: '1.1 MB' } });
    expect(await diskCost(recipe, 0, runs)).toBeNull();
  });
});
