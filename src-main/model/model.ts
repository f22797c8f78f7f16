import type * as tf from '@tensorflow/tfjs-core';
import type { ModelCard } from '../protocol/data-types.ts';

/**
 * What a network is to the rest of Stillhouse: a list of named parameters and two functions of (params, images).
 * Letters used in this folder: B images, H × W pixels, C channels, N tokens, D width, K classes, L blocks.
 */

/**
 * Tensors by timm's names, in torch's layouts: linear [out, in], convolution [out, in / groups, height, width].
 * Images and activations are channels-last.
 */
export type Params = Record<string, tf.Tensor>;

/** How a parameter starts. `truncatedNormal` is cut at ±2 absolute, as DeiT's; `uniform` is within ±bound. */
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

/** What a training forward gives: logits, and the new values of the buffers by name ({} without batch norm). */
export interface TrainResult {
  heads: Heads;
  updates: Params;
}

/** A network. Images are float32 [B, inputSize, inputSize, 3], normalised by `mean` and `std` after division by 255. */
export interface Model {
  name: string;
  family: ModelCard['family'];
  classes: number;
  inputSize: number;
  distilled: boolean;
  mean: [number, number, number];
  std: [number, number, number];
  /** For evaluation the shorter edge becomes inputSize / cropRatio, then the centre is cropped. */
  cropRatio: number;
  specs: ParamSpec[];
  /** Uniform numbers in [0, 1) that stochastic depth needs, one a branch and image: [branches, B]; null at rate 0. */
  noise: { shape(batch: number): number[] } | null;
  /** Evaluation forward. */
  predict(params: Params, images: tf.Tensor4D): Heads;
  /** Training forward: stochastic depth by `noise` (null: none skipped), batch normalization by batch statistics. */
  train(params: Params, images: tf.Tensor4D, noise: tf.Tensor | null): TrainResult;
}

/** What a caller chooses of a model. */
export interface ModelOptions {
  classes: number;
  /** Side of the square picture in pixels. */
  inputSize: number;
  /** Largest rate of stochastic depth, 0 when left out. */
  dropPath?: number;
}

/** What a family adds to the facts of a preset. */
export type Network = Pick<Model, 'specs' | 'noise' | 'predict' | 'train'> & { distilled?: boolean };

/** Numbers that a model learns: everything but buffers. */
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
