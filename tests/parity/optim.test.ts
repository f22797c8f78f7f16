import { shapeSize } from '../../src-main/base/shape-size.ts';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model, ParamSpec } from '../../src-main/model/model.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { parseSavedRecipe, totalEpochs, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import { record } from '../../src-main/trace/recorder.ts';
import type { State } from '../../src-main/engines/engine.ts';
import { finite } from '../../src-main/trace/ops.ts';
import { layerDepths } from '../../src-main/train/layer-decay.ts';
import { lrAt } from '../../src-main/train/schedule.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { noiseRows } from '../../src-main/train/submodels.ts';
import { averaged, update, updateInputs, updateScalars, updateVariables } from '../../src-main/train/update.ts';
import { PREFIX, trainable } from '../../src-main/train/variables.ts';
import { relativeError, testEngine } from '../helpers/engine.ts';
import { parameterValues, signed, uniform } from '../helpers/generated.ts';

/** Schedules, optimizers and training curves against timm's and torch's own numbers (make-optim-fixtures.py). */

interface ScheduleCase {
  recipe: Partial<Recipe>;
  totalEpochs: number;
  rates: number[];
  scores?: number[];
}
interface OptimizerCase {
  recipe: Partial<Recipe>;
  first: Record<string, number[]>;
  fifth: Record<string, number[]>;
  ema?: Record<string, number[]>;
}
interface LayerCase {
  model: string;
  depths: number[];
}
interface CurveCase {
  recipe: Partial<Recipe>;
  losses: number[];
  norm: number;
}

function cases<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T[];
}
const titled = <T extends { recipe: object }>(all: T[]) => all.map((one) => [JSON.stringify(one.recipe), one] as const);

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

describe('a whole run has the rates of timm', () => {
  const STEPS = 7;
  test.each(titled(cases<ScheduleCase>('schedules.json')))('%s', (_, expected) => {
    const recipe = parseSavedRecipe({ ...expected.recipe, unscaleLr: true });
    expect(totalEpochs(recipe)).toBe(expected.totalEpochs);
    const perEpoch = recipe.schedOnUpdates ? STEPS : 1;
    const scores = expected.scores ?? [];
    const rates = Array.from({ length: expected.totalEpochs * perEpoch }, (_, index) =>
      lrAt(recipe, Math.floor(index / perEpoch), { batch: index % perEpoch, stepsPerEpoch: STEPS, scores }),
    );
    expect(expected.rates.length).toBe(rates.length);
    rates.forEach((rate, index) => expect(Math.abs(rate / expected.rates[index] - 1), `${index}`).toBeLessThan(1e-9));
  });
});

const all = cases<OptimizerCase | LayerCase>('optimizers.json');
const SHAPES: Record<string, number[]> = {
  cls_token: [1, 1, 6],
  'patch_embed.proj.weight': [4, 3, 2, 2],
  'norm.weight': [6],
  'head.weight': [5, 6],
  'head.bias': [5],
};

describe('five steps move parameters as torch and timm do', () => {
  const specs = Object.entries(SHAPES).map(([name, shape]): ParamSpec => {
    const exempt = name === 'cls_token' && { noWeightDecay: true as const };
    return { name, shape, init: { kind: 'zeros' }, buffer: false, ...exempt };
  });
  const model = { specs } as Model;

  function stepOver(recipe: Recipe, state: State) {
    const gradients = Object.fromEntries(specs.map(({ name, shape }) => [`grad.${name}`, { shape, dtype: 'float32' as const }])); // prettier-ignore
    const inputs = { ...gradients, loss: { shape: [], dtype: 'float32' as const }, ...updateInputs(recipe) };
    const program = record(engine, inputs, updateVariables(model, recipe), (inputs, variables) => {
      const good = finite(inputs.loss);
      const given = Object.fromEntries(specs.map(({ name }) => [name, inputs[`grad.${name}`]]));
      const moved = update(model, recipe, inputs, variables, given, good);
      return { outputs: {}, assigns: { ...moved, ...averaged(model, recipe, inputs, variables, moved, good) } };
    });
    const compiled = compile(engine.tensorflow, lower(program, { precision: 'float32', fuse: true }), state);
    const run = (step: number, loss: number, gradient = (name: string, shape: number[]) => signed(`${name}.grad.${step}`, shapeSize(shape), 1)) => {
      const given = specs.map(({ name, shape }) => [`grad.${name}`, gradient(name, shape)]);
      const scalars = Object.entries(updateScalars(recipe, 1e-2, step)).map(([name, value]) => [name, Float32Array.of(value)]); // prettier-ignore
      return compiled.run({ ...Object.fromEntries([...given, ...scalars]), loss: Float32Array.of(loss) });
    }; // prettier-ignore
    return { run, dispose: () => compiled.dispose() };
  }

  function startState(recipe: Recipe): State {
    const state = engine.newState();
    for (const [name, { shape }] of Object.entries(updateVariables(model, recipe))) {
      const spec = specs.find((one) => name === PREFIX.model + one.name || name === PREFIX.ema + one.name);
      state.set(name, shape, spec ? parameterValues(spec) : new Float32Array(shapeSize(shape)));
    }
    return state;
  }

  function expectValues(state: State, prefix: string, expected: Record<string, number[]>): void {
    for (const [name, values] of Object.entries(expected))
      expect(relativeError(state.read(prefix + name), values), prefix + name).toBeLessThan(1e-6);
  }

  const optimizers = all.filter((one): one is OptimizerCase => 'recipe' in one);
  test.each(titled(optimizers))('%s', async (_, expected) => {
    const recipe = parseSavedRecipe({ ...expected.recipe });
    const state = startState(recipe);
    const step = stepOver(recipe, state);
    await step.run(1, 0.5);
    expectValues(state, PREFIX.model, expected.first);
    for (const number of [2, 3, 4, 5]) await step.run(number, 0.5);
    expectValues(state, PREFIX.model, expected.fifth);
    if (expected.ema) expectValues(state, PREFIX.ema, expected.ema);
    // A loss that is not a number leaves every bit of the state.
    const before = state.names().map((name) => state.read(name));
    await step.run(6, NaN, (_, shape) => new Float32Array(shapeSize(shape)).fill(NaN));
    expect(state.names().map((name) => state.read(name))).toEqual(before);
    step.dispose();
    state.dispose();
  });
});

