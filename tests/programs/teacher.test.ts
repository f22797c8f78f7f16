import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { drawMix } from '../../src-main/data/augment/mix.ts';
import { Random } from '../../src-main/data/random.ts';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model } from '../../src-main/model/model.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { compile } from '../../src-main/engines/tensorflow/compile.ts';
import { interpret } from '../../src-main/engines/tensorflow/interpret.ts';
import { lower } from '../../src-main/engines/tensorflow/lower.ts';
import { record } from '../../src-main/trace/recorder.ts';
import type { State } from '../../src-main/engines/engine.ts';
import { drawValues } from '../../src-main/train/mix.ts';
import { recordDrawnImages, recordPlainImages, resizeImages, teacherLogits } from '../../src-main/train/teacher.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { optimizerVariables } from '../../src-main/train/update.ts';
import { pick, PREFIX, variablesOf } from '../../src-main/train/variables.ts';
import { pseudoRandom, relativeError, testEngine } from '../helpers/engine.ts';
import { EXPECTED } from '../helpers/teachers.ts';

const PRECISION = { precision: 'float32', fuse: true } as const;
const MEAN: [number, number, number] = [0.5, 0.4, 0.3];
const STD: [number, number, number] = [0.25, 0.3, 0.35];

let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

const bytes = (count: number, seed: number) =>
  Uint8Array.from(pseudoRandom(count, seed), (value) => Math.min(255, Math.floor((value + 1) * 128)));

describe('resizing inside the step', () => {
  it.each(Object.keys(EXPECTED.resized))('is that of torch, antialiased: %s', async (name) => {
    const [mode, side] = name.split('-');
    const [interpolation, to] = [mode as 'bicubic' | 'bilinear', Number(side)];
    const inputs = { images: { shape: [2, 20, 20, 3], dtype: 'float32' as const } };
    const program = record(engine, inputs, {}, ({ images }) => {
      const resized = resizeImages(images as tf.Tensor4D, to, interpolation);
      return { outputs: { resized: tf.clone(resized) }, assigns: {} };
    });
    const state = engine.newState();
    const compiled = compile(engine.tensorflow, lower(program, PRECISION), state);
    const { resized } = await compiled.run({ images: Float32Array.from(bytes(2 * 20 * 20 * 3, 6)) });
    const sampled = Array.from(resized as Float32Array).filter((_, index) => {
      const [row, column] = [Math.floor(index / (3 * to)) % to, Math.floor(index / 3) % to];
      return row % 3 === 0 && column % 3 === 0;
    });
    expect(relativeError(sampled, EXPECTED.resized[name])).toBeLessThan(1e-5);
    compiled.dispose();
    state.dispose();
  });
});

/** A DeiT of two narrow blocks. */
function tiny(inputSize: number, classes: number): Model {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true as const };
  const network = transformer(shape, { classes, inputSize });
  const facts = { name: 'tiny', family: 'deit' as const, classes, inputSize, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: MEAN, std: STD };
}

function fill(state: State, prefix: string, { specs }: Model, seed: number): void {
  specs.forEach(({ name, shape }, index) => {
    const count = shape.reduce((product, side) => product * side, 1);
    const offset = name.includes('norm') ? 1 : 0;
    state.set(prefix + name, shape, pseudoRandom(count, seed + index).map((value) => 0.2 * value + offset)); // prettier-ignore
  });
}

describe('a teacher inside the step', () => {
  it('sees images at its own size, answers with both heads, and is read in the order of the data', async () => {
    const model = tiny(24, 4);
    const state = engine.newState();
    fill(state, '', model, 1);
    const variables = variablesOf('', model.specs);
    const columns = [2, 0, 3];
    const inputs = { images: { shape: [2, 16, 16, 3], dtype: 'float32' as const } };
    const program = record(engine, inputs, variables, ({ images }, params) => {
      const teacher = { ...model, columns };
      const logits = teacherLogits(teacher, params, images as tf.Tensor4D);
      const all = teacherLogits({ ...teacher, columns: null }, params, images as tf.Tensor4D);
      const resized = resizeImages(images as tf.Tensor4D, 24, 'bicubic');
      const scaled = tf.div<tf.Tensor4D>(tf.sub(tf.div(resized, 255), tf.tensor1d(MEAN)), tf.tensor1d(STD));
      const { head, headDist } = model.predict(params, scaled);
      return { outputs: { logits, all, head, headDist: headDist! }, assigns: {} };
    });
    const images = Float32Array.from(bytes(2 * 16 * 16 * 3, 9));
    const compiled = compile(engine.tensorflow, lower(program, PRECISION), state);
    const got = (await compiled.run({ images })) as Record<string, Float32Array>;
    const mean = got.head.map((value, index) => (value + got.headDist[index]) / 2);
    expect(relativeError(got.all, mean)).toBeLessThan(1e-5);
    const picked = [0, 1].flatMap((row) => columns.map((column) => got.all[4 * row + column]));
    expect(Array.from(got.logits)).toEqual(picked);
    const expected = interpret(engine.tensorflow, program, state, { images }).outputs.logits as Float32Array;
    expect(relativeError(got.logits, expected)).toBeLessThan(1e-5);
    compiled.dispose();
    state.dispose();
  });
});

