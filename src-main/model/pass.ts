import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
import { batchNorm, conv2d, convNorm, type ConvOptions } from './layers.ts';
import { within, type ModelOptions, type Network, type Params, type ParamSpec } from './model.ts';
import { divideNoise, dropout, dropPath, noiseOf } from './noise.ts';

/** The two ways through a convolutional network. Its forward is written once, over a {@link Pass}. */
export interface Pass {
  params: Params;
  /** The convolution `${conv}.weight` and the batch norm `norm` after it. [B, H, W, C] → [B, H', W', out] */
  convNorm(x: tf.Tensor4D, conv: string, norm: string, options?: ConvOptions): tf.Tensor4D;
  /** Stochastic depth on the branch of the block with this number. */
  drop(branch: tf.Tensor4D, block: number): tf.Tensor4D;
  /** Dropout on what the head reads. */
  features(x: tf.Tensor2D): tf.Tensor2D;
}

/** Describes a convolutional network to {@link convNet}. */
export interface ConvNet {
  specs: ParamSpec[];
  /** As {@link Network} has it. */
  macs: number;
  /** Epsilon of every batch norm. */
  eps: number;
  /** Share, of the largest rate, at which each block is dropped. */
  dropShares: number[];
  /** Logits [B, K] of images [B, H, W, 3]. */
  forward(pass: Pass, images: tf.Tensor4D): tf.Tensor2D;
}

/** Weight of the newest batch in the running statistics: torch's default, which timm leaves in place. */
const MOMENTUM = 0.1;

/** Builds a network of one head from the description that its family gives. */
export function convNet(net: ConvNet, options: ModelOptions): Network {
  const { dropPath: rate = 0, drop = 0 } = options;
  return {
    specs: net.specs,
    macs: net.macs,
    noise: noiseOf(net.dropShares.length, options),
    predict: (params, images) => ({ head: net.forward(predicting(params, net.eps), images), headDist: null }),
    train: (params, images, noise) => {
      const { branches, keys } = divideNoise(noise, net.dropShares.length, options);
      const drops: Drops = {
        drop: (branch, block) => (branches ? dropPath(branch, net.dropShares[block] * rate, branches[block]) : branch),
        features: (x) => dropout(x, drop, keys, 0),
      };
      const updates: Params = {};
      const head = net.forward(training(params, net.eps, drops, updates), images);
      return { heads: { head, headDist: null }, updates };
    },
  };
}

type Drops = Pick<Pass, 'drop' | 'features'>;

function predicting(params: Params, eps: number): Pass {
  return {
    params,
    drop: (branch) => branch,
    features: (x) => x,
    convNorm: (x, conv, norm, options = {}) => {
      const own = within(params, `${norm}.`);
      const stats = { mean: own('running_mean'), variance: own('running_var') };
      const weights = { weight: own('weight'), bias: own('bias') };
      return convNorm(x, within(params, `${conv}.`)('weight'), { ...weights, ...stats }, eps, options);
    },
  };
}

/** Normalises by the batch and puts the new running statistics into `updates`. */
function training(params: Params, eps: number, drops: Drops, updates: Params): Pass {
  return {
    params,
    ...drops,
    convNorm: (x, conv, norm, options = {}) => {
      const own = within(params, `${norm}.`);
      const y = conv2d(x, within(params, `${conv}.`)('weight'), options);
      checkCount(y);
      const { value, mean, variance } = batchNorm(y, own('weight'), own('bias'), eps);
      updates[`${norm}.running_mean`] = moved(own('running_mean'), mean);
      updates[`${norm}.running_var`] = moved(own('running_var'), variance);
      updates[`${norm}.num_batches_tracked`] = tf.add(own('num_batches_tracked'), 1);
      return value;
    },
  };
}

function moved(running: tf.Tensor, latest: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(running, 1 - MOMENTUM), tf.mul(latest, MOMENTUM));
}

/** The running variance is the unbiased one, as torch's: one value a channel has none. */
function checkCount(x: tf.Tensor4D): void {
  if (x.size > x.shape[3]) return;
  const expected = reason('value.batch-norm');
  throw new StillhouseError('argument.invalid', { name: 'batchSize', expected, got: x.shape[0] });
}

/** Counts the multiplications of a square convolution [out, in / groups, k, k] whose result is `side` × `side`. */
export function convMacs(inputs: number, outputs: number, size: number, side: number, groups = 1): number {
  return (inputs / groups) * outputs * (size * side) ** 2;
}
