import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { EngineStatus } from '../../../src-main/protocol/data-types.ts';
import { parseRecipe, type Recipe, type RecipeKey } from '../../../src-main/protocol/recipe.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { createRun, keepRanks } from '../../../src-main/runs/run-folder.ts';
import { recipeWarnings, unusedKeys } from '../../../src-main/service/recipe/recipe-warnings.ts';
import { sampleCost } from '../../../src-main/service/data/sample-cost.ts';
import { lrSchedule } from '../../../src-main/service/recipe/schedule-preview.ts';
import { speedKey, speedOfRuns, timeForecast } from '../../../src-main/service/recipe/time-estimate.ts';
import { epochRows } from '../../helpers/scripted-service.ts';
import { temporaryFolder } from '../runs/state.ts';

/** What a recipe is said to come to, before anything of it is trained. */

const recipe = (more: Partial<Recipe> = {}): Recipe => parseRecipe({ dataPath: '/data', ...more });
const speed = {
  imagesPerSecond: 50,
  teacher: null,
  evaluationSeconds: null,
  batchSize: 64,
  processes: 1,
  run: null,
  time: 0,
};

describe('the time of a training', () => {
  it('is its steps and its evaluations, the latter at three times the speed unless they were seen', () => {
    const wanted = recipe({ batchSize: 10, epochs: 4, cooldownEpochs: 0, warmupEpochs: 0 });
    const extent = { stepsPerEpoch: 20, validation: 300 };
    expect(timeForecast(wanted, extent, speed)).toMatchObject({ secondsPerEpoch: 4 + 2, seconds: 24 });
    const seen = timeForecast(wanted, extent, { ...speed, evaluationSeconds: 7 });
    expect(seen).toMatchObject({ evaluationSeconds: 7, seconds: 44 });
    expect(timeForecast(wanted, { stepsPerEpoch: 0, validation: 0 }, speed)).toBeNull();
  });

  it('says what of it is the teacher, as kept answers save it', () => {
    const wanted = recipe({ batchSize: 10, epochs: 4, cooldownEpochs: 0, warmupEpochs: 0 });
    const taught = { ...speed, batchSize: 20, teacher: 300 };
    expect(timeForecast(wanted, { stepsPerEpoch: 20, validation: 0 }, speed)!.teacherSeconds).toBeNull();
    expect(timeForecast(wanted, { stepsPerEpoch: 20, validation: 0 }, taught)!.teacherSeconds).toBeCloseTo(12, 9);
  });

  it('counts the epochs of the cooldown', () => {
    const wanted = recipe({ batchSize: 10, epochs: 4, cooldownEpochs: 3, warmupEpochs: 0 });
    expect(timeForecast(wanted, { stepsPerEpoch: 20, validation: 0 }, speed)!.seconds).toBe(7 * 4);
  });
});

