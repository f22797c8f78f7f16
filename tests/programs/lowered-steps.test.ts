import { beforeAll, describe, expect, test } from 'vitest';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model, ModelOptions, Network } from '../../src-main/model/model.ts';
import { efficientNet } from '../../src-main/model/efficientnet.ts';
import { regNet } from '../../src-main/model/regnet.ts';
import { resNet } from '../../src-main/model/resnet.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { createEvalStep, createTrainStep, type TrainStepParts } from '../../src-main/train/step.ts';
import type { StepBatch } from '../../src-main/train/step-types.ts';
import { noiseRows } from '../../src-main/train/submodels.ts';
import { updateVariables } from '../../src-main/train/update.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { relativeError, skipWithout, testEngine } from '../helpers/engine.ts';
import { hashed, parameterValues, uniform } from '../helpers/generated.ts';
import { testPjrtEngine } from '../helpers/pjrt-engine.ts';

/** Whole steps, on TensorFlow and as they are lowered for accelerators, from one state and on the same batches. */

const [BATCH, CLASSES, STEPS] = [4, 10, 2];

let [tensorflow, accelerator]: Engine[] = [];
beforeAll(async () => {
  tensorflow = await testEngine();
  accelerator = await testPjrtEngine();
});

/** A network with what a model of the zoo knows of itself. */
function model(make: (options: ModelOptions) => Network, options: Partial<ModelOptions>, distilled = false): Model {
  const { inputSize = 16 } = options;
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize, cropRatio: 0.875, distilled };
  const network = make({ classes: CLASSES, inputSize, dropPath: 0.2, ...options });
  return { ...network, ...facts, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

/** A DeiT of two narrow blocks. */
const deit = (options: Partial<ModelOptions> = {}): Model => {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true as const };
  return model((all) => transformer(shape, all), options, true);
};

// The smallest of their kind, on images with a few places left for the last batch norm.
const SIDE = { inputSize: 64 };
const efficient = (): Model =>
  model((all) => efficientNet({ width: 0.25, depth: 0.4, tensorflow: true }, all), { ...SIDE, drop: 0.2 });
const efficientLite = (): Model => model((all) => efficientNet({ width: 0.25, depth: 0.4, lite: true }, all), SIDE);
const residual = (): Model => model((all) => resNet({ stages: [1, 1, 1, 1], bottleneck: true }, all), SIDE);
const regular = (): Model =>
  model((all) => regNet({ depth: 4, initial: 16, slope: 12, multiplier: 2, group: 8, squeeze: true }, all), SIDE);

const recipe = (changes: Partial<Recipe>): Recipe => ({
  ...defaultRecipe(),
  ...WITHOUT_AUGMENTATION,
  ...changes,
});

interface Setting {
  student: Model;
  recipe: Recipe;
  teacher?: Model | 'outside';
  precision?: Precision;
}

function fill(engine: Engine, { student, recipe, teacher }: Setting): State {
  const state = engine.newState();
  for (const [name, { shape }] of Object.entries(updateVariables(student, recipe))) {
    state.set(name, shape, new Float32Array(shapeSize(shape)));
  }
  const put = (prefix: string, model: Model): void => {
    for (const spec of model.specs) state.set(prefix + spec.name, spec.shape, parameterValues(spec));
  };
  put(PREFIX.model, student);
  if (recipe.modelEma) put(PREFIX.ema, student);
  if (teacher && teacher !== 'outside') put(PREFIX.teacher, teacher);
  return state;
}

function batchOf({ student, recipe, teacher }: Setting, step: number): StepBatch {
  const side = student.inputSize;
  const rows = noiseRows(student, recipe);
  const at = (name: string) => `${name} ${step}`;
  const box = { left: 2, top: 3, width: 8, height: 6 };
  return {
    images: Uint8Array.from(hashed(at('images'), BATCH * side * side * 3), (bits) => bits >>> 24),
    labels: Int32Array.from(hashed(at('labels'), BATCH), (bits) => bits % CLASSES),
    noise: rows > 0 ? uniform(at('noise'), rows * BATCH) : null,
    ...(teacher === 'outside' && { teacherLogits: uniform(at('teacher'), BATCH * CLASSES) }),
    ...(recipe.reprob > 0 && { erase: Array.from({ length: BATCH }, (_, image) => (image % 2 ? [box] : [])) }),
    ...((recipe.mixup > 0 || recipe.cutmix > 0) && {
      mix: Array.from({ length: BATCH }, (_, image) => ({ lambda: 0.3 + 0.1 * image, box: image % 3 ? box : null })),
    }),
  };
}

