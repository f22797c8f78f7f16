import * as tf from '@tensorflow/tfjs-core';
import { gelu, layerNorm, linear, patchEmbed } from './layers.ts';
import type { Network, Params } from './model.ts';

/**
 * Where the extra tokens of an image transformer look: attention rollout (Abnar and Zuidema, arXiv 2005.00928). Each
 * block's attention is averaged over its heads, half of it is the token itself (the residual), and the blocks are
 * multiplied. Letters: N tokens (extra ones first), D width, h heads, d = D / h.
 */

const EPS = 1e-6;

export interface RolloutShape {
  /** Attention heads. */
  heads: number;
  /** Extra tokens: class token, and distillation token. */
  extra: number;
}

/** Returns what a rollout needs of a network; null of one without attention. */
export function rolloutShape({
  attentionHeads,
  distilled,
}: Pick<Network, 'attentionHeads' | 'distilled'>): RolloutShape | null {
  return attentionHeads === undefined ? null : { heads: attentionHeads, extra: distilled ? 2 : 1 };
}

/**
 * Computes where the extra tokens of an image look.
 * @param params of the network, by their names in it
 * @param images [1, S, S, 3], normalised
 * @returns `rolled`, the attention rollout: shares of the patches [extra, patches], each row adding up to 1; `raw`, the
 * attention of each block and head as it is [blocks, h, extra, patches]
 */
export function rollout(
  { heads, extra }: RolloutShape,
  params: Params,
  images: tf.Tensor4D,
): { rolled: tf.Tensor2D; raw: tf.Tensor4D } {
  return tf.tidy(() => {
    const raw: tf.Tensor3D[] = [];
    let x = embed(params, images, extra); // [1, N, D]
    const tokens = x.shape[1];
    let rolled = tf.eye(tokens);
    for (let block = 0; `blocks.${block}.attn.qkv.weight` in params; block++) {
      const own = (name: string): tf.Tensor => params[`blocks.${block}.${name}`];
      const { weights, value } = attend(own, norm(own, 'norm1', x), heads);
      raw.push(tf.slice(tf.squeeze<tf.Tensor3D>(weights, [0]), [0, 0, extra], [heads, extra, tokens - extra]));
      x = tf.add(x, scaled(own, 'ls1', value));
      const hidden = gelu(linear(norm(own, 'norm2', x), own('mlp.fc1.weight'), own('mlp.fc1.bias')));
      x = tf.add(x, scaled(own, 'ls2', linear(hidden, own('mlp.fc2.weight'), own('mlp.fc2.bias'))));
      const mean = tf.squeeze<tf.Tensor2D>(tf.mean(weights, 1), [0]); // [N, N]
      rolled = tf.matMul(tf.mul<tf.Tensor2D>(tf.add(mean, tf.eye(tokens)), 0.5), rolled);
    }
    const looks = tf.slice2d(rolled, [0, extra], [extra, tokens - extra]);
    return { rolled: tf.div<tf.Tensor2D>(looks, tf.sum(looks, 1, true)), raw: tf.stack(raw) as tf.Tensor4D };
  });
}

function embed(params: Params, images: tf.Tensor4D, extra: number): tf.Tensor3D {
  const patches = patchEmbed(images, params['patch_embed.proj.weight'], params['patch_embed.proj.bias']);
  const position = params['pos_embed'];
  const named = (extra === 2 ? ['cls_token', 'dist_token'] : ['cls_token']).map((name) => params[name] as tf.Tensor3D);
  // Where there are positions for the patches alone, the class token has none.
  if (position.shape[1] === patches.shape[1]) return tf.concat([...named, tf.add(patches, position)], 1);
  return tf.add(tf.concat([...named, patches], 1), position);
}

function attend(own: (name: string) => tf.Tensor, x: tf.Tensor3D, heads: number) {
  const [, tokens, dim] = x.shape;
  const qkv = linear(x, own('attn.qkv.weight'), own('attn.qkv.bias')); // [1, N, 3·D]
  const split = tf.transpose(tf.reshape(qkv, [tokens, 3, heads, dim / heads]), [1, 2, 0, 3]); // [3, h, N, d]
  const [q, k, v] = tf.unstack(split) as tf.Tensor3D[];
  const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(dim / heads))); // [h, N, N]
  const joined = tf.reshape<tf.Rank.R3>(tf.transpose(tf.matMul(weights, v), [1, 0, 2]), [1, tokens, dim]);
  const value = linear(joined, own('attn.proj.weight'), own('attn.proj.bias'));
  return { weights: tf.expandDims(weights, 0), value };
}

function norm(own: (name: string) => tf.Tensor, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return layerNorm(x, own(`${name}.weight`), own(`${name}.bias`), EPS);
}

function scaled(own: (name: string) => tf.Tensor | undefined, name: string, branch: tf.Tensor3D): tf.Tensor3D {
  const gamma = own(`${name}.gamma`);
  return gamma ? tf.mul(branch, gamma) : branch;
}
