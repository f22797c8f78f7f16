import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model, ModelOptions } from '../../src-main/model/model.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { cluster } from '../../src-main/engines/tensorflow/cluster.ts';
import { interpret } from '../../src-main/engines/tensorflow/interpret.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import { simplify } from '../../src-main/trace/rewrite.ts';
import type { Program } from '../../src-main/trace/program.ts';
import { hash, print } from '../../src-main/trace/print.ts';
import { adamw } from '../../src-main/trace/ops.ts';
import { record } from '../../src-main/trace/recorder.ts';
import type { State } from '../../src-main/engines/engine.ts';
import { updateScalars } from '../../src-main/train/update.ts';
import { mirroredParts, stepParts } from '../../src-main/train/parts.ts';
import { createTrainStep, recordTrainStep } from '../../src-main/train/step.ts';
import { trainable, PREFIX } from '../../src-main/train/variables.ts';
import { pseudoRandom, relativeError, skipWithout, testEngine } from '../helpers/engine.ts';

const BATCH = 4;
const CLASSES = 5;

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

/** A DeiT of two narrow blocks. */
function tiny({ depth = 2, ...options }: Partial<ModelOptions> & { depth?: number } = {}): Model {
  const shape = { patch: 8, dim: 32, depth, heads: 2, distilled: true as const };
  const network = transformer(shape, { classes: CLASSES, inputSize: 16, dropPath: 0.2, ...options });
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize: 16, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

function fill(state: State, model: Model, prefix: string, seed: number): void {
  model.specs.forEach(({ name, shape }, index) => {
    const count = shape.reduce((product, side) => product * side, 1);
    const values = pseudoRandom(count, seed + index).map((value) => 0.1 * value + (name.includes('norm') ? 1 : 0));
    state.set(prefix + name, shape, values);
  });
}

function freshState(model: Model): State {
  const state = engine.newState();
  refill(state, model);
  return state;
}

/** Sets parameters and moments to what they are at first. */
function refill(state: State, model: Model): void {
  fill(state, model, PREFIX.model, 1);
  fill(state, model, PREFIX.teacher, 1000);
  for (const { name, shape } of trainable(model)) {
    const zeros = new Float32Array(shape.reduce((product, side) => product * side, 1));
    state.set(PREFIX.mean + name, shape, zeros);
    state.set(PREFIX.square + name, shape, zeros);
  }
}

/** Makes something once, when it is first asked for. */
function once<Made>(make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | undefined;
  return () => (made ??= make());
}

function batch(seed: number, rows = 4) {
  const images = Uint8Array.from(pseudoRandom(BATCH * 16 * 16 * 3, seed), (value) => 127.5 * (value + 1));
  const labels = Int32Array.from(pseudoRandom(BATCH, seed + 1), (value) => Math.floor(((value + 1) / 2) * CLASSES));
  const noise = pseudoRandom(rows * BATCH, seed + 2).map((value) => (value + 1) / 2);
  return { images, labels, noise };
}

const recipe = (changes: Partial<Recipe>): Recipe => ({
  ...defaultRecipe(),
  ...WITHOUT_AUGMENTATION,
  ...changes,
});

function inputs(settings: Recipe, step: number, lr: number): Record<string, Values> {
  const scalars = Object.entries(updateScalars(settings, lr, step));
  return {
    ...batch(step, settings.cosub ? 8 : 4),
    ...Object.fromEntries(scalars.map(([name, value]) => [name, Float32Array.of(value)])),
  };
}

const KINDS: [string, Partial<Recipe>][] = [
  ...(['none', 'hard', 'soft'] as const).map((kind): [string, Partial<Recipe>] => [kind, { distillationType: kind }]),
  ['no distillation, but co-training of submodels,', { cosub: true }],
  ['no distillation, but two class tokens and so no', { twoClassTokens: true }],
];

describe.each(KINDS)('the training step with %s distillation', (_, changes) => {
  const settings = recipe({ ...changes, distillationTau: 3 });

  test('does compiled what it does op by op', async () => {
    const model = tiny();
    const teacher = settings.distillationType === 'none' ? null : tiny();
    const program = recordTrainStep(engine, { student: model, teacher, recipe: settings, batchSize: BATCH });
    const state = freshState(model);
    const compiled = compile(engine.tensorflow, program, state);
    const expected = interpret(engine.tensorflow, program, state, inputs(settings, 1, 1e-3));
    const got = await compiled.run(inputs(settings, 1, 1e-3));
    expect(relativeError(got.loss as Float32Array, expected.outputs.loss as Float32Array)).toBeLessThan(1e-5);
    // After the first step the mean gradient is a tenth of the gradient. (Parameters move by its sign, noise and all.)
    for (const { name } of trainable(model)) {
      const gradient = expected.assigns[PREFIX.mean + name];
      if (!gradient) expect(name).toMatch(/^head_dist/);
      else expect(relativeError(state.read(PREFIX.mean + name), gradient as Float32Array), name).toBeLessThan(1e-5);
    }
    compiled.dispose();
    state.dispose();
  });
});

test('two class tokens learn the labels alike: the loss is that of each token in the place of the first', async () => {
  const model = tiny({ dropPath: 0 });
  const lossesOf = async (changes: Partial<Recipe>, ways: readonly ('kept' | 'swapped')[]) => {
    const state = freshState(model);
    const parts = { student: model, teacher: null, recipe: recipe(changes), batchSize: BATCH };
    const step = await createTrainStep(engine, state, parts);
    const found = [];
    for (const way of ways) {
      refill(state, model);
      if (way === 'swapped') swapTokens(state, model);
      const { loss } = await step.run({ ...batch(1), noise: null }, { lr: 1e-3, step: 1 });
      found.push({ loss, moved: Math.max(...state.read(PREFIX.mean + 'head_dist.bias').map(Math.abs)) });
    }
    step.dispose();
    state.dispose();
    return found;
  };
  const [both] = await lossesOf({ twoClassTokens: true }, ['kept']);
  const [first, second] = await lossesOf({}, ['kept', 'swapped']);
  expect(first.loss).not.toBeCloseTo(second.loss, 4);
  expect(both.loss).toBeCloseTo((first.loss + second.loss) / 2, 5);
  expect(first.moved).toBe(0);
  expect(both.moved).toBeGreaterThan(1e-4);
});

/** Puts the second token with its position and head in the place of the first. */
function swapTokens(state: State, model: Model): void {
  const read = (name: string): Float32Array => state.read(PREFIX.model + name);
  const set = (name: string, values: Float32Array): void =>
    state.set(PREFIX.model + name, model.specs.find((spec) => spec.name === name)!.shape, values);
  for (const [one, other] of [
    ['cls_token', 'dist_token'],
    ['head.weight', 'head_dist.weight'],
    ['head.bias', 'head_dist.bias'],
  ]) {
    // prettier-ignore
    const [first, second] = [read(one).slice(), read(other).slice()];
    set(one, second);
    set(other, first);
  }
  const positions = read('pos_embed').slice();
  const width = read('cls_token').length;
  set('pos_embed', Float32Array.of(...positions.slice(width, 2 * width), ...positions.slice(0, width), ...positions.slice(2 * width))); // prettier-ignore
}

test('submodels that drop nothing are the same: what one says is all that the other learns of it', async () => {
  const run = async (dropPath: number) => {
    const model = tiny({ dropPath });
    const state = freshState(model);
    const parts = { student: model, teacher: null, recipe: recipe({ cosub: true }), batchSize: BATCH };
    const step = await createTrainStep(engine, state, parts);
    const { noise, ...given } = batch(1, 8);
    const losses = await step.run({ ...given, noise: dropPath > 0 ? noise : null }, { lr: 1e-3, step: 1 });
    step.dispose();
    state.dispose();
    return losses;
  };
  const [same, differing] = [await run(0), await run(0.5)];
  // Binary cross-entropy of an answer with itself is its entropy, at most log 2.
  expect(2 * same.loss - same.lossClass).toBeLessThan(Math.log(2));
  expect(differing.loss).not.toBeCloseTo(same.loss, 4);
});

describe('lowering', () => {
  const run = async (rewrite: (program: Program) => Program) => {
    const model = tiny();
    const program = recordTrainStep(engine, { student: model, teacher: tiny(), recipe: recipe({ distillationType: 'hard' }), batchSize: BATCH }); // prettier-ignore
    const state = freshState(model);
    const compiled = compile(engine.tensorflow, rewrite(program), state);
    const { loss } = await compiled.run(inputs(recipe({}), 1, 1e-3));
    const gradients = Object.fromEntries(trainable(model).map(({ name }) => [name, state.read(PREFIX.mean + name)]));
    compiled.dispose();
    state.dispose();
    return { loss: loss as Float32Array, gradients };
  };
  const asRecorded = once(() => run((program) => program));

  test.for([
    ['without duplicates', 'float32', simplify, 1e-6, 1e-5],
    [
      'with element-wise clusters compiled by XLA',
      'float32',
      (program: Program) => cluster(simplify(program), 1),
      1e-5,
      1e-5,
    ],
    // bfloat16 keeps 8 bits: one product is off by 2⁻⁹ at most, and errors of many average out.
    [
      'in bfloat16',
      'bfloat16',
      (program: Program) => lower(program, { precision: 'bfloat16', fuse: false }),
      5e-3,
      5e-2,
    ],
    ['in float16', 'float16', (program: Program) => lower(program, { precision: 'float16', fuse: true }), 1e-3, 1e-2],
  ] as const)('%s it is the same step', async ([, precision, rewrite, lossBound, gradientBound], context) => {
    skipWithout(precision, context);
    const expected = await asRecorded();
    const got = await run(rewrite);
    expect(relativeError(got.loss, expected.loss)).toBeLessThan(lossBound);
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      expect(relativeError(got.gradients[name], gradient), name).toBeLessThan(gradientBound);
    }
  });

  test('clusters mean what they were made of', () => {
    const model = tiny();
    const settings = recipe({ microBatch: BATCH });
    const whole = recordTrainStep(engine, { student: model, teacher: null, recipe: settings, batchSize: BATCH });
    const clustered = cluster(simplify(whole), 1);
    expect(clustered.nodes.filter(({ body }) => body).length).toBeGreaterThan(5);
    const state = freshState(model);
    const expected = interpret(engine.tensorflow, whole, state, inputs(recipe({}), 1, 1e-3));
    expect(interpret(engine.tensorflow, clustered, state, inputs(recipe({}), 1, 1e-3))).toEqual(expected);
    state.dispose();
  });
});