/** What a few steps make of a setting: losses, and every variable. */
async function steps(engine: Engine, setting: Setting, count = STEPS) {
  const state = fill(engine, setting);
  const { student, recipe, teacher = null, precision } = setting;
  const parts: TrainStepParts = { student, recipe, batchSize: BATCH, precision, teacher: asTeacher(teacher) };
  const step = await createTrainStep(engine, state, parts);
  const losses: number[] = [];
  for (let at = 1; at <= count; at++) {
    const { loss, lossClass, lossDistillation } = await step.run(batchOf(setting, at), { lr: 1e-3, step: at });
    losses.push(loss, lossClass, lossDistillation ?? 0);
  }
  const values = new Map(state.names().map((name) => [name, state.read(name)]));
  step.dispose();
  state.dispose();
  return { losses: Float32Array.from(losses), values };
}

function asTeacher(teacher: Model | 'outside' | null): TrainStepParts['teacher'] {
  if (teacher === null || teacher === 'outside') return teacher;
  return { ...teacher, cropRatio: 1, interpolation: 'bicubic', columns: null };
}

/** What an optimizer keeps follows the gradient; parameters move by its sign, noise and all. */
const follows = (name: string): boolean =>
  [PREFIX.mean, PREFIX.square, PREFIX.momentum].some((prefix) => name.startsWith(prefix));

/** Root of the mean square of differences, relative to that of what is expected. */
function distance(pairs: readonly (readonly [Float32Array, Float32Array])[]): number {
  let [off, all] = [0, 0];
  for (const [got, want] of pairs) {
    got.forEach((value, at) => ((off += (value - want[at]) ** 2), (all += want[at] ** 2)));
  }
  return Math.sqrt(off / (all || 1));
}

interface Bounds {
  losses: number;
  /** Of what the optimizer keeps, over all of it. */
  kept: number;
}

const EXACT: Bounds = { losses: 1e-5, kept: 1e-5 };

async function compare(setting: Setting, bounds: Bounds = EXACT): Promise<void> {
  const [want, got] = [await steps(tensorflow, setting), await steps(accelerator, setting)];
  const pairs = [...want.values].filter(([name]) => follows(name)).map(([name, values]) => [got.values.get(name)!, values] as const); // prettier-ignore
  const found = { losses: relativeError(got.losses, want.losses), kept: distance(pairs) };
  if (process.env.SHOW_DISTANCE) console.log(expect.getState().currentTestName, found);
  expect(found.losses).toBeLessThan(bounds.losses);
  expect(found.kept).toBeLessThan(bounds.kept);
  // A moving average lies where the parameters were; the parameters themselves have moved alike.
  const moved = [...want.values].filter(([name]) => !follows(name));
  expect(distance(moved.map(([name, values]) => [got.values.get(name)!, values]))).toBeLessThan(100 * bounds.kept);
  expect([...got.values.keys()].sort()).toEqual([...want.values.keys()].sort());
}

const NETWORKS: [string, () => Model][] = [
  ['a DeiT', () => deit()],
  ['a DeiT that computes its activations again', () => deit({ recompute: true })],
  ['a DeiT with dropout', () => deit({ drop: 0.1 })],
  ['an EfficientNet', efficient],
  ['an EfficientNet lite', efficientLite],
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

test('a step whose loss is no number moves nothing', async () => {
  const setting: Setting = { student: deit(), recipe: recipe({ opt: 'adamw', modelEma: true }) };
  const state = fill(accelerator, setting);
  const { student, recipe: own } = setting;
  const name = `${PREFIX.model}head.weight`;
  state.set(name, state.shape(name), state.read(name).fill(NaN, 0, 1));
  const before = new Map(state.names().map((one) => [one, state.read(one)]));
  const step = await createTrainStep(accelerator, state, { student, recipe: own, batchSize: BATCH, teacher: null });
  expect((await step.run(batchOf(setting, 1), { lr: 1e-3, step: 1 })).loss).toBeNaN();
  for (const [one, values] of before) expect(state.read(one), one).toEqual(values);
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
