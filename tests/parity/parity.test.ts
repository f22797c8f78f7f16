import { shapeSize } from '../../src-main/base/shape-size.ts';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Deit3Style, Model, Params } from '../../src-main/model/model.ts';
import { namedArray } from '../../src-main/formats/named-array.ts';
import { fitWeights } from '../../src-main/model/weights.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { relativeError, testEngine } from '../helpers/engine.ts';
import { hashed, parameterValues, images, signed, uniform } from '../helpers/generated.ts';

/** Networks against timm's own numbers (make-fixtures.py), from the same weights. timm computed them in float64. */

/** Norm, greatest magnitude and a few entries of a tensor. */
type Summary = [norm: number, greatest: number, ...entries: number[]];

interface Case {
  model: string;
  inputSize: number;
  /** Where the image is not square. */
  inputWidth?: number;
  /** Dropout; 0 when left out. */
  drop?: number;
  deit3Style?: Deit3Style;
  /** The image size that the weights are for, where it is another. */
  weightsSize?: number;
  batch: number;
  classes: number;
  /** null: evaluation. Else training, with stochastic depth up to this rate. */
  dropPath: number | null;
  heads: number[][];
  loss?: number;
  gradients?: Record<string, Summary>;
  /** Norms of the running statistics after the step. */
  buffers?: Record<string, [number]>;
}

