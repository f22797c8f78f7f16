import { readFileSync } from 'node:fs';
import type * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { lowerFrozen } from '../../src-main/engines/tensorflow/lower.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { createEvalStep } from '../../src-main/train/step.ts';
import { relativeError, skipWithout, testEngine } from '../helpers/engine.ts';
import { hashed, images, parameterValues } from '../helpers/generated.ts';

/**
 * Networks whose parameters stay as they are, with batch norm in the kernels of their convolutions and these fused with
 * what follows them, against timm's own numbers in float64 (make-fixtures.py).
 */

interface Case {
  model: string;
  inputSize: number;
  batch: number;
  classes: number;
  dropPath: number | null;
  heads: number[][];
}

const CONVOLUTIONAL = ['efficientnet', 'regnet', 'resnet'];
/** The largest of a family differ from others in width or depth alone. */
const cases = readFileSync(new URL('cases.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)
  .filter(({ dropPath, model }) => dropPath === null && CONVOLUTIONAL.some((family) => model.includes(family)))
  .filter(({ model }) => !['regnety_160', 'tf_efficientnet_b1'].includes(model))
  .map((one): [string, Case] => [`${one.model} at ${one.inputSize}`, one]);

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

const all = () => true;

function recorded({ model, inputSize, batch, classes }: Case) {
  const network = createModel(model, { classes, inputSize });
  const variables = Object.fromEntries(
    network.specs.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]),
  );
  const inputs = { images: { shape: [batch, inputSize, inputSize, 3], dtype: 'float32' as const } };
  const program = record(engine, inputs, variables, ({ images }, params) => {
    const { head } = network.predict(params, images as tf.Tensor4D);
    return { outputs: { head }, assigns: {} };
  });
  return { network, program };
}

async function answers(one: Case, precision: Precision): Promise<Float32Array> {
  const { network, program } = recorded(one);
  const state = engine.newState();
  for (const spec of network.specs) state.set(spec.name, spec.shape, parameterValues(spec));
  const compiled = await engine.compile(program, state, { precision, isFrozen: all });
  const shown = { images: images(one.batch, one.inputSize, one.inputSize) };
  await compiled.run(shown);
  // Again: by now oneDNN has kept the kernels in its own order.
  const { head } = await compiled.run(shown);
  compiled.dispose();
  state.dispose();
  return head as Float32Array;
}

describe('a frozen network answers as timm', () => {
  test.each(cases)('%s', async (_, one) => {
    expect(relativeError(await answers(one, 'float32'), one.heads[0])).toBeLessThan(1e-4);
  });

  const narrow = ['tf_efficientnet_lite0 at 96', 'efficientnet_b0 at 64', 'regnety_002 at 64', 'resnet18 at 64'];
  for (const [name, one] of cases.filter(([name]) => narrow.includes(name))) {
    test(`${name} in bfloat16, to 4 of 100`, async (context) => {
      skipWithout('bfloat16', context);
      expect(relativeError(await answers(one, 'bfloat16'), one.heads[0])).toBeLessThan(0.04);
    });
  }
});

test('nothing but convolutions is left of batch norm and ReLU', () => {
  const resnet = cases.find(([name]) => name.startsWith('resnet50'))![1];
  const { program } = recorded(resnet);
  const { program: lowered } = lowerFrozen(program, { precision: 'float32', fuse: false }, all);
  const ops = lowered.nodes.map(({ op }) => op).filter((op) => !['Input', 'Variable', 'Constant'].includes(op));
  expect(ops.filter((op) => op === 'FusedConv')).toHaveLength(53);
  expect(ops.filter((op) => op !== 'FusedConv')).toEqual(['Pad', 'MaxPool', 'Mean', '_FusedMatMul']);
});

describe('a batch in parts', () => {
  test.each(['regnety_002'])('%s answers frozen as it does otherwise', async (name) => {
    const [SIDE, BATCH] = [64, 6];
    const model = createModel(name, { classes: 10, inputSize: SIDE });
    const state = engine.newState();
    for (const spec of model.specs) state.set(spec.name, spec.shape, parameterValues(spec));
    const shown = Uint8Array.from(hashed('images', BATCH * SIDE * SIDE * 3), (bits) => bits >>> 24);
    const answer = async (frozen: boolean) => {
      const step = await createEvalStep(engine, state, { model, prefix: '', batchSize: BATCH, frozen });
      const { head } = await step.run(shown);
      step.dispose();
      return head;
    };
    expect(relativeError(await answer(true), await answer(false))).toBeLessThan(1e-5);
    expect(state.names()).toEqual(model.specs.map(({ name }) => name));
    state.dispose();
  });
});

describe('once its programs are compiled, a frozen network is held once', () => {
  const [SIDE, BATCH] = [64, 4];
  const shown = Uint8Array.from(hashed('images', BATCH * SIDE * SIDE * 3), (bits) => bits >>> 24);
  const model = createModel('regnety_002', { classes: 10, inputSize: SIDE });
  const filled = () => {
    const state = engine.newState();
    for (const spec of model.specs) state.set(spec.name, spec.shape, parameterValues(spec));
    return state;
  };
  const bytesOf = (state: State) =>
    state.names().reduce((sum, name) => sum + 4 * state.shape(name).reduce((product, side) => product * side, 1), 0);
  const parts = { model, prefix: '', batchSize: BATCH, frozen: true };

  test('what it was prepared from is freed, and it answers as before', async () => {
    const state = filled();
    const step = await createEvalStep(engine, state, parts);
    const { head } = await step.run(shown);
    const whole = bytesOf(state);
    state.trim(all);
    // What is left of 3 million numbers are the kernels of squeeze-and-excitation and the head, which are read as they are.
    expect(bytesOf(state)).toBeLessThan(whole / 4);
    expect(state.names()).toContain('head.fc.weight');
    expect(state.names().filter((name) => name.includes('bn.'))).toEqual([]);
    expect((await step.run(shown)).head).toEqual(head);
    const again = await createEvalStep(engine, state, parts);
    expect((await again.run(shown)).head).toEqual(head);
    for (const one of [step, again]) one.dispose();
    state.trim(all);
    expect(state.names()).toEqual([]);
    state.dispose();
  });

  test('others that need what was freed are refused, and what may change is never freed', async () => {
    const state = filled();
    const names = state.names();
    const step = await createEvalStep(engine, state, parts);
    state.trim(() => false);
    expect(state.names()).toEqual(names);
    state.trim(all);
    await expect(createEvalStep(engine, state, { ...parts, frozen: false })).rejects.toThrow('there is no variable');
    step.dispose();
    state.dispose();
  });
});
