import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../src-main/engines/engine.ts';
import { interpret } from '../../src-main/engines/tensorflow/interpret.ts';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import { isLowered, LOWERINGS } from '../../src-main/engines/pjrt/stablehlo/ops.ts';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import { attr, adamw, call, castTo, finite, multiplyNoNan, saved } from '../../src-main/trace/ops.ts';
import { record } from '../../src-main/trace/recorder.ts';
import { conv2d } from '../../src-main/model/layers.ts';
import { pseudoRandom, relativeError, testEngine } from '../helpers/engine.ts';
import { testPjrtEngine } from '../helpers/pjrt-engine.ts';

/** Every op that is lowered for accelerators computes what TensorFlow computes. */

let [tensorflow, accelerator]: Engine[] = [];
beforeAll(async () => {
  tensorflow = await testEngine();
  accelerator = await testPjrtEngine();
});

const SHAPES = { a: [4, 6], b: [4, 6], row: [6], column: [4, 1], images: [2, 9, 9, 4], small: [2, 3, 6, 5] } as const;
type Given = Record<keyof typeof SHAPES, tf.Tensor> & { seed: tf.Tensor };
type Case = (given: Given) => tf.Tensor | tf.Tensor[];

const FLOAT = [attr.type('T', 'float32')];
const ints = (...values: number[]) => tf.tensor1d(values, 'int32');
const above = (x: tf.Tensor) => tf.add(tf.abs(x), 0.1);
const test01 = (x: tf.Tensor) => castTo(x, 'bool', 'float32');
const kernelOf = (shape: number[]) => tf.tensor(pseudoRandom(shapeSize(shape), 5), shape);
const gather = (x: tf.Tensor, places: number[], axis: number) =>
  call('GatherV2', [attr.type('Tparams', 'float32'), attr.type('Tindices', 'int32'), attr.type('Taxis', 'int32')], [x, ints(...places), tf.scalar(axis, 'int32')])[0]; // prettier-ignore
const gradOf = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, dy: tf.Tensor) => tf.grad(f)(x, dy);
const resized = (x: tf.Tensor, kernel: string, side: number, antialias = true) => {
  const attrs = [...FLOAT, attr.text('kernel_type', kernel), attr.bool('antialias', antialias)];
  const scale = side / x.shape[1]!;
  return call('ScaleAndTranslate', attrs, [x, ints(side, side), tf.tensor1d([scale, scale]), tf.tensor1d([0, 0])])[0];
};
const randomAttrs = (dtype: 'int32' | 'float32') => [attr.type('dtype', dtype), attr.type('T', 'int32'), attr.type('Tseed', 'int32')]; // prettier-ignore
const batchNormAttrs = [...FLOAT, attr.type('U', 'float32'), attr.float('epsilon', 1e-3), attr.bool('is_training', true)]; // prettier-ignore
const empty = () => tf.tensor1d([], 'float32');

/** Convolutions: images [2, 9, 9, 4] by a kernel [out, in / groups, k, k]. */
const CONVOLUTIONS: [string, number[], Parameters<typeof conv2d>[2]][] = [
  ['plain', [3, 4, 3, 3], { padding: 1 }],
  ['strided', [3, 4, 3, 3], { stride: 2, padding: 1 }],
  ['strided as TensorFlow', [3, 4, 2, 2], { stride: 2, padding: 'same' }],
  ['wide', [3, 4, 7, 7], { stride: 3, padding: 3 }],
  ['of points', [5, 4, 1, 1], { stride: 2 }],
  ['in groups', [6, 2, 3, 3], { stride: 2, padding: 1, groups: 2 }],
  ['of each channel', [4, 1, 3, 3], { padding: 1, groups: 4 }],
  ['of each channel, strided', [4, 1, 5, 5], { stride: 2, padding: 'same', groups: 4 }],
];

