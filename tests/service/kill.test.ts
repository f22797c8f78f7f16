import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { buildPrograms } from '../helpers/build.ts';
import { attempt, curve, draws, inspect, stateHash, type Aim } from '../helpers/killed-run.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

const ORDER: Aim[] = ['checkpoint', 'manifest', 'step'];

it('a run that is killed again and again loses no checkpoint and ends as if nothing had been', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-kill-'));
  try {
    const entry = join(await buildPrograms(), 'job.process.mjs');
    const dataPath = makeTinyData(join(folder, 'data'), { train: 8, val: 2 });
    const recipe = parseRecipe({
      ...{ model: 'test_deit_patch16_32', dataPath, inputSize: 32, batchSize: 4, numWorkers: 1, epochs: 12 },
      ...{ precision: 'float32', sched: 'plateau', warmupEpochs: 0, lr: 1e-4, unscaleLr: true, microBatch: 2 },
      ...{ repeatedAug: false, modelEma: true, saveMinutes: 1e-5, keepCheckpoints: 1 },
    });
    const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
    await attempt({ entry, run: whole, recipe: { ...recipe, saveMinutes: 0 }, kill: null });
    const draw = draws(3);
    let newest = 0;
    for (const aim of ORDER) {
      expect(await attempt({ entry, run: killed, recipe, kill: { aim, draw } })).toMatchObject({ ended: 'killed' });
      const damage = inspect(killed);
      expect(damage.lost).toEqual([]);
      expect(damage.newest).toBeGreaterThanOrEqual(newest);
      newest = damage.newest;
    }
    await attempt({ entry, run: killed, recipe, kill: null });
    expect(curve(killed)).toEqual(curve(whole));
    expect(await stateHash(killed)).toBe(await stateHash(whole));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
