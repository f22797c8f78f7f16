import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src-main/engines/engine.ts';
import type { Model } from '../../src-main/model/model.ts';
import { createEvalStep, createTrainStep } from '../../src-main/train/step.ts';
import { PREFIX, isOfRun } from '../../src-main/train/variables.ts';
import { relativeError, skipWithout, testEngine } from '../helpers/engine.ts';
import { testPjrtEngine } from '../helpers/pjrt-engine.ts';
import { BATCH, batchOf, deit, distance, efficient, fill, recipe, regular, residual, steps, type Setting } from '../helpers/tiny-steps.ts'; // prettier-ignore

/** Whole steps, on TensorFlow and as they are lowered for accelerators, from one state and on the same batches. */

const STEPS = 2;

let [tensorflow, accelerator]: Engine[] = [];
beforeAll(async () => {
  tensorflow = await testEngine();
  accelerator = await testPjrtEngine();
});

/** What an optimizer keeps follows the gradient; parameters move by its sign, noise and all. */
const follows = (name: string): boolean =>
  [PREFIX.mean, PREFIX.square, PREFIX.momentum].some((prefix) => name.startsWith(prefix));

interface Bounds {
  losses: number;
  /** Of what the optimizer keeps, over all of it. */
  kept: number;
}

const EXACT: Bounds = { losses: 1e-5, kept: 1e-5 };

async function compare(setting: Setting, bounds: Bounds = EXACT): Promise<void> {
  // A shift before a batch norm has no gradient but noise, which the first update makes a whole step of.
  const count = setting.student.specs.some(({ buffer }) => buffer) ? 1 : STEPS;
  const [want, got] = [await steps(tensorflow, setting, count), await steps(accelerator, setting, count)];
  const pairs = [...want.values].filter(([name]) => follows(name)).map(([name, values]) => [got.values.get(name)!, values] as const); // prettier-ignore
  const found = { losses: relativeError(got.losses, want.losses), kept: distance(pairs) };
  expect(found.losses).toBeLessThan(bounds.losses);
  expect(found.kept).toBeLessThan(bounds.kept);
  // A moving average lies where the parameters were; the parameters themselves have moved alike.
  const moved = [...want.values].filter(([name]) => !follows(name));
  expect(distance(moved.map(([name, values]) => [got.values.get(name)!, values]))).toBeLessThan(100 * bounds.kept);
  expect([...got.values.keys()].filter(isOfRun).sort()).toEqual([...want.values.keys()].filter(isOfRun).sort());
}

const NETWORKS: [string, () => Model][] = [
  ['a DeiT', () => deit()],
  ['a DeiT that computes its activations again', () => deit({ recompute: true })],
  ['a DeiT with dropout', () => deit({ drop: 0.1 })],
  ['an EfficientNet', efficient],
  ['a ResNet', residual],
  ['a RegNet', regular],
];

describe('the lowered step of', () => {
  test.each(NETWORKS)('%s is that of TensorFlow', async (_, student) => {
    await compare({ student: student(), recipe: recipe({}) });
  });

  test.each(['adamw', 'lamb', 'sgd', 'momentum'] as const)('%s moves as on TensorFlow', async (opt) => {
    await compare({ student: deit(), recipe: recipe({ opt, modelEma: opt !== 'sgd', clipGrad: 1 }) });
  });

  test.each(['norm', 'value', 'agc'] as const)('a recipe clips by %s as on TensorFlow', async (clipMode) => {
    await compare({ student: deit(), recipe: recipe({ clipGrad: 0.01, clipMode, layerDecay: 0.8 }) });
  });

  test.each(['hard', 'soft'] as const)('%s distillation learns from a teacher inside and outside', async (kind) => {
    const taught = recipe({ distillationType: kind, distillationTau: 2 });
    await compare({ student: deit(), recipe: taught, teacher: 'outside' });
    // The teacher sees the images at a size of its own.
    await compare({ student: deit(), recipe: taught, teacher: kind === 'hard' ? regular() : deit({ inputSize: 24 }) });
  });

  test('mixed and erased images, the same noise in them', async () => {
    const mixed = recipe({ mixup: 0.8, cutmix: 1, reprob: 0.5, remode: 'pixel', smoothing: 0.1 });
    await compare({ student: deit({ drop: 0.1 }), recipe: mixed });
  });

  test('co-trained submodels', () => compare({ student: deit(), recipe: recipe({ cosub: true }) }));

  test('a batch in parts', () => compare({ student: deit(), recipe: recipe({ microBatch: 2 }) }));

  test.for([
    ['bfloat16', { losses: 5e-3, kept: 3e-2 }],
    ['float16', { losses: 1e-3, kept: 5e-3 }],
  ] as const)('%s stays near TensorFlow', async ([precision, bounds], context) => {
    skipWithout(precision, context);
    for (const microBatch of [0, 2]) await compare({ student: deit(), recipe: recipe({ microBatch }), precision }, bounds); // prettier-ignore
  });
});

test('a step whose loss is no number moves nothing, nor does one that was begun before that was known', async () => {
  const setting: Setting = { student: deit(), recipe: recipe({ opt: 'adamw', modelEma: true }) };
  const state = fill(accelerator, setting);
  const { student, recipe: own } = setting;
  const before = new Map(state.names().map((one) => [one, state.read(one)]));
  const step = await createTrainStep(accelerator, state, { student, recipe: own, batchSize: BATCH, teacher: null });
  const batch = batchOf(setting, 1);
  batch.noise!.fill(NaN);
  expect(step.ahead).toBe(true);
  const bad = step.run(batch, { lr: 1e-3, step: 1 });
  const next = step.run(batchOf(setting, 2), { lr: 1e-3, step: 2 });
  expect((await bad).loss).toBeNaN();
  await next;
  for (const [one, values] of before) if (isOfRun(one)) expect(state.read(one), one).toEqual(values);
  step.dispose();
  state.dispose();
});

test.each(NETWORKS)('%s answers as on TensorFlow', async (_, make) => {
  const model = make();
  const [want, got] = await Promise.all(
    [tensorflow, accelerator].map(async (engine) => {
      const state = fill(engine, { student: model, recipe: recipe({}) });
      const step = await createEvalStep(engine, state, { model, prefix: PREFIX.model, batchSize: BATCH });
      return step
        .run(batchOf({ student: model, recipe: recipe({}) }, 1).images)
        .finally(() => (step.dispose(), state.dispose()));
    }),
  );
  expect(relativeError(got.head, want.head)).toBeLessThan(1e-5);
  if (want.headDist) expect(relativeError(got.headDist!, want.headDist)).toBeLessThan(1e-5);
});