describe('the speed that was seen', () => {
  const engine = 'TensorFlow 2.21.0 cpu';
  let clock = 1e12;

  function leaveRun(folder: string, id: string, more: Partial<Recipe>, imagesPerSecond: number, on = engine): void {
    const own = recipe(more);
    vi.useFakeTimers({ toFake: ['Date'], now: (clock += 1000) });
    try {
      createRun(join(folder, id), {
        id,
        version: '0',
        engine: on,
        dataPath: own.dataPath,
        recipe: own,
        classes: ['a'],
      });
    } finally {
      vi.useRealTimers();
    }
    const history = openHistory(join(folder, id));
    const rows = epochRows(0, false, 9).map((row) => (row.type === 'step' ? { ...row, imagesPerSecond } : row));
    // The step that compiled tells nothing of the others.
    history.append(rows.map((row, at) => (at === 0 && row.type === 'step' ? { ...row, imagesPerSecond: 0.01 } : row)));
    history.close();
  }

  it('is that of the newest like run, rather one of the same batch size', () => {
    const folder = temporaryFolder();
    const wanted = recipe({ batchSize: 64 });
    expect(speedOfRuns(folder, wanted, engine)).toBeNull();
    leaveRun(folder, 'older', { batchSize: 64 }, 10);
    leaveRun(folder, 'newer', { batchSize: 64, lr: 1e-4 }, 11);
    leaveRun(folder, 'other-size', { batchSize: 32 }, 12);
    leaveRun(folder, 'other-model', { batchSize: 64, model: 'deit_base_patch16_224' }, 13);
    leaveRun(folder, 'other-engine', { batchSize: 64 }, 14, 'TensorFlow 2.21.0 cuda');
    const seen = speedOfRuns(folder, wanted, engine)!;
    expect(seen).toMatchObject({ run: 'newer', imagesPerSecond: 11, batchSize: 64 });
    expect(seen.evaluationSeconds).toBeGreaterThan(0);
    expect(speedOfRuns(folder, recipe({ batchSize: 128 }), engine)).toMatchObject({ run: 'other-size' });
    expect(speedOfRuns(folder, { ...wanted, dataPath: '/elsewhere' }, engine)!.evaluationSeconds).toBeNull();
  });

  it('is rather that of a run with as many processes, and says how many those were', () => {
    const folder = temporaryFolder();
    leaveRun(folder, 'two', { batchSize: 32 }, 20);
    keepRanks(join(folder, 'two'), 2);
    leaveRun(folder, 'one', { batchSize: 64 }, 11);
    const wanted = recipe({ batchSize: 64 });
    expect(speedOfRuns(folder, wanted, engine)).toMatchObject({ run: 'one', processes: 1 });
    const seen = speedOfRuns(folder, wanted, engine, 2)!;
    expect(seen).toMatchObject({ run: 'two', processes: 2, imagesPerSecond: 20 });
    expect(timeForecast(wanted, { stepsPerEpoch: 20, validation: 0 }, seen)).toMatchObject({ processes: 2 });
    expect(speedOfRuns(folder, wanted, engine, 4)).toMatchObject({ run: 'one', processes: 1 });
  });

  it('of another teacher does not count where there is one, and a run without steps never does', () => {
    const folder = temporaryFolder();
    const hard = { distillationType: 'hard', model: 'deit_tiny_distilled_patch16_224' } as const;
    leaveRun(folder, 'taught', { ...hard, teacherPath: '/one.onnx' }, 20);
    const { dataPath } = recipe();
    createRun(join(folder, 'empty'), { id: 'empty', version: '0', engine, dataPath, recipe: recipe(), classes: ['a'] });
    expect(speedOfRuns(folder, recipe({ ...hard, teacherPath: '/two.onnx' }), engine)).toBeNull();
    expect(speedOfRuns(folder, recipe({ ...hard, teacherPath: '/one.onnx' }), engine)).toMatchObject({ run: 'taught' });
    expect(speedOfRuns(folder, recipe(), engine)).toBeNull();
  });

  it('is measured anew for another batch or engine, not for another learning rate', () => {
    const key = speedKey(recipe(), engine);
    expect(speedKey(recipe({ lr: 0.1, epochs: 3 }), engine)).toBe(key);
    for (const more of [{ batchSize: 7 }, { microBatch: 2 }, { dataPath: '/b' }, { inputSize: 64 }])
      expect(speedKey(recipe(more), engine)).not.toBe(key);
    expect(speedKey(recipe(), 'TensorFlow 2.21.0 cuda')).not.toBe(key);
  });
});

describe('the learning rate that is drawn', () => {
  const plain = { unscaleLr: true, lr: 1, warmupLr: 0.1, minLr: 0.01, epochs: 10, cooldownEpochs: 0 } as const;

  it('is a stair of epochs', () => {
    const { epochs, rates, end, warmupEnd, cooldownStart, peak, last, byStep } = lrSchedule(
      recipe({ ...plain, sched: 'step', warmupEpochs: 0, decayEpochs: 4, decayRate: 0.5 }),
      0,
    );
    expect(epochs).toEqual(Array.from({ length: 10 }, (_, epoch) => [epoch, epoch + 1]).flat());
    expect([...new Set(rates)]).toEqual([1, 0.5, 0.25]);
    expect({ end, warmupEnd, cooldownStart, peak, last, byStep }).toEqual({ end: 10, warmupEnd: null, cooldownStart: null, peak: 1, last: 0.25, byStep: false }); // prettier-ignore
  });

  it('rises, falls and stays, and tells where', () => {
    const { rates, end, warmupEnd, cooldownStart, last } = lrSchedule(
      recipe({ ...plain, sched: 'cosine', warmupEpochs: 2, cooldownEpochs: 3 }),
      0,
    );
    expect(rates[0]).toBe(0.1);
    expect({ end, warmupEnd, cooldownStart }).toEqual({ end: 13, warmupEnd: 3, cooldownStart: 10 });
    expect(last).toBeCloseTo(0.01, 9);
    expect(Math.max(...rates)).toBe(rates[6]);
  });

  it('by step has no more points than a plot can show, and ends where the run does', () => {
    const drawn = lrSchedule(recipe({ ...plain, warmupEpochs: 1, schedOnUpdates: true, epochs: 300 }), 5000);
    expect(drawn.byStep).toBe(true);
    expect(drawn.rates.length).toBeLessThanOrEqual(2000);
    expect(drawn.epochs.at(-1)).toBeGreaterThan(299.5);
    expect(drawn.epochs.at(-1)).toBeLessThan(300);
  });

  it('on a plateau is that of a run which never stops getting better', () => {
    const { rates, byStep } = lrSchedule(recipe({ ...plain, sched: 'plateau', schedOnUpdates: true, warmupEpochs: 0 }), 9); // prettier-ignore
    expect(byStep).toBe(false);
    expect(new Set(rates)).toEqual(new Set([1]));
  });
});