function convolutions(images: tf.Tensor): tf.Tensor[] {
  return CONVOLUTIONS.flatMap(([, shape, options]) => {
    const kernel = kernelOf(shape);
    const run = (x: tf.Tensor, weight: tf.Tensor) => conv2d(x as tf.Tensor4D, weight, options);
    const { value, grads } = tf.valueAndGrads((x, weight) => tf.sum(tf.square(run(x, weight))))([images, kernel]);
    return [run(images, kernel), value, ...grads];
  });
}

const CASES: Record<string, Case> = {
  sums: ({ a, b, row, column }) => [tf.add(a, row), tf.sub(a, column), tf.mul(row, column), tf.div(a, above(b)), call('AddV2', FLOAT, [a, row])[0], call('Div', FLOAT, [a, above(row)])[0]], // prettier-ignore
  extremes: ({ a, b }) => [tf.maximum(a, b), tf.minimum(a, b), tf.abs(a), tf.sign(a), tf.neg(a), tf.floor(tf.mul(a, 5))], // prettier-ignore
  powers: ({ a, b }) => [tf.pow(above(a), b), tf.sqrt(above(a)), tf.rsqrt(above(a)), tf.square(a), tf.exp(a), tf.log(above(a)), tf.log1p(above(a))], // prettier-ignore
  curves: ({ a }) => [tf.erf(a), tf.tanh(a), tf.sigmoid(a), tf.relu(a), tf.relu6(tf.mul(a, 10))],
  'gradients of curves': ({ a, b }) => [call('ReluGrad', FLOAT, [a, b])[0], call('Relu6Grad', FLOAT, [a, tf.mul(b, 10)])[0]], // prettier-ignore
  comparisons: ({ a, b, row }) => [tf.greater(a, row), tf.greaterEqual(a, b), tf.less(a, row), tf.lessEqual(a, b), tf.equal(a, a), tf.notEqual(a, b)].map(test01), // prettier-ignore
  logic: ({ a, b }) => {
    const [one, other] = [tf.greater(a, 0), tf.greater(b, 0)];
    return [tf.logicalAnd(one, other), tf.logicalOr(one, other), tf.logicalNot(one)].map(test01);
  },
  choices: ({ a, b }) => [
    tf.where(tf.greater(a, 0), a, b),
    call('Select', FLOAT, [tf.greater(a, 0), b, a])[0],
    call('SelectV2', FLOAT, [tf.greater(a, 0), b, a])[0],
  ],
  'no numbers': ({ a }) => [finite(tf.sum(a)), finite(tf.div(tf.sum(a), 0)), multiplyNoNan(tf.div(a, 0), tf.scalar(0)), multiplyNoNan(a, tf.scalar(2))], // prettier-ignore
  constants: ({ a }) => [tf.zerosLike(a), call('OnesLike', FLOAT, [a])[0], tf.add(tf.fill([4, 6], 2), a)],
  'adding many': ({ a, b }) => [tf.addN([a, b, a])],
  bias: ({ images }) => {
    const value = call('BiasAdd', [...FLOAT, attr.text('data_format', 'NHWC')], [images, tf.tensor1d([1, 2, 3, 4])])[0];
    return [value, call('BiasAddGrad', [...FLOAT, attr.text('data_format', 'NHWC')], [images])[0]];
  },
  shapes: ({ a, small }) => [tf.reshape(a, [3, 8]), tf.expandDims(a, 1), tf.squeeze(tf.expandDims(a, 0)), tf.broadcastTo(tf.slice(a, [0, 0], [1, 6]), [4, 6]), tf.transpose(small, [3, 1, 0, 2])], // prettier-ignore
  'names that tfjs does without': ({ a, b, row }) => {
    const turns = [attr.bool('transpose_a', false), attr.bool('transpose_b', true)];
    const [turned] = call(
      'MatMul',
      [...FLOAT, attr.bool('transpose_a', true), attr.bool('transpose_b', false)],
      [a, b],
    );
    const thin = call('Squeeze', [...FLOAT, attr.int('squeeze_dims', [1])], [tf.reshape(a, [4, 1, 6])])[0];
    const wide = call('BroadcastTo', [...FLOAT, attr.type('Tidx', 'int32')], [row, ints(4, 6)])[0];
    return [call('MatMul', [...FLOAT, ...turns], [a, b])[0], turned, thin, wide];
  },
  parts: ({ a, small }) => [...tf.unstack(small, 1), ...tf.split(a, [1, 3, 2], 1), ...tf.split(a, 2), tf.slice(small, [1, 0, 2, 1], [1, 2, 3, 4])], // prettier-ignore
  'split evenly': ({ a }) => call('Split', [...FLOAT, attr.int('num_split', 3)], [tf.scalar(1, 'int32'), a], 3),
  joins: ({ a, b, small }) => [tf.stack([a, b], 1), tf.concat([a, b, a], 1), tf.tile(small, [1, 2, 1, 3]), tf.pad(a, [[1, 2], [0, 3]], 7), call('Pad', [...FLOAT, attr.type('Tpaddings', 'int32')], [a, tf.tensor2d([[1, 2], [0, 3]], [2, 2], 'int32')])[0]], // prettier-ignore
  turns: ({ a, small }) => [tf.reverse(a, 0), tf.reverse(small, [-1, 1])],
  rows: ({ small, a }) => [gather(small, [5, 4, 3, 0, 1, 2], 2), gather(a, [0, 3, 3, 1], 0), gather(a, [2], 0)],
  'one-hot': ({ a }) => [tf.oneHot(tf.argMax<tf.Tensor1D>(a, 1), 6, 0.9, 0.1)],
  reductions: ({ a, small }) => [tf.sum(a), tf.sum(small, [0, 2]), tf.sum(small, -1, true), tf.max(small, 2), tf.mean(small, [1, 2]), tf.mean(a, -1, true), tf.softmax(small), castTo(tf.argMax(a, 0), 'int32', 'float32')], // prettier-ignore
  pools: ({ images }) => {
    const pool = (pad: 'same' | 'valid') => (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, 3, 2, pad);
    // Whole numbers have equals within a window.
    const whole = tf.floor(tf.mul(images, 2));
    return (['same', 'valid'] as const).flatMap((pad) => [
      pool(pad)(images),
      gradOf(pool(pad), images, tf.square(pool(pad)(images))),
      gradOf(pool('valid'), whole, tf.add(pool('valid')(images), 1)),
    ]);
  },
  products: ({ a, b, small }) => {
    const wide = tf.reshape(small, [2, 3, 5, 6]);
    return [tf.matMul(a, b, false, true), tf.matMul(a, b, true, false), tf.matMul(tf.transpose(a), b), tf.matMul(small, wide), tf.matMul(small, small, true), tf.matMul(small, small, false, true)]; // prettier-ignore
  },
  convolutions: ({ images }) => convolutions(images),
  'batch norm': ({ images }) => {
    const [scale, offset] = [tf.tensor1d([1, 0.5, 2, 1]), tf.tensor1d([0, 1, -1, 0.5])];
    const [y, mean, variance, ...kept] = call('FusedBatchNormV2', batchNormAttrs, [images, scale, offset, empty(), empty()], 5); // prettier-ignore
    const dy = tf.square(y);
    return [y, mean, variance, ...call('FusedBatchNormGradV2', batchNormAttrs, [dy, images, scale, ...kept], 5).slice(0, 3)]; // prettier-ignore
  },
  resizing: ({ images }) => [resized(images, 'keyscubic', 5), resized(images, 'triangle', 4), resized(images, 'keyscubic', 14), resized(images, 'triangle', 6, false)], // prettier-ignore
  'random bits': ({ seed }) =>
    [[3, 5], [2, 3, 7], [1024]].flatMap((shape) => {
      const bits = call('StatelessRandomUniformFullInt', randomAttrs('int32'), [ints(...shape), seed])[0];
      // A float32 holds 24 bits.
      return [castTo(bits, 'int32', 'float32'), castTo(tf.mul(bits, tf.scalar(256, 'int32')), 'int32', 'float32')];
    }),
  'random normals': ({ seed }) => [[3, 5], [64, 9, 3]].map((shape) => call('StatelessRandomNormal', randomAttrs('float32'), [ints(...shape), seed])[0]), // prettier-ignore
  'one update': ({ a, b }) => adamw([a, b, tf.square(b)], tf.mul(a, b), [0.1, 0.9, 0.99, 0.9, 0.99, 1e-3, 0.5].map((x) => tf.scalar(x))), // prettier-ignore
  marks: ({ a, b }) => [saved(a), call('Identity', FLOAT, [b])[0], ...call('IdentityN', [{ ...FLOAT[0], value: [1, 1] }], [a, b], 2)], // prettier-ignore
};