describe('a batch in parts', () => {
  const ODD = 7;
  const mean = async (changes: Partial<Recipe>) => {
    const model = tiny({ drop: 0.2 });
    const settings = recipe({ distillationType: changes.cosub ? 'none' : 'hard', mixup: 0.8, ...changes });
    const teacher = changes.cosub ? null : tiny();
    const state = freshState(model);
    const step = await createTrainStep(engine, state, { student: model, teacher, recipe: settings, batchSize: ODD });
    const images = Uint8Array.from(pseudoRandom(ODD * 16 * 16 * 3, 1), (value) => 127.5 * (value + 1));
    const labels = Int32Array.of(0, 1, 2, 3, 4, 0, 1);
    const noise = pseudoRandom((changes.cosub ? 14 : 7) * ODD, 3).map((value) => (value + 1) / 2);
    const mix = Array.from({ length: ODD }, (_, index) => ({ lambda: 0.9 - 0.1 * index, box: null }));
    const losses = await step.run({ images, labels, noise, mix }, { lr: 1e-3, step: 1 });
    const gradients = Object.fromEntries(trainable(model).map(({ name }) => [name, state.read(PREFIX.mean + name)]));
    step.dispose();
    state.dispose();
    return { losses, gradients };
  };
  const undivided = once(() => mean({ microBatch: ODD }));

  test.each([1, 2, 3, 4, 6])('of at most %i images has the losses and gradients of the whole', async (microBatch) => {
    const whole = await undivided();
    const parted = await mean({ microBatch });
    expect(parted.losses.loss).toBeCloseTo(whole.losses.loss, 5);
    expect(parted.losses.lossDistillation).toBeCloseTo(whole.losses.lossDistillation!, 5);
    for (const [name, gradient] of Object.entries(whole.gradients)) {
      expect(relativeError(parted.gradients[name], gradient), name).toBeLessThan(1e-5);
    }
  });

  test('drops in each submodel what it would drop in the whole', async () => {
    const whole = await mean({ microBatch: ODD, cosub: true });
    const parted = await mean({ microBatch: 2, cosub: true });
    expect(parted.losses.loss).toBeCloseTo(whole.losses.loss, 5);
    for (const [name, gradient] of Object.entries(whole.gradients)) {
      expect(relativeError(parted.gradients[name], gradient), name).toBeLessThan(1e-5);
    }
  });

  test('has half as many images where each is computed twice', () => {
    const sizes = [1, 2].map((views) => {
      const parts = stepParts(tiny({ depth: 1 }), { batchSize: 4000, microBatch: 0, lanes: 2, views })!;
      return Math.max(...parts.map(({ length }) => length));
    });
    expect(sizes[0] / sizes[1]).toBeCloseTo(2, 1);
  });

  test('has every image once, with its mirror image', () => {
    for (const [count, size, lanes] of [
      [32, 8, 2],
      [7, 2, 2],
      [5, 8, 3],
      [1, 1, 1],
      [64, 6, 2],
    ]) {
      // prettier-ignore
      const parts = mirroredParts(count, size, lanes);
      expect(parts.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
      for (const part of parts) {
        expect([...part].reverse()).toEqual(part.map((place) => count - 1 - place));
        expect(part.length).toBeLessThanOrEqual(Math.max(size, 2));
      }
    }
  });
});

test('recomputed activations take less memory, and so do smaller parts', async () => {
  const memory = async (changes: Partial<ModelOptions>, microBatch: number): Promise<number> => {
    const student = { ...tiny({ depth: 8, inputSize: 64, ...changes }), inputSize: 64 };
    const parts = { student, teacher: null, recipe: recipe({ microBatch }), batchSize: 32 };
    return (await engine.footprint(recordTrainStep(engine, parts))).values;
  };
  const whole = await memory({}, 32);
  expect(await memory({ recompute: true }, 32)).toBeLessThan(0.4 * whole);
  expect(await memory({}, 4)).toBeLessThan(0.4 * whole);
});

test.for([
  ['float32', 6, 1e-5],
  ['bfloat16', 2, 2e-2],
] as const)('recomputed activations give the same gradients in %s', async ([precision, digits, bound], context) => {
  skipWithout(precision, context);
  const run = async (recompute: boolean) => {
    const model = tiny({ recompute, drop: 0.1 });
    const state = freshState(model);
    const noise = pseudoRandom(7 * BATCH, 3).map((value) => (value + 1) / 2);
    const step = await createTrainStep(engine, state, { student: model, teacher: null, recipe: recipe({}), batchSize: BATCH, precision }); // prettier-ignore
    const { loss } = await step.run({ ...batch(1), noise }, { lr: 1e-3, step: 1 });
    const gradients = trainable(model).map(({ name }) => state.read(PREFIX.mean + name));
    step.dispose();
    state.dispose();
    return { loss, gradients };
  };
  const [kept, again] = [await run(false), await run(true)];
  expect(again.loss).toBeCloseTo(kept.loss, digits);
  again.gradients.forEach((gradient, index) => {
    expect(relativeError(gradient, kept.gradients[index])).toBeLessThan(bound);
  });
});

describe('float16', () => {
  beforeEach((context) => skipWithout('float16', context));
  const start = async () => {
    const model = tiny();
    const state = freshState(model);
    const parts = { student: model, teacher: null, recipe: recipe({ dropPath: 0 }), batchSize: BATCH };
    return { state, step: await createTrainStep(engine, state, { ...parts, precision: 'float16' }) };
  };
  const values = (state: State) => Object.fromEntries(state.names().map((name) => [name, state.read(name)]));
  const scaler = (state: State) => ['scale', 'clean', 'skipped'].map((name) => state.read(`scaler.${name}`)[0]);

  test('learns as float32 does', async () => {
    const { state, step } = await start();
    state.set('scaler.scale', [], Float32Array.of(1024));
    const plain = freshState(tiny());
    const exact = await createTrainStep(engine, plain, { student: tiny(), teacher: null, recipe: recipe({ dropPath: 0 }), batchSize: BATCH }); // prettier-ignore
    for (let index = 1; index <= 10; index++) {
      const half = await step.run(batch(index), { lr: 1e-3, step: index });
      const full = await exact.run(batch(index), { lr: 1e-3, step: index });
      expect(Math.abs(half.loss - full.loss)).toBeLessThan(5e-3);
    }
    expect(scaler(state)).toEqual([1024, 10, 0]);
  });

  test('skips a step whose gradients overflow and halves the scale, until it fits', async () => {
    const { state, step } = await start();
    const before = values(state);
    state.set('scaler.scale', [], Float32Array.of(2 ** 100));
    const { loss } = await step.run(batch(1), { lr: 1e-3, step: 1 });
    expect(Number.isFinite(loss)).toBe(true);
    expect(scaler(state)).toEqual([2 ** 99, 0, 1]);
    const moved = Object.keys(before).filter((name) => relativeError(state.read(name), before[name]) > 0);
    expect(moved.filter((name) => !name.startsWith('scaler.'))).toEqual([]);
    // A skipped step does not count: the next is Adam's first.
    state.set('scaler.scale', [], Float32Array.of(1024));
    await step.run(batch(2), { lr: 1e-3, step: 2 });
    const fresh = await start();
    await fresh.step.run(batch(2), { lr: 1e-3, step: 1 });
    expect(relativeError(state.read('model.head.weight'), fresh.state.read('model.head.weight'))).toBeLessThan(1e-3);
  });

  test('doubles the scale after two thousand good steps', async () => {
    const { state, step } = await start();
    state.set('scaler.clean', [], Float32Array.of(1999));
    await step.run(batch(1), { lr: 1e-3, step: 1 });
    expect(scaler(state)).toEqual([131072, 0, 0]);
  });

  test('keeps the scale after a loss that is not finite', async () => {
    const { state, step } = await start();
    state.set('model.head.bias', [CLASSES], state.read('model.head.bias').fill(Infinity));
    const before = values(state);
    await step.run(batch(1), { lr: 1e-3, step: 1 });
    expect(values(state)).toEqual(before);
  });
});

test('AdamW in place is AdamW op by op', async () => {
  const spec = { shape: [500], dtype: 'float32' as const };
  const scalar = { shape: [], dtype: 'float32' as const };
  const names = ['lr', 'beta1Power', 'beta2Power', 'beta1', 'beta2', 'epsilon', 'decay'];
  const scalars = Object.fromEntries(names.map((name) => [name, scalar]));
  const variables = { param: spec, mean: spec, square: spec };
  const program = record(engine, { gradient: spec, ...scalars }, variables, (inputs, { param, mean, square }) => {
    const moved = adamw([param, mean, square], inputs.gradient, names.map((name) => inputs[name])); // prettier-ignore
    return { outputs: {}, assigns: { param: moved[0], mean: moved[1], square: moved[2] } };
  });
  const state = engine.newState();
  state.set('param', [500], pseudoRandom(500, 1));
  state.set('mean', [500], pseudoRandom(500, 2));
  state.set('square', [500], pseudoRandom(500, 3).map(Math.abs));
  const values = { ...updateScalars(recipe({}), 1e-2, 3), beta1: 0.9, beta2: 0.999, decay: 0.9995 };
  const fed = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Float32Array.of(value)]));
  const inputs = { gradient: pseudoRandom(500, 4), ...fed };
  const { assigns } = interpret(engine.tensorflow, program, state, inputs);
  const compiled = compile(engine.tensorflow, program, state);
  await compiled.run(inputs);
  for (const name of state.names()) {
    expect(relativeError(state.read(name), assigns[name] as Float32Array), name).toBeLessThan(1e-6);
  }
  compiled.dispose();
  state.dispose();
});