describe('warnings', () => {
  const codes = (more: Partial<Recipe>, steps = 0, distilled = true) =>
    recipeWarnings(recipe(more), steps, distilled).map(({ code }) => code);

  it('are none for the recipe as it comes', () => expect(codes({}, 1000)).toEqual([]));

  it.each<[string, Partial<Recipe>, Partial<Recipe>]>([
    ['recipe.warmup-long', { epochs: 5, warmupEpochs: 5 }, { epochs: 6, warmupEpochs: 5 }],
    ['recipe.rate-high', { lr: 5e-3, unscaleLr: true }, { lr: 4e-3, unscaleLr: true }],
    ['recipe.attention-only', { attnOnly: true }, { attnOnly: true, finetune: '/weights' }],
    ['recipe.unused', { decayEpochs: 3 }, { decayEpochs: 3, sched: 'step' }],
  ])('%s', (code, meant, near) => {
    expect(codes(meant)).toContain(code);
    expect(codes(near)).not.toContain(code);
  });

  it('tell of an average that remembers longer than the run lasts', () => {
    const average = { modelEma: true, modelEmaDecay: 0.999, epochs: 10, warmupEpochs: 0, cooldownEpochs: 0 };
    expect(codes(average, 99)).toContain('recipe.average-slow');
    expect(codes(average, 100)).not.toContain('recipe.average-slow');
    expect(codes({ ...average, modelEmaWarmup: true }, 99)).not.toContain('recipe.average-slow');
    expect(codes(average, 0)).not.toContain('recipe.average-slow');
  });

  it('tell of a student that cannot use its teacher', () => {
    const taught: Partial<Recipe> = { distillationType: 'hard', teacherPath: '/t' };
    expect(codes(taught, 0, false)).toContain('recipe.no-distillation-head');
    expect(codes(taught, 0, true)).not.toContain('recipe.no-distillation-head');
  });

  it.each(['cosine', 'tanh', 'step', 'plateau'] as const)('call unused what does not change the rate: %s', (sched) => {
    const base: Partial<Recipe> = { sched, lr: 1, unscaleLr: true, epochs: 20, decayEpochs: 5, warmupEpochs: 3 };
    const changed: Partial<Record<RecipeKey, number>> = {
      ...{ decayEpochs: 2, decayRate: 0.7, patienceEpochs: 1, minLr: 0.3, warmupLr: 0.2, cooldownEpochs: 4 },
    };
    const unused = new Set(unusedKeys(recipe(base)));
    const drawn = (more: object): unknown => lrSchedule(recipe({ ...base, ...more }), 0).rates;
    for (const [key, value] of Object.entries(changed)) {
      const same = JSON.stringify(drawn({ [key]: value })) === JSON.stringify(drawn({}));
      // On a plateau these count only when scores stop growing.
      if (sched === 'plateau' && ['decayRate', 'patienceEpochs', 'minLr'].includes(key)) continue;
      expect(same, key).toBe(unused.has(key as RecipeKey));
    }
  });
});

describe('what the sample costs', () => {
  const engine = { state: 'partial', bytesDownload: 100, bytesArrived: 30 } as EngineStatus;

  it('is what has not come yet', async () => {
    const folder = temporaryFolder();
    const places = { sample: join(folder, 'sample'), weights: join(folder, 'weights') };
    const cost = await sampleCost(engine, places);
    expect(cost.engine).toBe(70);
    expect(cost.data).toBeGreaterThan(1e6);
    expect(cost.teacher).toBeGreaterThan(1e6);
    mkdirSync(places.weights);
    writeFileSync(join(places.weights, 'efficientnet-lite0-57934424.pth'), '');
    const later = await sampleCost({ ...engine, state: 'verified' }, places);
    expect(later).toEqual({ engine: 0, data: cost.data, teacher: 0 });
  });
});
