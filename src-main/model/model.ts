import type * as tf from '@tensorflow/tfjs-core';
import type { ModelCard } from '../protocol/data-types.ts';

/**
 * Defines a network for the rest of Stillhouse: a list of named parameters and two functions of (params, images).
 * Letters used in this folder: B images, H × W pixels, C channels, N tokens, D width, K classes, L blocks.
 */

/**
 * Tensors by timm's names, in torch's layouts: linear [out, in], convolution [out, in / groups, height, width].
 * Images and activations are channels-last.
 */
export type Params = Record<string, tf.Tensor>;

/** Says how a parameter starts. `truncatedNormal` is cut at ±2 absolute, as DeiT's; `uniform` is within ±bound. */
export type Init =
  | { kind: 'zeros' | 'ones' }
  | { kind: 'constant'; value: number }
  | { kind: 'truncatedNormal' | 'normal'; std: number }
  | { kind: 'uniform'; bound: number };

/** One entry of a model's state dict. The list of a model is in torch's order. */
export interface ParamSpec {
  name: string;
  shape: number[];
  init: Init;
  /** A running statistic of batch normalization: saved with the model, not trained. */
  buffer: boolean;
  /** Set where timm exempts a parameter of rank 2 or more from weight decay: class token and position embedding. */
  noWeightDecay?: true;
  /** Held as float32 here, an I64 in weight files: the batch counter of batch normalization. */
  integer?: true;
}

/** Logits [B, K] of the class head, and of the distillation head where the model has one. */
export interface Heads {
  head: tf.Tensor2D;
  headDist: tf.Tensor2D | null;
}

/** The results of a training forward: logits, and the new values of the buffers by name ({} without batch norm). */
export interface TrainResult {
  heads: Heads;
  updates: Params;
}

/** A network. Images are float32 [B, inputSize, inputWidth, 3], normalised by `mean` and `std` after division by 255. */
export interface Model {
  name: string;
  family: ModelCard['family'];
  classes: number;
  inputSize: number;
  /** Width of the image where it is not square: then `inputSize` is the height. */
  inputWidth?: number;
  distilled: boolean;
  /** Heads of every attention; left out by networks without attention. */
  attentionHeads?: number;
  /** Multiplications with addition of one image's way through every convolution and matrix product. */
  macs: number;
  mean: [number, number, number];
  std: [number, number, number];
  /** For evaluation the shorter edge becomes inputSize / cropRatio, then the centre is cropped. */
  cropRatio: number;
  specs: ParamSpec[];
  /** Uniform numbers in [0, 1) [R, B] that stochastic depth and dropout draw from; null where neither is on. */
  noise: { shape(batch: number): number[] } | null;
  /** Evaluation forward. */
  predict(params: Params, images: tf.Tensor4D): Heads;
  /** Extra tokens [B, 1 | 2, D] at first, after each block, and after the last norm; left out by networks without. */
  tokens?: (params: Params, images: tf.Tensor4D) => tf.Tensor3D[];
  /**
   * Training forward: stochastic depth and dropout by `noise` (null: nothing is dropped), batch normalization by batch
   * statistics.
   */
  train(params: Params, images: tf.Tensor4D, noise: tf.Tensor | null): TrainResult;
}

/** Options that a caller chooses for a model. */
export interface ModelOptions {
  classes: number;
  /** Side of the square image in pixels. */
  inputSize: number;
  /** Width of the image where it is not square; `inputSize` is then its height. */
  inputWidth?: number;
  /** Largest rate of stochastic depth, 0 when left out. */
  dropPath?: number;
  /** Rate of dropout, 0 when left out: inside image transformers as DeiT's, before the head of other networks. */
  drop?: number;
  /** Keep less for the gradient and compute it again: slower, less memory. Image transformers only. */
  recompute?: boolean;
  /** Whose DeiT III: timm's (when left out), or that of its authors, which starts and is regularised otherwise. */
  deit3Style?: Deit3Style;
}

export type Deit3Style = 'timm' | 'authors';

/** Facts that a family adds to those of a preset. */
export type Network = Pick<Model, 'specs' | 'macs' | 'noise' | 'predict' | 'train' | 'tokens' | 'attentionHeads'> & {
  distilled?: boolean;
};

/** Counts the numbers that a model learns: everything but buffers. */
export function countParameters(specs: readonly ParamSpec[]): number {
  const trained = specs.filter((spec) => !spec.buffer);
  return trained.reduce((sum, spec) => sum + spec.shape.reduce((product, side) => product * side, 1), 0);
}

/** The parameter of a name inside one part of a network. */
export type Own = (name: string) => tf.Tensor;

/** Looks up parameters below `prefix`. */
export function within(params: Params, prefix: string): Own {
  return (name) => {
    const tensor = params[prefix + name];
    if (!tensor) throw new Error(`within: expected a parameter named ${prefix + name}, got none`);
    return tensor;
  };
}