/** Records a case; every result is an output. */
const recorded = (body: Case) => {
  const float = (shape: readonly number[]) => ({ shape: [...shape], dtype: 'float32' as const });
  const specs = Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, float(shape)]));
  return record(accelerator, { ...specs, seed: { shape: [2], dtype: 'int32' } }, {}, (given) => {
    const results = [body(given as Given)].flat();
    return { outputs: Object.fromEntries(results.map((result, at) => [`out${at}`, result])), assigns: {} };
  });
};

const values = (): Record<string, Values> => ({
  ...Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], at) => [name, pseudoRandom(shapeSize(shape), at + 1)]),
  ),
  seed: Int32Array.of(-7, 123456),
});

describe('the lowering of', () => {
  test.each(Object.entries(CASES))('%s computes what TensorFlow does', async (name, body) => {
    const program = recorded(body);
    const state = accelerator.newState();
    const compiled = await accelerator.compile(program, state, { exact: true });
    const got = await compiled.run(values());
    compiled.dispose();
    const want = interpret(tensorflow.tensorflow, program, state, values()).outputs;
    for (const [output, wanted] of Object.entries(want)) {
      const bound = name === 'random bits' ? 0 : 1e-5;
      expect(relativeError(got[output] as Float32Array, wanted as Float32Array), output).toBeLessThanOrEqual(bound);
    }
  });

  test('every op is among these', () => {
    const seen = new Set(Object.values(CASES).flatMap((body) => recorded(body).nodes.map(({ op }) => op)));
    expect(Object.keys(LOWERINGS).filter((op) => !seen.has(op))).toEqual([]);
  });
});

