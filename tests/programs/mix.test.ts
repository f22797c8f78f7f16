import { beforeAll, describe, expect, test } from 'vitest';
import type * as tf from '@tensorflow/tfjs-core';
import type { Box } from '../../src-main/data/augment/erase.ts';
import { drawMix, type MixDraw } from '../../src-main/data/augment/mix.ts';
import { Random } from '../../src-main/data/random.ts';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model } from '../../src-main/model/model.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { interpret } from '../../src-main/engines/tensorflow/interpret.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import { simplify } from '../../src-main/trace/rewrite.ts';
import { cluster } from '../../src-main/engines/tensorflow/cluster.ts';
import { castTo } from '../../src-main/trace/ops.ts';
import { hash } from '../../src-main/trace/print.ts';
import { inputsOf } from '../../src-main/trace/program.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { updateScalars } from '../../src-main/train/update.ts';
import { smoothTargets } from '../../src-main/train/losses.ts';
import { drawInputs, drawnImages, drawnTargets, drawValues, type Draws } from '../../src-main/train/mix.ts';
import { createTrainStep, recordTrainStep } from '../../src-main/train/step.ts';
import { PREFIX, trainable } from '../../src-main/train/variables.ts';
import { pseudoRandom, relativeError, testEngine } from '../helpers/engine.ts';

const [BATCH, SIDE, CLASSES] = [6, 16, 5];

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

const recipe = (changes: Partial<Recipe>): Recipe => ({
  ...defaultRecipe(),
  ...WITHOUT_AUGMENTATION,
  ...changes,
});

/** A DeiT of two narrow blocks. */
function tiny(): Model {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true as const };
  const network = transformer(shape, { classes: CLASSES, inputSize: SIDE, dropPath: 0 });
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize: SIDE, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

const images = Uint8Array.from(pseudoRandom(BATCH * SIDE * SIDE * 3, 1), (value) => 127.5 * (value + 1));
const labels = Int32Array.of(0, 1, 2, 3, 4, 0);

/** Images and targets as the step makes them, compiled with XLA and op by op. */
async function drawn(settings: Recipe, draws: Draws, step = 1) {
  const specs = {
    images: { shape: [BATCH, SIDE, SIDE, 3], dtype: 'uint8' as const },
    labels: { shape: [BATCH], dtype: 'int32' as const },
    ...drawInputs(settings, BATCH),
  };
  const program = record(engine, specs, {}, (inputs) => {
    const asRead = castTo(inputs.images, 'uint8', 'float32') as tf.Tensor4D;
    const targets = smoothTargets(inputs.labels as tf.Tensor1D, CLASSES, settings.smoothing);
    const outputs = {
      images: drawnImages(settings, tiny(), asRead, inputs),
      targets: drawnTargets(settings, targets, inputs),
    };
    return { outputs, assigns: {} };
  });
  const state = engine.newState();
  const inputs = { images, labels, ...drawValues(settings, draws, BATCH, step) };
  const compiled = compile(engine.tensorflow, cluster(simplify(program), 1), state);
  const got = await compiled.run(inputs);
  compiled.dispose();
  const { outputs } = interpret(engine.tensorflow, program, state, inputs);
  state.dispose();
  const both = (name: string) => [got[name] as Float32Array, outputs[name] as Float32Array] as const;
  expect(relativeError(...both('images'))).toBeLessThan(1e-6);
  expect(relativeError(...both('targets'))).toBeLessThan(1e-6);
  return { images: both('images')[0], targets: both('targets')[0] };
}

const at = (row: number, y: number, x: number, channel: number) => ((row * SIDE + y) * SIDE + x) * 3 + channel;

const holds = ({ left, top, width, height }: Box, y: number, x: number) =>
  y >= top && y < top + height && x >= left && x < left + width;

/** Every value of a batch, in the order of memory. */
function everywhere(value: (row: number, y: number, x: number, channel: number) => number): Float32Array {
  const values = new Float32Array(BATCH * SIDE * SIDE * 3);
  for (let row = 0; row < BATCH; row++)
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        for (let channel = 0; channel < 3; channel++) values[at(row, y, x, channel)] = value(row, y, x, channel);
  return values;
}

/** What mixing means, number by number. */
function mixed(mix: readonly MixDraw[]): Float32Array {
  return everywhere((row, y, x, channel) => {
    const { lambda, box } = mix[row];
    const [own, partner] = [images[at(row, y, x, channel)], images[at(BATCH - 1 - row, y, x, channel)]];
    if (box) return holds(box, y, x) ? partner : own;
    return own * lambda + partner * (1 - lambda);
  });
}