describe('what a teacher outside of the step is shown', () => {
  const student = createModel('deit_tiny_distilled_patch16_224', { classes: 3, inputSize: 32 });
  const view = { inputSize: 24, mean: MEAN, std: STD, interpolation: 'bilinear' as const };

  it.each(['NCHW', 'NHWC'] as const)('is mixed and erased as for the student, %s', async (layout) => {
    const recipe = { ...defaultRecipe(), ...WITHOUT_AUGMENTATION, mixup: 0.8, reprob: 0.5, seed: 7 };
    const images = bytes(2 * 32 * 32 * 3, 3);
    const draws = {
      mix: [
        { lambda: 0.25, box: null },
        { lambda: 1, box: null },
      ],
      erase: [[], [{ left: 0, top: 0, width: 32, height: 32 }]],
    };
    const batch = { student, recipe: { ...recipe, remode: 'const' as const }, batchSize: 2 };
    const program = recordDrawnImages(engine, batch, { ...view, layout });
    const compiled = compile(engine.tensorflow, lower(program, PRECISION), engine.newState());
    const { eraseSeed: _, ...values } = drawValues(batch.recipe, draws, 2, 5);
    const { images: shown } = await compiled.run({ images, ...values });
    compiled.dispose();
    // The second image is erased whole: the student's mean colour. A quarter of the first is left.
    const erased = student.mean.map((value, channel) => (value - MEAN[channel]) / STD[channel]);
    const plain = compile(engine.tensorflow, recordPlainImages(engine, 2, { ...view, inputSize: 32, layout: 'NHWC' }), engine.newState()); // prettier-ignore
    const own = (await plain.run({ images })).images as Float32Array;
    plain.dispose();
    const at = (image: number, row: number, column: number, channel: number) =>
      layout === 'NCHW'
        ? shown[((image * 3 + channel) * 24 + row) * 24 + column]
        : shown[((image * 24 + row) * 24 + column) * 3 + channel];
    for (let channel = 0; channel < 3; channel++) {
      expect(at(1, 5, 9, channel)).toBeCloseTo(erased[channel], 4);
      let [mean, seen] = [0, 0];
      for (let place = 0; place < 32 * 32; place++) mean += own[place * 3 + channel] / (32 * 32);
      for (let place = 0; place < 24 * 24; place++) seen += Number(at(0, Math.floor(place / 24), place % 24, channel)) / (24 * 24); // prettier-ignore
      expect(seen).toBeCloseTo(0.25 * mean + 0.75 * erased[channel], 1);
    }
  });
});

describe('a teacher outside of the step', () => {
  const VIEW = { inputSize: 24, mean: MEAN, std: STD, interpolation: 'bicubic', layout: 'NHWC' } as const;
  const AUGMENTED = { mixup: 0.8, cutmix: 1, mixupMode: 'elem' as const, reprob: 0.9, remode: 'pixel' as const, recount: 2, seed: 3 }; // prettier-ignore

  it('teaches what the same network teaches inside, noise of erased images and all', async () => {
    const [batchSize, classes] = [6, 4];
    const student = { ...tiny(16, classes), mean: STD, std: MEAN };
    const network = tiny(24, classes);
    const recipe = {
      ...{ ...defaultRecipe(), ...WITHOUT_AUGMENTATION, ...AUGMENTED },
      ...{ distillationType: 'soft' as const, distillationTau: 2, batchSize, microBatch: 2 },
    };
    const stateOf = () => {
      const state = engine.newState();
      fill(state, PREFIX.model, student, 1);
      fill(state, PREFIX.teacher, network, 1000);
      for (const [name, { shape }] of Object.entries(optimizerVariables(student, recipe)))
        state.set(name, shape, new Float32Array(shape.reduce((product, side) => product * side, 1)));
      return state;
    };
    const [insideState, externalState] = [stateOf(), stateOf()];
    const parts = { student, recipe, batchSize };
    const inside = await createTrainStep(engine, insideState, { ...parts, teacher: network });
    const outside = await createTrainStep(engine, externalState, { ...parts, teacher: 'outside' });
    const shown = lower(recordDrawnImages(engine, parts, VIEW), PRECISION);
    const show = compile(engine.tensorflow, shown, externalState);
    const forward = record(
      engine,
      { images: { shape: [batchSize, 24, 24, 3], dtype: 'float32' } },
      variablesOf(PREFIX.teacher, network.specs),
      ({ images }, params) => {
        // prettier-ignore
        const { head, headDist } = network.predict(pick(params, PREFIX.teacher), images as tf.Tensor4D);
        return { outputs: { logits: tf.mul(tf.add(head, headDist!), 0.5) }, assigns: {} };
      },
    );
    const ask = compile(engine.tensorflow, forward, externalState);

    const batch = {
      images: bytes(batchSize * 16 * 16 * 3, 4),
      labels: Int32Array.of(0, 1, 2, 3, 0, 1),
      noise: null,
      mix: drawMix(new Random(1, 'mix', 0, 0), batchSize, 16, { ...recipe, cutmixMinmax: null }),
      erase: Array.from({ length: batchSize }, (_, image) => [{ left: image, top: 2, width: 8, height: 9 }]),
    };
    const draws = drawValues(recipe, batch, batchSize, 5);
    const { images } = await show.run({ images: batch.images, ...draws });
    const { logits } = await ask.run({ images });
    const scalars = { lr: 1e-3, step: 5 };
    const expected = await inside.run(batch, scalars);
    const got = await outside.run({ ...batch, teacherAnswers: logits as Float32Array }, scalars);
    expect(got.lossDistillation).toBeCloseTo(expected.lossDistillation!, 6);
    expect(got.lossClass).toBeCloseTo(expected.lossClass, 6);
    // With other noise it would not be: the images of another step.
    const other = await show.run({ images: batch.images, ...drawValues(recipe, batch, batchSize, 6) });
    expect(relativeError(other.images as Float32Array, images as Float32Array)).toBeGreaterThan(0.1);
    for (const one of [inside, outside, show, ask]) one.dispose();
    insideState.dispose();
    externalState.dispose();
  });
});
