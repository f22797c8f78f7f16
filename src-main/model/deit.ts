import * as tf from '@tensorflow/tfjs-core';
import { attention, gelu, layerNorm, linear, patchEmbed } from './layers.ts';
import {
  within,
  type Heads,
  type Init,
  type ModelOptions,
  type Network,
  type Own,
  type Params,
  type ParamSpec,
} from './model.ts';
import { recomputed } from './recompute.ts';
import { divideNoise, dropout, dropPath, noiseOf } from './noise.ts';
import { layerNorm as layerNormSpecs, linear as linearSpecs, param } from './specs.ts';

/**
 * Image transformers: DeiT (arXiv 2012.12877) with and without distillation token, DeiT III (2204.07118) and ViT.
 * Letters: B images, N tokens (extra ones first, then patches row by row), D width, K classes, L blocks.
 */

/** Describes one image transformer among the others. Every one has MLPs of 4·D and layer norms of eps 1e-6. */
export interface TransformerShape {
  patch: number;
  dim: number;
  depth: number;
  heads: number;
  /** A second token and head, for the teacher's decisions. */
  distilled?: boolean;
  /** DeiT III: the class token has no position, and LayerScale starts at this value. */
  layerScale?: number;
  /** Start of the class token; DeiT's is that of the position embedding. */
  classToken?: Init;
}

const EPS = 1e-6;
const NARROW: Init = { kind: 'truncatedNormal', std: 0.02 };

/** Builds a transformer from its shape; `inputSize` and `inputWidth` are multiples of its patch. */
export function transformer(given: TransformerShape, options: ModelOptions): Network {
  const style = given.layerScale !== undefined && options.deit3Style === 'authors' ? AUTHORS : TIMM;
  const shape = { ...given, ...style.start };
  const branches = 2 * shape.depth;
  return {
    distilled: shape.distilled ?? false,
    attentionHeads: shape.heads,
    specs: transformerSpecs(shape, options),
    macs: macsOf(shape, options),
    noise: noiseOf(branches, options),
    predict: (params, images) => forward(shape, params, images, NOTHING_DROPPED),
    tokens: (params, images) => {
      const layers: tf.Tensor3D[] = [];
      forward(shape, params, images, NOTHING_DROPPED, (x) => layers.push(first(x, shape.distilled ? 2 : 1)));
      return layers;
    },
    train: (params, images, noise) => {
      // Taken apart where it is used, which may be on the way back: what is equal is computed once.
      const divided = () => divideNoise(noise, branches, options);
      const { dropPath: rate = 0, drop = 0 } = options;
      const drops: Drops = {
        recompute: options.recompute ?? false,
        branch: (x, block, index) => {
          const rows = divided().branches;
          return rows ? dropPath(x, style.pathRate(rate, block, shape.depth), rows[2 * block + index]) : x;
        },
        inside: (x, place) => (style.dropsInside ? dropout(x, drop, divided().keys, place) : x),
        features: (x) => (style.dropsInside ? x : dropout(x, drop, divided().keys, 0)),
      };
      return { heads: forward(shape, params, images, drops), updates: {} };
    },
  };
}

/** Parts that a network drops while it trains. */
interface Drops {
  /** Whether it drops what its blocks compute, and computes it again for the gradient. */
  recompute: boolean;
  /** Stochastic depth on branch 0 (attention) or 1 (MLP) of a block. */
  branch(x: tf.Tensor3D, block: number, index: 0 | 1): tf.Tensor3D;
  /** Dropout after the positions (place 0) and inside the blocks: after the attention, after each layer of the MLP. */
  inside(x: tf.Tensor3D, place: number): tf.Tensor3D;
  /** Dropout before the head. */
  features(x: tf.Tensor2D): tf.Tensor2D;
}

const NOTHING_DROPPED: Drops = { recompute: false, branch: (x) => x, inside: (x) => x, features: (x) => x };

/** How a network starts and is regularised: where DeiT III's own code and timm's part ways. */
interface Style {
  start: Partial<TransformerShape>;
  /** Rate of stochastic depth in a block. */
  pathRate(rate: number, block: number, depth: number): number;
  /** Dropout after positions and inside blocks, as timm 0.3.2 has it; else before the head alone. */
  dropsInside: boolean;
}

