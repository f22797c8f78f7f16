import * as tf from '@tensorflow/tfjs-core';
import { attr, call, saved } from '../trace/ops.ts';
import { ranksOfRecording, sumOverRanks } from '../trace/ranks.ts';

/**
 * The layers that networks are made of, each one function of tensors. Where tfjs's own gradient does needless work
 * the layer carries its gradient. Activations are channels-last, parameters in torch's layouts.
 */

const FLOAT = [attr.type('T', 'float32')];

/**
 * Computes x · weightᵀ + bias.
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out], or null
 * @returns [..., out]
 */
export function linear<T extends tf.Tensor>(x: T, weight: tf.Tensor, bias: tf.Tensor | null): T {
  const inputs = x.shape[x.rank - 1];
  const rows: tf.Tensor = x.rank === 2 ? x : tf.reshape(x, [x.size / inputs, inputs]); // [M, in]
  const product = withGradient(bias ? [rows, weight, bias] : [rows, weight], () => {
    const value = matMul(rows, weight, false, true); // [M, out]
    const gradient = (dy: tf.Tensor, [rows, weight]: tf.Tensor[]) => {
      const both = [matMul(dy, weight, false, false), matMul(dy, rows, true, false)];
      return bias ? [...both, tf.sum(dy, 0)] : both;
    };
    const shifted = bias ? call('BiasAdd', [...FLOAT, attr.text('data_format', 'NHWC')], [value, bias])[0] : value;
    return { value: shifted, saved: [rows, weight], gradient };
  });
  return (x.rank === 2 ? product : tf.reshape(product, [...x.shape.slice(0, -1), weight.shape[0]])) as T;
}

/** [M, K] · [K, N], either of them given transposed. */
function matMul(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  const attrs = [...FLOAT, attr.bool('transpose_a', transposeA), attr.bool('transpose_b', transposeB)];
  return call('MatMul', attrs, [a, b])[0];
}

/**
 * Normalises the last axis to mean 0 and variance 1, then scales and shifts it.
 * @param x [..., D]
 * @param weight [D]
 * @param bias [D]
 */
export function layerNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, bias: tf.Tensor, eps: number): T {
  const rows = range(x.rank - 1);
  return withGradient([x, weight, bias], () => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps)); // [..., 1]
    const unit = tf.mul(centred, inverse);
    const gradient = (dy: tf.Tensor, [unit, inverse, weight]: tf.Tensor[]) => {
      const scaled = tf.mul(dy, weight);
      const alongUnit = tf.mul(unit, tf.mean(tf.mul(scaled, unit), -1, true));
      const dx = tf.mul(tf.sub(tf.sub(scaled, tf.mean(scaled, -1, true)), alongUnit), inverse);
      return [dx, tf.sum(tf.mul(dy, unit), rows), tf.sum(dy, rows)];
    };
    return { value: tf.add<T>(tf.mul(unit, weight), bias), saved: [saved(unit), inverse, weight], gradient };
  });
}

/** Computes the exact Gaussian error linear unit: x · Φ(x) with Φ by erf. */
export function gelu<T extends tf.Tensor>(x: T): T {
  const probabilityOf = (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5); // Φ(x)
  return withGradient([x], () => {
    // Only x is kept: computing Φ again costs less than writing it and reading it back.
    const gradient = (dy: tf.Tensor, [x]: tf.Tensor[]) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [tf.mul(dy, tf.add(probabilityOf(x), tf.mul(x, density)))];
    };
    return { value: tf.mul<T>(x, probabilityOf(x)), saved: [saved(x)], gradient };
  });
}

/** Computes the sigmoid-weighted linear unit: x · σ(x). */
export function silu<T extends tf.Tensor>(x: T): T {
  return withGradient([x], () => {
    const gradient = (dy: tf.Tensor, [x]: tf.Tensor[]) => {
      const gate = tf.sigmoid(x);
      return [tf.mul(dy, tf.mul(gate, tf.add(tf.mul(x, tf.sub(1, gate)), 1)))];
    };
    return { value: tf.mul<T>(x, tf.sigmoid(x)), saved: [saved(x)], gradient };
  });
}

/** Computes max(x, 0). */
export function relu<T extends tf.Tensor>(x: T): T {
  return withGradient([x], () => {
    const value = tf.relu(x);
    return { value, saved: [value], gradient: (dy, [value]) => call('ReluGrad', FLOAT, [dy, value]) };
  });
}