describe('the training step', () => {
  const parts = () => ({ student: tiny(), teacher: null, recipe: recipe({}), batchSize: BATCH });
  const compiled = once(async () => {
    const state = freshState(tiny());
    return { state, step: await createTrainStep(engine, state, parts()) };
  });
  /** The one compiled step, its state as it is before the first. */
  const start = async () => {
    const { state, step } = await compiled();
    refill(state, tiny());
    return { state, step };
  };

  test('is the same program whatever the learning rate, the seed and the step', () => {
    const one = recordTrainStep(engine, parts());
    const other = recordTrainStep(engine, { ...parts(), recipe: recipe({ lr: 3e-3, seed: 7, epochs: 3 }) });
    expect(print(other)).toBe(print(one));
    expect(hash(other)).toBe(hash(one));
  });

  test('is written down: whoever changes it sees what changed', async () => {
    const student = tiny({ depth: 1, dropPath: 0 });
    const settings = recipe({ microBatch: 2 });
    const recorded = recordTrainStep(engine, { student, teacher: null, recipe: settings, batchSize: 4 });
    const program = lower(recorded, { precision: 'bfloat16', fuse: true });
    await expect(print(program)).toMatchFileSnapshot('step.program.txt');
  });

  test('learns a batch by heart', async () => {
    const { step } = await start();
    const losses: number[] = [];
    for (let index = 1; index <= 60; index++) {
      losses.push((await step.run(batch(5), { lr: 3e-3, step: index })).loss);
    }
    expect(losses[0]).toBeGreaterThan(1.2);
    expect(losses[59]).toBeLessThan(0.6); // the smoothed targets' own entropy is 0.4
  });

  test('leaves the state alone when the loss is not finite', async () => {
    const { state, step } = await start();
    await step.run(batch(1), { lr: 1e-3, step: 1 });
    const poisoned = state.read('model.head.bias').fill(Infinity);
    state.set('model.head.bias', [CLASSES], poisoned);
    const before = state.names().map((name) => state.read(name));
    const { loss } = await step.run(batch(2), { lr: 1e-3, step: 2 });
    expect(Number.isFinite(loss)).toBe(false);
    expect(state.names().map((name) => state.read(name))).toEqual(before);
  });

  test('leaves the state alone when gradients overflow though the loss is finite', async () => {
    const state = freshState(tiny({ dropPath: 0 }));
    const step = await createTrainStep(engine, state, { ...parts(), student: tiny({ dropPath: 0 }) });
    // The logits are the bias: what the weights of the head multiply is 0. On the way back they do not fit float32.
    for (const name of ['norm.weight', 'norm.bias']) state.set(`model.${name}`, [32], new Float32Array(32));
    state.set('model.head.weight', [CLASSES, 32], new Float32Array(CLASSES * 32).fill(3e38, 0, 32));
    state.set('model.head.bias', [CLASSES], Float32Array.of(20, 0, 0, 0, 0));
    const before = state.names().map((name) => state.read(name));
    const { labels, ...given } = batch(1);
    const result = await step.run({ ...given, labels: labels.fill(1), noise: null }, { lr: 1e-3, step: 1 });
    expect(result.loss).toBeGreaterThan(10);
    expect(result).toMatchObject({ loss: expect.any(Number) as number, overflow: true });
    expect(Number.isFinite(result.loss)).toBe(true);
    expect(state.names().map((name) => state.read(name))).toEqual(before);
    step.dispose();
    state.dispose();
  });

  test('leaves nothing behind after 200 steps', async () => {
    const { step } = await start();
    await step.run(batch(1), { lr: 1e-3, step: 1 });
    const [handles, tensors] = [
      engine.tensorflow.binding.getNumOfTensors(),
      (await import('@tensorflow/tfjs-core')).memory(),
    ];
    for (let index = 2; index <= 200; index++) await step.run(batch(index), { lr: 1e-3, step: index });
    expect(engine.tensorflow.binding.getNumOfTensors()).toBe(handles);
    expect((await import('@tensorflow/tfjs-core')).memory().numTensors).toBe(tensors.numTensors);
  });
});
