import { beforeAll, describe, expect, test } from 'vitest';
import type { NamedArray } from '../../src-main/formats/named-array.ts';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model } from '../../src-main/model/model.ts';
import { parseSavedRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { startFresh, startResumed } from '../../src-main/job-process/training/train-state.ts';
import type { State } from '../../src-main/engines/engine.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { pseudoRandom, testEngine } from '../helpers/engine.ts';

/** What a training keeps from step to step beside the model, and that it is all that going on takes. */

const [BATCH, CLASSES, SIZE] = [4, 5, 16];

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

function tiny(): Model {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true };
  const network = transformer(shape, { classes: CLASSES, inputSize: SIZE });
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize: SIZE, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

const recipeOf = (changes: Partial<Recipe>) => parseSavedRecipe({ batchSize: BATCH, ...changes });

function fresh(model: Model, recipe: Recipe): State {
  const state = engine.newState();
  startFresh(state, model, recipe);
  return state;
}

/** All of a state, as a checkpoint has it. */
function saved(state: State): Map<string, NamedArray> {
  const arrays = state.names().map((name) => [name, arrayOf(state.shape(name), state.read(name))] as const);
  return new Map(arrays);
}

function arrayOf(shape: number[], values: Float32Array): NamedArray {
  return { shape, dtype: 'F32', toFloat32: () => values } as unknown as NamedArray;
}

async function train(state: State, model: Model, recipe: Recipe, from: number, to: number): Promise<number[]> {
  const step = await createTrainStep(engine, state, { student: model, teacher: null, recipe, batchSize: BATCH });
  const losses: number[] = [];
  for (let number = from; number <= to; number++) {
    const images = Uint8Array.from(pseudoRandom(BATCH * SIZE * SIZE * 3, number), (value) => 127.5 * (value + 1));
    const labels = Int32Array.from({ length: BATCH }, (_, row) => (row + number) % CLASSES);
    losses.push((await step.run({ images, labels, noise: null }, { lr: 1e-2, step: number })).loss);
  }
  step.dispose();
  return losses;
}

const prefixes = (state: State) => [...new Set(state.names().map((name) => name.slice(0, name.indexOf('.') + 1)))];

describe('what is kept of a training', () => {
  test.each<[Partial<Recipe>, string[]]>([
    [{ opt: 'adamw' }, [PREFIX.model, PREFIX.mean, PREFIX.square]],
    [{ opt: 'lamb', modelEma: true }, [PREFIX.model, PREFIX.mean, PREFIX.square, PREFIX.ema]],
    [{ opt: 'sgd' }, [PREFIX.model, PREFIX.momentum]],
    [{ opt: 'momentum', momentum: 0 }, [PREFIX.model]],
  ])('%j', (changes, expected) => {
    const state = fresh(tiny(), recipeOf(changes));
    expect(prefixes(state)).toEqual(expected);
    state.dispose();
  });

  test('is nothing of frozen parameters, which do not move', async () => {
    const [model, recipe] = [tiny(), recipeOf({ attnOnly: true, weightDecay: 0.5 })];
    const state = fresh(model, recipe);
    const kept = state.names().filter((name) => name.startsWith(PREFIX.mean)).map((name) => name.slice(PREFIX.mean.length)); // prettier-ignore
    const attention = ['attn.qkv.weight', 'attn.qkv.bias', 'attn.proj.weight', 'attn.proj.bias'];
    const blocks = [0, 1].flatMap((block) => attention.map((name) => `blocks.${block}.${name}`));
    expect(kept.sort()).toEqual(['head.bias', 'head.weight', 'pos_embed', ...blocks].sort());
    const before = saved(state);
    await train(state, model, recipe, 1, 2);
    const moved = model.specs.filter(({ name }) => {
      const old = before.get(PREFIX.model + name)!.toFloat32();
      return state.read(PREFIX.model + name).some((value, index) => value !== old[index]);
    });
    expect(moved.map(({ name }) => name).sort()).toEqual(kept.sort());
    state.dispose();
  });
});

describe('a resumed training', () => {
  const choices: Partial<Recipe>[] = [
    { opt: 'adamw', modelEma: true, modelEmaWarmup: true, clipGrad: 1 },
    { opt: 'lamb', modelEma: true, modelEmaDecay: 0.9, layerDecay: 0.8 },
    { opt: 'sgd', clipGrad: 0.02, clipMode: 'agc' },
  ];
  test.each(choices)('goes on to the bit with %j', async (changes) => {
    const [model, recipe] = [tiny(), recipeOf(changes)];
    const whole = fresh(model, recipe);
    const first = await train(whole, model, recipe, 1, 3);
    const checkpoint = saved(whole);
    const losses = await train(whole, model, recipe, 4, 6);
    expect(losses.every(Number.isFinite) && losses.at(-1) !== first[0]).toBe(true);
    const resumed = engine.newState();
    startResumed(resumed, model, { path: 'x', tensors: checkpoint }, recipe);
    expect(await train(resumed, model, recipe, 4, 6)).toEqual(losses);
    expect(resumed.names()).toEqual(whole.names());
    for (const name of whole.names()) expect(resumed.read(name), name).toEqual(whole.read(name));
    whole.dispose();
    resumed.dispose();
  });

  test('begins an average that the checkpoint has not as the model', () => {
    const model = tiny();
    const old = fresh(model, recipeOf({}));
    const state = engine.newState();
    startResumed(state, model, { path: 'x', tensors: saved(old) }, recipeOf({ modelEma: true }));
    for (const { name } of model.specs) expect(state.read(PREFIX.ema + name)).toEqual(old.read(PREFIX.model + name));
    old.dispose();
    state.dispose();
  });

  test('refuses the checkpoint of another optimizer, or of another model', () => {
    const [model, state] = [tiny(), engine.newState()];
    const old = fresh(model, recipeOf({ opt: 'sgd' }));
    const resume = (tensors: Map<string, NamedArray>) => () => startResumed(state, model, { path: 'x', tensors }, recipeOf({})); // prettier-ignore
    expect(resume(saved(old))).toThrow(expect.objectContaining({ code: 'run.optimizer-changed' }));
    const other = saved(old);
    other.delete('model.norm.weight');
    expect(resume(other)).toThrow(expect.objectContaining({ code: 'weights.keys' }));
    expect(state.names()).toEqual([]);
    old.dispose();
    state.dispose();
  });
});
