import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import * as layers from '../../../src-main/model/layers.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { pseudoRandom, relativeError, testEngine } from '../../helpers/engine.ts';

/** Layers against the same formulas in plain tfjs ops, whose gradients are tfjs's own. */

beforeAll(testEngine);

type Layer = (...inputs: tf.Tensor[]) => tf.Tensor;

function random(shape: number[], seed: number, shift = 0): tf.Tensor {
  const count = shape.reduce((product, side) => product * side, 1);
  return tf.tensor(
    pseudoRandom(count, seed).map((value) => value + shift),
    shape,
  );
}

/** Value and gradients of a layer under a fixed linear loss. */
function run(layer: Layer, inputs: tf.Tensor[]): Float32Array[] {
  const value = layer(...inputs);
  const weights = random(value.shape, 99);
  const grads = tf.grads((...given: tf.Tensor[]) => tf.sum(tf.mul(layer(...given), weights)))(inputs);
  return [value, ...grads].map((tensor) => tensor.dataSync() as Float32Array);
}

function expectSame(layer: Layer, plain: Layer, inputs: tf.Tensor[]): void {
  const expected = run(plain, inputs);
  run(layer, inputs).forEach((got, index) => expect(relativeError(got, expected[index])).toBeLessThan(1e-5));
}

function inTidy(check: () => void): () => void {
  return () => {
    const before = tf.memory().numTensors;
    tf.tidy(check);
    expect(tf.memory().numTensors).toBe(before);
  };
}

const plainNorm: Layer = (x, weight, bias) => {
  const { mean, variance } = tf.moments(x, -1, true);
  const unit = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-6)));
  return tf.add(tf.mul(unit, weight), bias);
};