const TOLERANCE = 1e-4;
const cases = readFileSync(new URL('cases.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);
const titled = (chosen: Case[]): [string, Case][] =>
  chosen.map((one) => {
    const { model, inputSize, inputWidth = inputSize, dropPath, drop = 0, deit3Style = 'timm', weightsSize } = one;
    const from = weightsSize ? `, from weights for ${weightsSize}` : '';
    return [
      `${model} of ${deit3Style} at ${inputSize} × ${inputWidth}${from}, drops ${dropPath ?? 'off'} and ${drop}`,
      one,
    ];
  });

beforeAll(testEngine);

let tensors = 0;
beforeEach(() => {
  tensors = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors, 'tensors left behind').toBe(tensors);
});

function modelOf({ model, classes, inputSize, inputWidth, dropPath, drop, deit3Style }: Case): Model {
  return createModel(model, { classes, inputSize, inputWidth, dropPath: dropPath ?? 0, drop, deit3Style });
}

function paramsOf(model: Model, one: Case): Params {
  const values = one.weightsSize ? fittedValues(model, one, one.weightsSize) : null;
  const entries = model.specs.map((spec) => {
    return [spec.name, tf.tensor(values?.[spec.name] ?? parameterValues(spec), spec.shape)] as const;
  });
  return Object.fromEntries(entries);
}

/** As a run has them that starts from weights for another image size. */
function fittedValues(model: Model, one: Case, weightsSize: number): Record<string, Float32Array> {
  const { specs } = modelOf({ ...one, inputSize: weightsSize });
  const arrays = specs.map((spec) => {
    const bytes = () => new Uint8Array(parameterValues(spec).buffer);
    return [spec.name, namedArray('F32', spec.shape, bytes)] as const;
  });
  const { params, report } = fitWeights(model, new Map(arrays), { path: 'generated', newHead: true });
  expect(report).toMatchObject({ resized: ['pos_embed'], renewed: [], left: [] });
  return params;
}

function imagesOf({ batch, inputSize, inputWidth = inputSize }: Case): tf.Tensor4D {
  return tf.tensor4d(images(batch, inputSize, inputWidth), [batch, inputSize, inputWidth, 3]);
}

function logitsOf(heads: (tf.Tensor | null)[]): number[][] {
  return heads.filter((head) => head !== null).map((head) => [...head.dataSync()]);
}

function expectLogits(got: number[][], expected: number[][]): void {
  expect(got.length).toBe(expected.length);
  got.forEach((head, index) => expect(relativeError(head, expected[index])).toBeLessThan(TOLERANCE));
}

/** The part of a tensor that a fixture keeps. */
function summaryOf(name: string, values: Float32Array, entries: number): Summary {
  let squares = 0;
  let greatest = 0;
  for (const value of values) {
    squares += value * value;
    greatest = Math.max(greatest, Math.abs(value));
  }
  const at = [...hashed(`${name}.sample`, entries)].map((bits) => values[bits % values.length]);
  return [Math.sqrt(squares), greatest, ...at];
}

describe('predicts what timm predicts', () => {
  const predictions = titled(cases.filter(({ dropPath }) => dropPath === null));
  test.each(predictions)('%s', (_, expected) => {
    tf.tidy(() => {
      const model = modelOf(expected);
      const { head, headDist } = model.predict(paramsOf(model, expected), imagesOf(expected));
      expectLogits(logitsOf([head, headDist]), expected.heads);
    });
  });
});

describe('trains as timm trains', () => {
  const trainings = titled(cases.filter(({ dropPath }) => dropPath !== null));
  test.each(trainings)('%s', (_, expected) => {
    tf.tidy(() => {
      const model = modelOf(expected);
      const { loss, gradients, updates, logits } = trainingStep(model, expected);
      expectLogits(logits, expected.heads);
      expect(loss / expected.loss!).toBeCloseTo(1, 3);
      expect(Object.keys(gradients).sort()).toEqual(Object.keys(expected.gradients!).sort());
      expect(Object.keys(updates).sort()).toEqual(Object.keys(expected.buffers!).sort());
      for (const [name, want] of Object.entries(expected.gradients!)) expectGradient(name, gradients[name], want);
      for (const [name, [norm]] of Object.entries(expected.buffers!)) {
        const values = updates[name].dataSync() as Float32Array;
        expect(summaryOf(name, values, 0)[0] / norm, name).toBeCloseTo(1, 4);
      }
    });
  });
});

/** One forward and backward through a fixed linear loss of the logits. */
function trainingStep(model: Model, one: Case) {
  const { batch, classes } = one;
  const params = paramsOf(model, one);
  const images = imagesOf(one);
  const noiseShape = model.noise?.shape(batch);
  const noise = noiseShape ? tf.tensor(uniform('noise', shapeSize(noiseShape)), noiseShape) : null;
  const names = model.specs.filter((spec) => !spec.buffer).map((spec) => spec.name);
  let updates: Params = {};
  let logits: number[][] = [];
  const { value, grads } = tf.valueAndGrads((...trained: tf.Tensor[]) => {
    const own = Object.fromEntries(names.map((name, index) => [name, trained[index]]));
    const result = model.train({ ...params, ...own }, images, noise);
    updates = result.updates;
    // The gradient's own scope would dispose of them.
    Object.values(updates).forEach((update) => tf.keep(update));
    const heads = [result.heads.head, result.heads.headDist].filter((head) => head !== null);
    logits = logitsOf(heads);
    const losses = heads.map((head, index) => {
      const weights = tf.tensor2d(signed(`loss.${index}`, batch * classes, 1), [batch, classes]);
      return tf.sum(tf.mul(head, weights));
    });
    return tf.addN(losses);
  })(names.map((name) => params[name]));
  const gradients = Object.fromEntries(names.map((name, index) => [name, grads[index].dataSync() as Float32Array]));
  const kept = Object.fromEntries(Object.entries(updates).map(([name, update]) => [name, tf.clone(update)]));
  Object.values(updates).forEach((update) => update.dispose());
  return { loss: value.dataSync()[0], gradients, updates: kept, logits };
}

/** Gradients are of order 1. What is far below is zero but for rounding: a batch norm undoes the shift before it. */
function expectGradient(name: string, values: Float32Array, [norm, greatest, ...entries]: Summary): void {
  const [gotNorm, gotGreatest, ...got] = summaryOf(name, values, entries.length);
  const allowed = TOLERANCE * Math.max(greatest, 1);
  expect(Math.abs(gotNorm - norm), `norm of ${name}`).toBeLessThan(TOLERANCE * Math.max(norm, 1));
  expect(Math.abs(gotGreatest - greatest), `greatest of ${name}`).toBeLessThan(allowed);
  got.forEach((value, index) => {
    expect(Math.abs(value - entries[index]), `entry ${index} of ${name}`).toBeLessThan(allowed);
  });
}