/** Computes min(max(x, 0), 6). */
export function relu6<T extends tf.Tensor>(x: T): T {
  return withGradient([x], () => {
    const value = tf.relu6(x);
    return { value, saved: [value], gradient: (dy, [value]) => call('Relu6Grad', FLOAT, [dy, value]) };
  });
}

/** Computes the softmax over the last axis. */
export function softmax<T extends tf.Tensor>(x: T): T {
  return tf.softmax<T>(x);
}

/**
 * Computes multi-head self-attention between the joint projection and the output projection.
 * @param qkv [B, N, 3·D]: all queries, all keys, all values; inside each, heads side by side
 * @param heads h; each is d = D / h wide and its scores are divided by √d
 * @param asking M: only the first M tokens ask, all N answer
 * @returns [B, M, D]
 */
export function attention(qkv: tf.Tensor3D, heads: number, asking: number): tf.Tensor3D {
  const [batch, tokens, triple] = qkv.shape;
  const dim = triple / 3;
  const size = dim / heads;
  const scale = 1 / Math.sqrt(size);
  /** [B, N, D] → [B, h, N, d], and back. */
  const divide = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, x.shape[1]!, heads, size]), [0, 2, 1, 3]);
  const join = (x: tf.Tensor) => tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, x.shape[2]!, dim]);
  return withGradient([qkv], () => {
    const part = (index: number, count: number) => tf.slice(qkv, [0, 0, index * dim], [batch, count, dim]);
    const [q, k, v] = [part(0, asking), part(1, tokens), part(2, tokens)].map(divide);
    const weights = softmax(tf.mul(tf.matMul(q, k, false, true), scale)); // [B, h, M, N]
    const value = tf.matMul(weights, v); // [B, h, M, d]
    // The sum that softmax's gradient needs over [N] is one over [d], by way of the value.
    const gradient = (dy: tf.Tensor, [q, k, v, weights, value]: tf.Tensor[]) => {
      const dValue = divide(dy);
      const across = tf.sum(tf.mul(dValue, value), -1, true); // [B, h, M, 1]
      const dScores = tf.mul(tf.mul(weights, tf.sub(tf.matMul(dValue, v, false, true), across)), scale);
      const parts = [tf.matMul(dScores, k), tf.matMul(dScores, q, true), tf.matMul(weights, dValue, true)].map(join);
      // Tokens that do not ask have no query, and so no gradient of one.
      const dq = asking === tokens ? parts[0] : tf.pad(parts[0], [[0, 0], [0, tokens - asking], [0, 0]]); // prettier-ignore
      return [tf.concat([dq, parts[1], parts[2]], 2)];
    };
    return { value: join(value) as tf.Tensor3D, saved: [q, k, v, saved(weights), value], gradient };
  });
}

/**
 * Cuts images into patches and projects each: a convolution whose stride is its kernel, as one matrix product.
 * @param images [B, H, W, C], H and W multiples of p
 * @param weight [D, C, p, p]
 * @param bias [D]
 * @returns [B, N, D], patches row by row
 */
