import type { ArrayToWrite } from '../formats/named-array.ts';
import type { Model } from './model.ts';

/** Names of a network's arrays in Hugging Face's transformers: the way back from `key-names.ts`. */

/** A class of transformers that computes what a network of ours does. */
export interface HubClass {
  type: 'vit' | 'deit';
  architecture: string;
}

/**
 * Finds the class of transformers for a network; null where it has none: DeiT III and convolutional networks.
 * Its DeiT has a distillation token in any case, so a DeiT without one is a ViT there, as on the hub.
 */
export function hubClassOf({ family, distilled, specs }: Model): HubClass | null {
  if ((family !== 'deit' && family !== 'vit') || specs.some(({ name }) => name.endsWith('.gamma'))) return null;
  if (distilled) return { type: 'deit', architecture: 'DeiTForImageClassificationWithTeacher' };
  return { type: 'vit', architecture: 'ViTForImageClassification' };
}

/** In order; names of `outer` get the type of the model before them. */
const OUTER: readonly [RegExp, string][] = [
  [/^cls_token$/, 'embeddings.cls_token'],
  [/^dist_token$/, 'embeddings.distillation_token'],
  [/^pos_embed$/, 'embeddings.position_embeddings'],
  [/^patch_embed\.proj\./, 'embeddings.patch_embeddings.projection.'],
  [/^norm\./, 'layernorm.'],
  [/^(blocks\.\d+)\.attn\.proj\./, '$1.attention.output.dense.'],
  [/^(blocks\.\d+)\.norm1\./, '$1.layernorm_before.'],
  [/^(blocks\.\d+)\.norm2\./, '$1.layernorm_after.'],
  [/^(blocks\.\d+)\.mlp\.fc1\./, '$1.intermediate.dense.'],
  [/^(blocks\.\d+)\.mlp\.fc2\./, '$1.output.dense.'],
  [/^blocks\.(\d+)\./, 'encoder.layer.$1.'],
];
const THIRDS = ['query', 'key', 'value'];

/** Renames arrays to those of transformers, and splits the joint projection of query, key and value in three. */
export function hubArrays({ type }: HubClass, arrays: readonly ArrayToWrite[]): ArrayToWrite[] {
  return arrays.flatMap((array) => {
    const { name } = array;
    const [, block, leaf] = /^blocks\.(\d+)\.attn\.qkv\.(\w+)$/.exec(name) ?? [];
    if (block === undefined) return [{ ...array, name: hubName(type, name) }];
    const before = `${type}.encoder.layer.${block}.attention.attention`;
    return THIRDS.map((part, index) => ({ ...thirdOf(array, index), name: `${before}.${part}.${leaf}` }));
  });
}

function hubName(type: HubClass['type'], name: string): string {
  if (name.startsWith('head_dist.')) return name.replace('head_dist', 'distillation_classifier');
  if (name.startsWith('head.')) return name.replace('head', type === 'deit' ? 'cls_classifier' : 'classifier');
  return `${type}.${OUTER.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), name)}`;
}

function thirdOf({ name, shape, dtype, values }: ArrayToWrite, index: number): ArrayToWrite {
  const [rows, ...rest] = shape;
  return {
    ...{ name, dtype, shape: [rows / 3, ...rest] },
    values: () => {
      const all = typeof values === 'function' ? values() : values;
      return all.subarray((all.length / 3) * index, (all.length / 3) * (index + 1));
    },
  };
}