function mixedTargets(mix: readonly MixDraw[], smoothing: number): Float32Array {
  const smooth = (row: number, k: number) => smoothing / CLASSES + (labels[row] === k ? 1 - smoothing : 0);
  return Float32Array.from({ length: BATCH * CLASSES }, (_, index) => {
    const [row, k] = [Math.floor(index / CLASSES), index % CLASSES];
    return mix[row].lambda * smooth(row, k) + (1 - mix[row].lambda) * smooth(BATCH - 1 - row, k);
  });
}

describe('mixing', () => {
  const settings = recipe({ mixup: 0.8, cutmix: 1, smoothing: 0.1 });
  const options = { mixup: 0.8, cutmix: 1, mixupProb: 0.9, mixupSwitchProb: 0.5 };

  test.each(['batch', 'pair', 'elem'] as const)('is what was drawn, in mode %s', async (mixupMode) => {
    for (let index = 0; index < 6; index++) {
      const mix = drawMix(new Random(3, 'mix', 0, index), BATCH, SIDE, { ...options, mixupMode });
      const got = await drawn(settings, { mix });
      expect(relativeError(got.images, mixed(mix))).toBeLessThan(1e-6);
      expect(relativeError(got.targets, mixedTargets(mix, 0.1))).toBeLessThan(1e-6);
    }
  });

  test('pastes boxes of odd sides, at the edges, of the whole image and of nothing, to the pixel', async () => {
    const boxes: Box[] = [
      { left: 3, top: 2, width: 5, height: 7 },
      { left: 0, top: 0, width: 1, height: 1 },
      { left: 15, top: 15, width: 1, height: 1 },
      { left: 0, top: 0, width: 16, height: 16 },
      { left: 4, top: 4, width: 0, height: 3 },
      { left: 9, top: 0, width: 7, height: 16 },
    ];
    const mix = boxes.map((box) => ({ lambda: 1 - (box.width * box.height) / SIDE ** 2, box }));
    const got = await drawn(settings, { mix });
    expect(got.images).toEqual(mixed(mix));
  });

  test('leaves images and labels as they are at λ = 1', async () => {
    const mix = Array.from({ length: BATCH }, () => ({ lambda: 1, box: null }));
    const got = await drawn(settings, { mix });
    expect(got.images).toEqual(Float32Array.from(images));
    expect(relativeError(got.targets, mixedTargets(mix, 0.1))).toBeLessThan(1e-6);
  });
});

describe('erasing', () => {
  const { mean, std } = tiny();
  const boxes: Box[][] = [
    [{ left: 3, top: 2, width: 5, height: 7 }],
    [],
    [
      { left: 0, top: 0, width: 9, height: 9 },
      { left: 6, top: 5, width: 10, height: 11 },
    ],
    [{ left: 15, top: 0, width: 1, height: 15 }],
    [{ left: 0, top: 0, width: 15, height: 15 }],
    [],
  ];
  const erased = (row: number, y: number, x: number) => boxes[row].some((box) => holds(box, y, x));
  /** Normalised values of the erased pixels; the others must be untouched. */
  const paintOf = (got: Float32Array) => {
    const paint: number[] = [];
    everywhere((row, y, x, channel) => {
      const value = got[at(row, y, x, channel)];
      if (!erased(row, y, x)) expect(value).toBe(images[at(row, y, x, channel)]);
      else paint.push((value / 255 - mean[channel]) / std[channel]);
      return 0;
    });
    return paint;
  };
  const settings = (remode: Recipe['remode'], more: Partial<Recipe> = {}) =>
    recipe({ reprob: 0.5, recount: 2, remode, ...more });

  test('with noise, of its own in every value', async () => {
    const paint = paintOf((await drawn(settings('pixel'), { erase: boxes })).images);
    const average = paint.reduce((sum, value) => sum + value, 0) / paint.length;
    const variance = paint.reduce((sum, value) => sum + (value - average) ** 2, 0) / paint.length;
    expect(Math.abs(average)).toBeLessThan(0.1);
    expect(Math.abs(variance - 1)).toBeLessThan(0.15);
    expect(new Set(paint.map((value) => value.toFixed(4))).size).toBeGreaterThan(0.9 * paint.length);
  });

  test('follows from seed and step', async () => {
    const run = async (seed: number, step: number) =>
      (await drawn(settings('pixel', { seed }), { erase: boxes }, step)).images;
    const first = await run(4_000_000_000, 7);
    expect(await run(4_000_000_000, 7)).toEqual(first);
    expect(await run(4_000_000_000, 8)).not.toEqual(first);
    expect(await run(5, 7)).not.toEqual(first);
  });

  test('with the mean colour', async () => {
    const paint = paintOf((await drawn(settings('const'), { erase: boxes })).images);
    expect(Math.max(...paint.map(Math.abs))).toBeLessThan(1e-6);
  });

  test('with a colour for each rectangle', async () => {
    const { images: got } = await drawn(settings('rand'), { erase: boxes });
    paintOf(got);
    const colour = (row: number, y: number, x: number) => [...got.subarray(at(row, y, x, 0), at(row, y, x, 0) + 3)];
    expect(colour(0, 8, 7)).toEqual(colour(0, 2, 3));
    expect(colour(2, 0, 0)).toEqual(colour(2, 4, 8));
    expect(colour(2, 5, 8)).toEqual(colour(2, 15, 15));
    expect(colour(2, 5, 8)).not.toEqual(colour(2, 0, 0));
    expect(colour(0, 2, 3)).not.toEqual(colour(2, 0, 0));
  });

  test('comes before mixing: a partner brings its own', async () => {
    const erase = boxes.map((_, row) => (row === 0 ? [{ left: 0, top: 0, width: 8, height: 8 }] : []));
    const mix = boxes.map(() => ({ lambda: 0.75, box: null }));
    const both = await drawn(settings('const', { mixup: 1 }), { erase, mix });
    const last = BATCH - 1;
    for (const channel of [0, 1, 2]) {
      const expected = 0.75 * images[at(last, 3, 3, channel)] + 0.25 * 255 * mean[channel];
      expect(both.images[at(last, 3, 3, channel)]).toBeCloseTo(expected, 3);
    }
  });
});