/** The rate of stochastic depth grows linearly from 0 at the first block. */
const TIMM: Style = {
  start: {},
  pathRate: (rate, block, depth) => (depth > 1 ? (rate * block) / (depth - 1) : 0),
  dropsInside: true,
};

const AUTHORS: Style = {
  start: { layerScale: 1e-4, classToken: NARROW },
  pathRate: (rate) => rate,
  dropsInside: false,
};

/** @param see hears the tokens as they are at first, after each block, and after the last norm. */
function forward(
  shape: TransformerShape,
  params: Params,
  images: tf.Tensor4D,
  drops: Drops,
  see?: (x: tf.Tensor3D) => void,
): Heads {
  const extra = shape.distilled ? 2 : 1;
  let x = drops.inside(embed(shape, within(params, ''), images), 0); // [B, N, D]
  see?.(x);
  for (let block = 0; block < shape.depth; block++) {
    // The heads read the extra tokens alone: in the last block only these ask and go on.
    const asking = block === shape.depth - 1 ? extra : x.shape[1];
    const run = (x: tf.Tensor3D, params: Params) => blockOf(shape, params, x, block, asking, drops);
    const own = paramsOf(params, `blocks.${block}.`);
    x = drops.recompute ? recomputed(run, x, own) : run(x, own);
    see?.(x);
  }
  see?.(norm(within(params, ''), 'norm', x));
  return heads(within(params, ''), x, drops.features);
}

/** Attention and MLP of a block. @param asking how many tokens ask and go on, the first ones */
function blockOf(
  shape: TransformerShape,
  params: Params,
  x: tf.Tensor3D,
  block: number,
  asking: number,
  drops: Drops,
): tf.Tensor3D {
  const own = within(params, '');
  const drop = (x: tf.Tensor3D, place: number) => drops.inside(x, 1 + 3 * block + place);
  const attended = drop(selfAttention(own, norm(own, 'norm1', x), shape.heads, asking), 0);
  const half = tf.add<tf.Tensor3D>(first(x, asking), drops.branch(layerScale(shape, own, 'ls1', attended), block, 0));
  const branch = layerScale(shape, own, 'ls2', mlp(own, norm(own, 'norm2', half), drop));
  return tf.add<tf.Tensor3D>(half, drops.branch(branch, block, 1));
}

/** The parameters of a part of the network, by their names in it. */
function paramsOf(params: Params, prefix: string): Params {
  const entries = Object.entries(params).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}

/** The first `count` tokens. */
function first(x: tf.Tensor3D, count: number): tf.Tensor3D {
  const [batch, tokens, dim] = x.shape;
  return count === tokens ? x : tf.slice(x, [0, 0, 0], [batch, count, dim]);
}

function norm(own: Own, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return layerNorm(x, own(`${name}.weight`), own(`${name}.bias`), EPS);
}

function project<T extends tf.Tensor>(own: Own, name: string, x: T): T {
  return linear(x, own(`${name}.weight`), own(`${name}.bias`));
}

function selfAttention(own: Own, x: tf.Tensor3D, heads: number, asking: number): tf.Tensor3D {
  return project(own, 'attn.proj', attention(project(own, 'attn.qkv', x), heads, asking));
}

function mlp(own: Own, x: tf.Tensor3D, drop: (x: tf.Tensor3D, place: number) => tf.Tensor3D): tf.Tensor3D {
  const hidden = drop(gelu(project(own, 'mlp.fc1', x)), 1); // [B, N, 4·D]
  return drop(project(own, 'mlp.fc2', hidden), 2);
}

function layerScale(shape: TransformerShape, own: Own, name: string, branch: tf.Tensor3D): tf.Tensor3D {
  return shape.layerScale === undefined ? branch : tf.mul(branch, own(`${name}.gamma`));
}