export function patchEmbed(images: tf.Tensor4D, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor3D {
  const [batch, height, width, channels] = images.shape;
  const [dim, , side] = weight.shape as [number, number, number, number];
  const [rows, columns] = [height / side, width / side];
  const cut = tf.reshape(images, [batch, rows, side, columns, side, channels]);
  const patches = tf.transpose(cut, [0, 1, 3, 2, 4, 5]); // [B, rows, columns, p, p, C]
  const flat = tf.reshape(patches, [batch * rows * columns, side * side * channels]); // [B·N, p·p·C]
  const kernel = tf.reshape(tf.transpose(weight, [0, 2, 3, 1]), [dim, side * side * channels]); // [D, p·p·C]
  return tf.reshape(linear(flat, kernel, bias), [batch, rows * columns, dim]);
}

export interface ConvOptions {
  stride?: number;
  /** `same` is TensorFlow's: what is odd goes to the right and bottom. A number is torch's, on every side. */
  padding?: 'same' | number;
  groups?: number;
}

/**
 * Computes a convolution without bias.
 * @param x [B, H, W, C]
 * @param weight [out, C / groups, k, k]
 * @returns [B, H', W', out]
 */
export function conv2d(x: tf.Tensor4D, weight: tf.Tensor, options: ConvOptions = {}): tf.Tensor4D {
  const { stride = 1, padding = 0, groups = 1 } = options;
  const [outputs, depth, size] = weight.shape as [number, number, number, number];
  const padded = pad(x, padding, size, stride);
  if (groups === 1) return tf.conv2d(padded.x, kernel(weight, [2, 3, 1, 0]), stride, padded.mode);
  if (depth === 1 && outputs === groups) {
    return tf.depthwiseConv2d(padded.x, kernel(weight, [2, 3, 0, 1]), stride, padded.mode);
  }
  return groupedConv2d(padded.x, kernel(weight, [2, 3, 1, 0]), stride, padded.mode, groups);
}

function kernel(weight: tf.Tensor, order: number[]): tf.Tensor4D {
  return tf.transpose<tf.Tensor>(weight, order) as tf.Tensor4D;
}

/** TensorFlow's convolutions know `same` and `valid`; torch's symmetric padding is one of them, or done beforehand. */
function pad(x: tf.Tensor4D, padding: 'same' | number, size: number, stride: number) {
  if (padding === 'same' || (stride === 1 && 2 * padding === size - 1)) return { x, mode: 'same' as const };
  const sides: [number, number] = [padding, padding];
  return { x: padding ? tf.pad(x, [[0, 0], sides, sides, [0, 0]]) : x, mode: 'valid' as const };
}

/**
 * Convolution in groups: TensorFlow takes their number from the kernel's depth, tfjs's own op refuses it. The gradient
 * goes group by group, since tfjs's gradient ops do without groups; `joinGroups` of the engine joins them.
 * @param x [B, H, W, C]
 * @param filter [k, k, C / groups, out]
 */
function groupedConv2d(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  stride: number,
  mode: 'same' | 'valid',
  groups: number,
): tf.Tensor4D {
  const shared = { strides: [stride, stride], pad: mode, dataFormat: 'NHWC', dilations: [1, 1] };
  const conv = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap) =>
    tf.engine().runKernel<tf.Tensor4D>(name, inputs, { ...shared, ...attrs });
  return withGradient([x, filter], () => {
    const gradient = (dy: tf.Tensor, [x, filter]: tf.Tensor[]) => {
      const parts = [x, filter, dy].map((whole) => tf.split(whole, groups, 3));
      const each = parts[0].map((x, group) => {
        const [filter, dy] = [parts[1][group], parts[2][group]];
        return {
          dx: conv('Conv2DBackpropInput', { dy, filter }, { inputShape: x.shape }),
          dFilter: conv('Conv2DBackpropFilter', { x, dy }, { filterShape: filter.shape }),
        };
      });
      return [
        tf.concat(
          each.map(({ dx }) => dx),
          3,
        ),
        tf.concat(
          each.map(({ dFilter }) => dFilter),
          3,
        ),
      ];
    };
    return { value: conv('Conv2D', { x, filter }, {}), saved: [x, filter], gradient };
  });
}

/** The parameters of one batch norm, each [C]. */
export interface NormParams {
  weight: tf.Tensor;
  bias: tf.Tensor;
  mean: tf.Tensor;
  variance: tf.Tensor;
}

/**
 * Computes a convolution and the batch norm after it, by running statistics. The norm is folded into the kernel, which
 * saves one pass over the activations.
 */
export function convNorm(
  x: tf.Tensor4D,
  weight: tf.Tensor,
  norm: NormParams,
  eps: number,
  options: ConvOptions,
): tf.Tensor4D {
  const scale = tf.mul(norm.weight, tf.rsqrt(tf.add(norm.variance, eps))); // [out]
  const folded = tf.mul(weight, tf.reshape(scale, [-1, 1, 1, 1]));
  return tf.add(conv2d(x, folded, options), tf.sub(norm.bias, tf.mul(norm.mean, scale)));
}

/**
 * Normalises a batch by its own statistics.
 * @param x [B, H, W, C]
 * @param weight [C]
 * @param bias [C]
 * @returns the normalised activations, and the mean and unbiased variance [C] of the batch, which carry no gradient
 */