describe('the training step', () => {
  const parts = (changes: Partial<Recipe>) => ({ student: tiny(), teacher: null, recipe: recipe(changes), batchSize: BATCH }); // prettier-ignore
  const EVERYTHING: Partial<Recipe> = { reprob: 0.25, mixup: 0.8, cutmix: 1 };

  test('has nothing of mixing and erasing where neither is on, whatever their other settings', () => {
    const plain = recordTrainStep(engine, parts({}));
    expect(inputsOf(plain).map(({ name }) => name)).toEqual(
      ['images', 'labels', 'lr', 'beta1Power', 'beta2Power', 'epsilon'], // prettier-ignore
    );
    const ops = new Set(plain.nodes.map(({ op }) => op));
    for (const op of ['ReverseV2', 'StatelessRandomNormal', 'LogicalAnd']) expect(ops).not.toContain(op);
    const others: Partial<Recipe> = { remode: 'rand', recount: 3, mixupProb: 0.5, mixupMode: 'elem', aa: 'v0' };
    expect(hash(recordTrainStep(engine, parts(others)))).toBe(hash(plain));
    expect(hash(recordTrainStep(engine, parts({ reprob: 0.25, threeAugment: true })))).toBe(hash(plain));
    expect(hash(recordTrainStep(engine, parts(EVERYTHING)))).not.toBe(hash(plain));
  });

  test('is the same program for every draw, seed and probability', () => {
    const one = hash(recordTrainStep(engine, parts(EVERYTHING)));
    expect(hash(recordTrainStep(engine, parts(EVERYTHING)))).toBe(one);
    const other: Partial<Recipe> = { reprob: 0.9, mixup: 0.1, cutmix: 0, mixupMode: 'pair', seed: 9 };
    expect(hash(recordTrainStep(engine, parts(other)))).toBe(one);
  });

  /** Parameters that look random, of student and teacher. */
  const freshState = () => {
    const state = engine.newState();
    for (const [index, { name, shape }] of tiny().specs.entries()) {
      const count = shape.reduce((product, side) => product * side, 1);
      const centre = name.includes('norm') ? 1 : 0;
      const values = (seed: number) => pseudoRandom(count, seed + index).map((value) => 0.4 * value + centre);
      state.set(PREFIX.model + name, shape, values(1));
      state.set(PREFIX.teacher + name, shape, values(1000));
      for (const prefix of [PREFIX.mean, PREFIX.square]) state.set(prefix + name, shape, new Float32Array(count));
    }
    return state;
  };
  const distilled = (changes: Partial<Recipe>) =>
    ({ ...parts({ ...changes, distillationType: 'soft' }), teacher: tiny() }) as const;
  const scalars = (settings: Recipe) =>
    Object.fromEntries(Object.entries(updateScalars(settings, 1e-3, 1)).map(([name, value]) => [name, Float32Array.of(value)])); // prettier-ignore

  test('with all of it does compiled what it does op by op', async () => {
    const { recipe: settings, ...others } = distilled({ ...EVERYTHING, recount: 2 });
    const program = recordTrainStep(engine, { recipe: settings, ...others });
    const mix = drawMix(new Random(1, 'mix', 0, 0), BATCH, SIDE, {
      ...settings,
      cutmixMinmax: null,
      mixupMode: 'elem',
    });
    const erase = mix.map((_, row) => [{ left: row, top: 3, width: 7, height: 5 }]);
    const inputs = { images, labels, ...scalars(settings), ...drawValues(settings, { mix, erase }, BATCH, 1) };
    const state = freshState();
    const compiled = compile(engine.tensorflow, lower(program, { precision: 'float32', fuse: true }), state);
    const expected = interpret(engine.tensorflow, program, state, inputs);
    const got = await compiled.run(inputs);
    const loss = (values: Record<string, Values>, name: string) => Number(values[name][0]);
    for (const name of ['loss', 'lossDistillation'])
      expect(loss(got, name)).toBeCloseTo(loss(expected.outputs, name), 5);
    for (const { name } of trainable(tiny())) {
      const gradient = expected.assigns[PREFIX.mean + name] as Float32Array;
      expect(relativeError(state.read(PREFIX.mean + name), gradient), name).toBeLessThan(1e-4);
    }
    compiled.dispose();
    state.dispose();
  });

  test('shows the teacher the same mixed images', () => {
    const { recipe: settings, ...others } = distilled({ mixup: 0.8 });
    const program = recordTrainStep(engine, { recipe: settings, ...others });
    const state = freshState();
    const losses = (images: Uint8Array, labels: Int32Array, lambda: number) => {
      const mix = Array.from({ length: BATCH }, () => ({ lambda, box: null }));
      const inputs = { images, labels, ...scalars(settings), ...drawValues(settings, { mix }, BATCH, 1) };
      const { loss, lossClass, lossDistillation } = interpret(engine.tensorflow, program, state, inputs).outputs;
      return [loss, lossClass, lossDistillation].map((values) => Number(values[0]));
    };
    // Each image gives way to its partner entirely: the batch is the one in reverse.
    const bytes = images.length / BATCH;
    const rows = Array.from({ length: BATCH }, (_, row) => [...images.subarray(row * bytes, (row + 1) * bytes)]);
    const reversed = losses(Uint8Array.from(rows.reverse().flat()), labels.slice().reverse(), 1);
    const given = losses(images, labels, 0);
    given.forEach((loss, index) => expect(loss).toBeCloseTo(reversed[index], 5));
    expect(losses(images, labels, 0.5)[2]).not.toBeCloseTo(given[2], 4);
    state.dispose();
  });

  test('has the loss of mixed targets, and refuses a batch without its draws', async () => {
    const model = tiny();
    const state = engine.newState();
    for (const [index, { name, shape }] of model.specs.entries()) {
      const count = shape.reduce((product, side) => product * side, 1);
      state.set(
        PREFIX.model + name,
        shape,
        name === 'head.bias' ? pseudoRandom(count, index) : new Float32Array(count),
      );
    }
    for (const { name, shape } of trainable(model)) {
      const zeros = new Float32Array(shape.reduce((product, side) => product * side, 1));
      for (const prefix of [PREFIX.mean, PREFIX.square]) state.set(prefix + name, shape, zeros);
    }
    // All weights are zero, so the logits are the head's bias whatever the image.
    const logits = [...state.read('model.head.bias')];
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const mix = [0.9, 0.3, 0.5, 0.2, 1, 0].map((lambda) => ({ lambda, box: null }));
    const targets = mixedTargets(mix, 0.1);
    const expected =
      targets.reduce((sum, target, index) => sum - target * (logits[index % CLASSES] - total), 0) / BATCH;
    const step = await createTrainStep(engine, state, parts({ mixup: 0.8, smoothing: 0.1 }));
    await expect(step.run({ images, labels, noise: null }, { lr: 1e-3, step: 1 })).rejects.toThrow('mixShare');
    const { loss, lossClass } = await step.run({ images, labels, noise: null, mix }, { lr: 1e-3, step: 1 });
    expect(loss).toBeCloseTo(expected, 5);
    expect(lossClass).toBe(loss);
    step.dispose();
    state.dispose();
  });
});