test('convolutions and their gradients are narrow in bfloat16, and near float32', async () => {
  const program = recorded(CASES.convolutions);
  const { mlir } = toStableHlo(program, { precision: 'bfloat16' });
  const lines = mlir.split('\n').filter((line) => line.includes('stablehlo.convolution'));
  // Forward, and both gradients.
  expect(lines.length).toBeGreaterThanOrEqual(3 * CONVOLUTIONS.length);
  for (const line of lines) expect(line).toMatch(/\(tensor<\w+xbf16>, tensor<\w+xbf16>\) -> tensor<\w+xbf16>$/);
  const state = accelerator.newState();
  const compiled = await accelerator.compile(program, state, { precision: 'bfloat16' });
  const got = await compiled.run(values());
  compiled.dispose();
  for (const [output, wanted] of Object.entries(interpret(tensorflow.tensorflow, program, state, values()).outputs))
    expect(relativeError(got[output] as Float32Array, wanted as Float32Array), output).toBeLessThan(2e-2);
});

test('factors may be rounded in TF32, and in float32 not', () => {
  const text = (precision: 'float32' | 'tf32') =>
    toStableHlo(
      recorded((given) => [CASES.products(given), CASES.convolutions(given)].flat()),
      { precision },
    ).mlir;
  const marks = (mlir: string) => [...new Set(mlir.match(/\b(HIGHEST|DEFAULT)\b/g))];
  expect([marks(text('float32')), marks(text('tf32'))]).toEqual([['HIGHEST'], ['DEFAULT']]);
});

test('an op without a lowering is named when it is recorded', () => {
  expect(isLowered('Cumsum')).toBe(false);
  const params = { op: 'Cumsum', reason: { code: 'engine.no-lowering', params: {} } };
  expect(() => recorded(({ a }) => tf.cumsum(a))).toThrow(expect.objectContaining({ code: 'engine.op', params }));
});