export function batchNorm(x: tf.Tensor4D, weight: tf.Tensor, bias: tf.Tensor, eps: number) {
  if (ranksOfRecording() > 1) return batchNormOverRanks(x, weight, bias, eps);
  const types = [attr.type('T', 'float32'), attr.type('U', 'float32')];
  const attrs = [...types, attr.float('epsilon', eps), attr.bool('is_training', true)];
  const unused = tf.tensor1d([], 'float32');
  // An op called by its own name leaves no trace on the gradient tape.
  const [value, mean, variance, ...kept] = call('FusedBatchNormV2', attrs, [x, weight, bias, unused, unused], 5);
  const normed = withGradient([x, weight, bias], () => {
    const gradient = (dy: tf.Tensor, [x, weight, ...kept]: tf.Tensor[]) =>
      call('FusedBatchNormGradV2', attrs, [dy, x, weight, ...kept], 5).slice(0, 3);
    return { value: value as tf.Tensor4D, saved: [x, weight, ...kept], gradient };
  });
  return { value: normed, mean, variance };
}

/** The same with the statistics of all ranks' images, as torch's SyncBatchNorm. */
function batchNormOverRanks(x: tf.Tensor4D, weight: tf.Tensor, bias: tf.Tensor, eps: number) {
  const across = [0, 1, 2];
  const count = (x.size / x.shape[3]) * ranksOfRecording();
  const mean = tf.div(sumOverRanks(tf.sum(x, across)), count); // [C]
  const centred = tf.sub(x, mean);
  const biased = tf.div(sumOverRanks(tf.sum(tf.square(centred), across)), count);
  const inverse = tf.rsqrt(tf.add(biased, eps));
  const normed = withGradient([x, weight, bias], () => {
    const unit = tf.mul(centred, inverse);
    const gradient = (dy: tf.Tensor, [unit, inverse, weight]: tf.Tensor[]) => {
      const own = [tf.sum(dy, across), tf.sum(tf.mul(dy, unit), across)];
      const [shift, alongUnit] = tf.unstack(tf.div(sumOverRanks(tf.stack(own)), count));
      const dx = tf.mul(tf.sub(tf.sub(dy, shift), tf.mul(unit, alongUnit)), tf.mul(inverse, weight));
      return [dx, own[1], own[0]];
    };
    const value = tf.add<tf.Tensor4D>(tf.mul(unit, weight), bias);
    return { value, saved: [unit, inverse, weight], gradient };
  });
  return { value: normed, mean, variance: tf.mul(biased, count / Math.max(1, count - 1)) };
}

/**
 * Scales each channel by a gate computed from the channels' means (squeeze-and-excitation).
 * @param x [B, H, W, C]
 * @param reduce weight [S, C, 1, 1] and bias [S]
 * @param expand weight [C, S, 1, 1] and bias [C]
 */
export function squeezeExcite(
  x: tf.Tensor4D,
  reduce: [tf.Tensor, tf.Tensor],
  expand: [tf.Tensor, tf.Tensor],
  activation: (x: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor4D {
  const [batch, , , channels] = x.shape;
  const hidden = reduce[0].shape[0];
  const squeezed = activation(linear(globalMean(x), tf.reshape(reduce[0], [hidden, channels]), reduce[1])); // [B, S]
  const gate = tf.sigmoid(linear(squeezed, tf.reshape(expand[0], [channels, hidden]), expand[1])); // [B, C]
  return tf.mul(x, tf.reshape(gate, [batch, 1, 1, channels]));
}

/** Averages over height and width: [B, H, W, C] → [B, C]. */
export function globalMean(x: tf.Tensor4D): tf.Tensor2D {
  return tf.mean(x, [1, 2]);
}

/** A layer's value, what its gradient needs, and its gradient: one tensor for each input. */
interface Differentiable<T extends tf.Tensor> {
  value: T;
  saved: tf.Tensor[];
  gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
}

/** Runs `forward` as one step of the gradient tape; `inputs` are the tensors it has a gradient for. */
function withGradient<T extends tf.Tensor>(inputs: tf.Tensor[], forward: () => Differentiable<T>): T {
  const layer = tf.customGrad<T>((...args) => {
    const { value, saved, gradient } = forward();
    (args[inputs.length] as tf.GradSaveFunc)(saved);
    return { value, gradFunc: gradient };
  });
  return layer(...inputs);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