describe('layers lie as deep as timm has them', () => {
  const layered = all.filter((one): one is LayerCase => 'depths' in one);
  test.each(layered.map((one) => [one.model, one] as const))('%s', (name, { depths }) => {
    const { specs } = createModel(name, { classes: 1000, inputSize: 224 });
    expect([...layerDepths(specs).values()]).toEqual(depths);
  });
});

describe('fifty steps follow the curve of torch', () => {
  const [SIZE, BATCH, CLASSES, STEPS] = [32, 8, 10, 50];

  function tiny(dropPath = 0): Model {
    const shape = { patch: 8, dim: 48, depth: 3, heads: 3, distilled: true };
    const network = transformer(shape, { classes: CLASSES, inputSize: SIZE, dropPath });
    const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize: SIZE, cropRatio: 0.875 };
    return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  }

  function fill(state: State, prefix: string, model: Model, named: string): void {
    for (const spec of model.specs) {
      const values = parameterValues({ ...spec, name: named + spec.name });
      const halved = spec.shape.length > 1 ? values.map((value) => value / 2) : values;
      state.set(prefix + spec.name, spec.shape, halved);
    }
  }

  /** Bytes around a colour that belongs to the label, so that there is something to learn. */
  function batchOf(step: number, rows: number) {
    const labels = Int32Array.from({ length: BATCH }, (_, row) => (row * (step % 2 ? 7 : 3)) % CLASSES);
    const colours = uniform('class colours', CLASSES * 3);
    const pixels = uniform(`pixels.${step}`, BATCH * SIZE * SIZE * 3);
    const images = Uint8Array.from(pixels, (value, index) => {
      const label = labels[Math.floor(index / (SIZE * SIZE * 3))];
      return Math.floor(256 * (0.5 * value + 0.5 * colours[3 * label + (index % 3)]));
    });
    return { images, labels, noise: rows > 0 ? Float32Array.from(uniform(`noise.${step}`, rows * BATCH)) : null };
  }

  test.each(titled(cases<CurveCase>('curves.json')))('%s', async (_, expected) => {
    const recipe = parseSavedRecipe({ dropPath: 0, ...expected.recipe, batchSize: BATCH, unscaleLr: true });
    const [student, teacher] = [tiny(recipe.dropPath), recipe.distillationType === 'none' ? null : tiny()];
    const state = engine.newState();
    for (const [name, { shape }] of Object.entries(updateVariables(student, recipe)))
      state.set(name, shape, new Float32Array(shapeSize(shape)));
    fill(state, PREFIX.model, student, '');
    if (teacher) fill(state, PREFIX.teacher, teacher, 'teacher.');
    const step = await createTrainStep(engine, state, { student, teacher, recipe, batchSize: BATCH });
    const losses: number[] = [];
    for (let number = 1; number <= STEPS; number++)
      losses.push((await step.run(batchOf(number, noiseRows(student, recipe)), { lr: recipe.lr, step: number })).loss);
    losses.forEach((loss, index) => expect(Math.abs(loss - expected.losses[index]), `step ${index + 1}`).toBeLessThan(1e-4)); // prettier-ignore
    const squares = student.specs.flatMap(({ name }) =>
      [...state.read(PREFIX.model + name)].map((value) => value ** 2),
    );
    expect(Math.sqrt(squares.reduce((sum, square) => sum + square, 0)) / expected.norm).toBeCloseTo(1, 4);
    const kept = state.names().filter((name) => name.startsWith(PREFIX.mean) || name.startsWith(PREFIX.momentum));
    expect(kept.length).toBe(trainable(student, recipe).length);
    step.dispose();
    state.dispose();
  });
});