describe('layers and their gradients', () => {
  test(
    'linear',
    inTidy(() => {
      const plain: Layer = (x, weight, bias) =>
        tf.reshape(tf.add(tf.matMul(tf.reshape(x, [6, 4]), tf.transpose(weight)), bias), [2, 3, 5]);
      const linear: Layer = (x, weight, bias) => layers.linear(x, weight, bias);
      expectSame(linear, plain, [random([2, 3, 4], 1), random([5, 4], 2), random([5], 3)]);
    }),
  );

  test(
    'layer norm',
    inTidy(() => {
      const norm: Layer = (x, weight, bias) => layers.layerNorm(x, weight, bias, 1e-6);
      expectSame(norm, plainNorm, [random([2, 3, 8], 1, 2), random([8], 2), random([8], 3)]);
    }),
  );

  test(
    'GELU by the error function',
    inTidy(() => {
      const plain: Layer = (x) => tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.div(x, Math.SQRT2)))));
      expectSame(layers.gelu, plain, [tf.mul(random([40], 1), 4)]);
      expect(layers.gelu(tf.scalar(1)).dataSync()[0]).toBeCloseTo(0.8413447, 6);
    }),
  );

  test(
    'SiLU',
    inTidy(() => {
      expectSame(layers.silu, (x) => tf.mul(x, tf.sigmoid(x)), [tf.mul(random([40], 1), 4)]);
    }),
  );

  test(
    'ReLU and ReLU6',
    inTidy(() => {
      const inputs = [tf.mul(random([40], 1), 10)];
      expectSame(layers.relu, (x) => tf.mul(x, tf.step(x)), inputs);
      expectSame(layers.relu6, (x) => tf.clipByValue(x, 0, 6), inputs);
    }),
  );

  test.each([6, 2])('attention of %i tokens to 6', (asking) => {
    tf.tidy(() => {
      const [batch, tokens, heads, size] = [2, 6, 3, 4];
      const attention: Layer = (qkv) => layers.attention(qkv as tf.Tensor3D, heads, asking);
      const plain: Layer = (qkv) => {
        const parts = tf.split(qkv, 3, 2).map((part) => tf.reshape(part, [batch, tokens, heads, size]));
        const [q, k, v] = parts.map((part) => tf.transpose(part, [0, 2, 1, 3]));
        const questions = tf.slice(q, [0, 0, 0, 0], [batch, heads, asking, size]);
        const weights = tf.softmax(tf.div(tf.matMul(questions, tf.transpose(k, [0, 1, 3, 2])), Math.sqrt(size)));
        const mixed = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]);
        return tf.reshape(mixed, [batch, asking, heads * size]);
      };
      expectSame(attention, plain, [random([batch, tokens, 3 * heads * size], 1)]);
    });
  });

  test(
    'patches are a convolution by strides',
    inTidy(() => {
      const embed: Layer = (x, weight, bias) => layers.patchEmbed(x as tf.Tensor4D, weight, bias);
      const plain: Layer = (x, weight, bias) => {
        const kernel = tf.transpose<tf.Tensor>(weight, [2, 3, 1, 0]) as tf.Tensor4D;
        return tf.add(tf.reshape(tf.conv2d(x as tf.Tensor4D, kernel, 4, 'valid'), [2, 6, 5]), bias);
      };
      expectSame(embed, plain, [random([2, 8, 12, 3], 1), random([5, 3, 4, 4], 2), random([5], 3)]);
    }),
  );

  test.each(['same', 1] as const)('grouped convolution, padding %s', (padding) => {
    tf.tidy(() => {
      const options = { stride: 2, padding, groups: 3 };
      const conv: Layer = (x, weight) => layers.conv2d(x as tf.Tensor4D, weight, options);
      const plain: Layer = (x, weight) => {
        const kernels = tf.split(weight, 3, 0);
        const parts = tf.split(x, 3, 3);
        return tf.concat(
          parts.map((part, group) => layers.conv2d(part as tf.Tensor4D, kernels[group], { stride: 2, padding })),
          3,
        );
      };
      expectSame(conv, plain, [random([2, 6, 6, 12], 1), random([9, 4, 3, 3], 2)]);
    });
  });

  test(
    'batch norm by the batch',
    inTidy(() => {
      const norm: Layer = (x, weight, bias) => layers.batchNorm(x as tf.Tensor4D, weight, bias, 1e-5).value;
      const plain: Layer = (x, weight, bias) => {
        const { mean, variance } = tf.moments(x, [0, 1, 2]);
        return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), weight), bias);
      };
      const x = random([2, 3, 3, 4], 1, 1) as tf.Tensor4D;
      expectSame(norm, plain, [x, random([4], 2), random([4], 3)]);
      const { mean, variance } = layers.batchNorm(x, tf.ones([4]), tf.zeros([4]), 1e-5);
      const moments = tf.moments(x, [0, 1, 2]);
      expect(relativeError(mean.dataSync(), moments.mean.dataSync())).toBeLessThan(1e-5);
      const unbiased = tf.mul(moments.variance, 18 / 17).dataSync();
      expect(relativeError(variance.dataSync(), unbiased)).toBeLessThan(1e-5);
    }),
  );
});

describe('convolutions pad', () => {
  const input = () => tf.reshape<tf.Rank.R4>(tf.range(1, 17), [1, 4, 4, 1]);
  const ones = () => tf.ones([1, 1, 3, 3]);

  test(
    'as TensorFlow: right and bottom first',
    inTidy(() => {
      const sums = layers.conv2d(input(), ones(), { stride: 2, padding: 'same' }).dataSync();
      expect([...sums]).toEqual([54, 45, 72, 54]);
    }),
  );

  test(
    'as torch: every side alike',
    inTidy(() => {
      const sums = layers.conv2d(input(), ones(), { stride: 2, padding: 1 }).dataSync();
      expect([...sums]).toEqual([14, 30, 57, 99]);
    }),
  );
});

test(
  'batch norm needs more than one value a channel',
  inTidy(() => {
    const model = createModel('resnet18', { classes: 2, inputSize: 32 });
    const params = Object.fromEntries(model.specs.map(({ name, shape }) => [name, tf.ones(shape)]));
    expect(() => model.train(params, tf.ones([1, 32, 32, 3]), null)).toThrow('at least 2 images');
    expect(() => model.train(params, tf.ones([2, 32, 32, 3]), null)).not.toThrow();
  }),
);