/** Patches, extra tokens and positions as [B, N, D]. */
function embed(shape: TransformerShape, own: Own, images: tf.Tensor4D): tf.Tensor3D {
  const patches = patchEmbed(images, own('patch_embed.proj.weight'), own('patch_embed.proj.bias'));
  const position = own('pos_embed');
  const names = shape.distilled ? ['cls_token', 'dist_token'] : ['cls_token'];
  const extra = names.map((name) => tf.tile(own(name) as tf.Tensor3D, [images.shape[0], 1, 1])); // each [B, 1, D]
  if (shape.layerScale !== undefined) return tf.concat([...extra, tf.add(patches, position)], 1);
  return tf.add(tf.concat([...extra, patches], 1), position);
}

/** Logits from the extra tokens [B, 1 | 2, D]. */
function heads(own: Own, x: tf.Tensor3D, drop: Drops['features']): Heads {
  const [batch, extra, dim] = x.shape;
  const tokens = norm(own, 'norm', x);
  if (extra === 1) return { head: project(own, 'head', drop(tf.reshape(tokens, [batch, dim]))), headDist: null };
  const [classToken, distToken] = tf.unstack(tokens, 1) as tf.Tensor2D[]; // each [B, D]
  return { head: project(own, 'head', classToken), headDist: project(own, 'head_dist', distToken) };
}

function patchesOf({ patch }: TransformerShape, { inputSize, inputWidth = inputSize }: ModelOptions): number {
  return (inputSize / patch) * (inputWidth / patch);
}

/** Every token goes all the way, as in timm: what the last block saves here is not subtracted. */
function macsOf(shape: TransformerShape, options: ModelOptions): number {
  const { patch, dim, depth, distilled } = shape;
  const patches = patchesOf(shape, options);
  const tokens = patches + (distilled ? 2 : 1);
  const block = 12 * tokens * dim ** 2 + 2 * tokens ** 2 * dim;
  return patches * 3 * patch ** 2 * dim + depth * block + dim * options.classes * (distilled ? 2 : 1);
}

function transformerSpecs(shape: TransformerShape, options: ModelOptions): ParamSpec[] {
  const { patch, dim, depth, distilled } = shape;
  const { classes } = options;
  const patches = patchesOf(shape, options);
  const positions = shape.layerScale === undefined ? patches + (distilled ? 2 : 1) : patches;
  // PyTorch's default for a convolution, which DeiT leaves in place: within 1 / √fan-in.
  const uniform: Init = { kind: 'uniform', bound: 1 / Math.sqrt(3 * patch * patch) };
  const names = Array.from({ length: depth }, (_, block) => `blocks.${block}`);
  return [
    { ...param('cls_token', [1, 1, dim], shape.classToken ?? NARROW), noWeightDecay: true },
    { ...param('pos_embed', [1, positions, dim], NARROW), noWeightDecay: true },
    ...(distilled ? [param('dist_token', [1, 1, dim], NARROW)] : []),
    param('patch_embed.proj.weight', [dim, 3, patch, patch], uniform),
    param('patch_embed.proj.bias', [dim], uniform),
    ...names.flatMap((name) => blockSpecs(name, shape)),
    ...layerNormSpecs('norm', dim),
    ...linearSpecs('head', dim, classes, NARROW),
    ...(distilled ? linearSpecs('head_dist', dim, classes, NARROW) : []),
  ];
}

function blockSpecs(name: string, { dim, layerScale }: TransformerShape): ParamSpec[] {
  const scale = (part: string) =>
    layerScale === undefined ? [] : [param(`${name}.${part}.gamma`, [dim], { kind: 'constant', value: layerScale })];
  return [
    ...layerNormSpecs(`${name}.norm1`, dim),
    ...linearSpecs(`${name}.attn.qkv`, dim, 3 * dim, NARROW),
    ...linearSpecs(`${name}.attn.proj`, dim, dim, NARROW),
    ...scale('ls1'),
    ...layerNormSpecs(`${name}.norm2`, dim),
    ...linearSpecs(`${name}.mlp.fc1`, dim, 4 * dim, NARROW),
    ...linearSpecs(`${name}.mlp.fc2`, 4 * dim, dim, NARROW),
    ...scale('ls2'),
  ];
}
