import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { namedArray, type NamedArray } from '../../../src-main/formats/named-array.ts';
import { fitWeights, type FitOptions } from '../../../src-main/model/weights.ts';
import { createModel } from '../../../src-main/model/zoo.ts';

/** Names and shapes as other programs write them (tests/parity/make-key-fixtures.py), each filled with a number of its own. */

const TINY = 'deit_tiny_distilled_patch16_224';
const HEADS = ['head.weight', 'head.bias', 'head_dist.weight', 'head_dist.bias'];

type Lists = Record<string, Record<string, number[]>>;
function listsOf(source: string): Lists {
  const path = new URL(`../../fixtures/formats/keys/${source}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as Lists;
}
const [old, current, hugging] = ['timm-0.3.2', 'timm', 'transformers'].map(listsOf);

function arraysOf(list: Record<string, number[]>): Map<string, NamedArray> {
  return new Map(Object.entries(list).map(([name, shape], index) => [name, array(shape, index)]));
}

function array(shape: number[], value: number): NamedArray {
  const count = shape.reduce((product, side) => product * side, 1);
  return namedArray('F32', shape, () => new Uint8Array(new Float32Array(count).fill(value).buffer));
}

/** The numbers that the thirds of an array are filled with, one where they are the same: comparing all takes long. */
function filled(values: Float32Array | NamedArray): number[] {
  const all = values instanceof Float32Array ? values : values.toFloat32();
  const third = Math.floor(all.length / 3);
  return [...new Set([0, third, third + 1, 2 * third, 2 * third + 1, all.length - 1].map((at) => all[at]))];
}

function fit(model: string, theirs: Map<string, NamedArray>, options: Partial<FitOptions> = {}) {
  const built = createModel(model, { classes: 10, inputSize: 224 });
  return { ...fitWeights(built, theirs, { path: 'x', newHead: false, ...options }), specs: built.specs };
}

describe.each([
  ['timm 0.3.2', old],
  ['timm', current],
])('the names of %s', (_, lists) => {
  it.each(Object.keys(lists))('of %s are ours: every value lands under its own', (model) => {
    const theirs = arraysOf(lists[model]);
    const { params, report, specs } = fit(model, theirs);
    expect(report).toEqual({ layout: 'timm', renewed: [], resized: [], left: [], grids: null });
    expect(Object.keys(params)).toEqual(specs.map(({ name }) => name));
    for (const [name, tensor] of theirs) expect([name, filled(params[name])]).toEqual([name, filled(tensor)]);
  });
});

it('of DeiT III by its authors become those of timm', () => {
  const ours = arraysOf(current.deit3_small_patch16_224);
  const theirs = new Map([...ours].map(([name, tensor]) => [name.replace(/ls([12])\.gamma$/, 'gamma_$1'), tensor]));
  const { params, report } = fit('deit3_small_patch16_224', theirs);
  expect(report.layout).toBe('DeiT III');
  for (const [name, tensor] of ours) expect([name, filled(params[name])]).toEqual([name, filled(tensor)]);
});

describe('the names of Hugging Face', () => {
  it.each([
    ['DeiTForImageClassificationWithTeacher', 'deit.encoder.layer', 'attention.attention', 'query', 'output.dense'],
    ['DeiTForImageClassificationWithTeacher in memory', 'deit.layers', 'attention', 'q_proj', 'mlp.fc2'],
  ])('of %s: every layer finds its place, query, key and value become one', (list, layers, attention, query, fc2) => {
    const theirs = arraysOf(hugging[list]);
    const { params, report, specs } = fit(TINY, theirs);
    expect(report).toEqual({ layout: 'Hugging Face', renewed: [], resized: [], left: [], grids: null });
    expect(Object.keys(params)).toEqual(specs.map(({ name }) => name));
    const values = (name: string) => filled(theirs.get(name)!);
    const parts = query === 'query' ? ['query', 'key', 'value'] : ['q_proj', 'k_proj', 'v_proj'];
    for (const leaf of ['weight', 'bias']) {
      const joined = parts.flatMap((part) => values(`${layers}.7.${attention}.${part}.${leaf}`));
      expect(joined.length).toBe(3);
      expect(filled(params[`blocks.7.attn.qkv.${leaf}`])).toEqual(joined);
    }
    const proj = query === 'query' ? 'attention.output.dense' : 'attention.o_proj';
    expect(filled(params['blocks.11.attn.proj.weight'])).toEqual(values(`${layers}.11.${proj}.weight`));
    expect(filled(params['blocks.3.mlp.fc2.weight'])).toEqual(values(`${layers}.3.${fc2}.weight`));
    expect(filled(params['blocks.3.norm1.bias'])).toEqual(values(`${layers}.3.layernorm_before.bias`));
    expect(filled(params['norm.weight'])).toEqual(values('deit.layernorm.weight'));
    expect(filled(params.dist_token)).toEqual(values('deit.embeddings.distillation_token'));
    expect(filled(params['head.bias'])).toEqual(values('cls_classifier.bias'));
    expect(filled(params['head_dist.bias'])).toEqual(values('distillation_classifier.bias'));
  });

  it('of a ViT, whose head is called otherwise', () => {
    const theirs = arraysOf(hugging.ViTForImageClassification);
    const { params, report } = fit('vit_tiny_patch16_224', theirs);
    expect(report.layout).toBe('Hugging Face');
    expect(filled(params['head.weight'])).toEqual(filled(theirs.get('classifier.weight')!));
  });

  it('of models without both heads: what is missing is said, or made anew where that is wanted', () => {
    const classifier = arraysOf(hugging.DeiTForImageClassification);
    expect(() => fit(TINY, classifier)).toThrow('missing head_dist.weight, head_dist.bias; unexpected none');
    expect(fit(TINY, classifier, { newHead: true }).report.renewed).toEqual(HEADS.slice(2));
    const bare = arraysOf(hugging.ViTModel);
    expect(() => fit('vit_tiny_patch16_224', bare)).toThrow('missing head.weight, head.bias; unexpected none');
    expect(fit('vit_tiny_patch16_224', bare, { newHead: true }).report.renewed).toEqual(HEADS.slice(0, 2));
  });

  it('of a query without its key: the leftovers are named', () => {
    const theirs = arraysOf(hugging.ViTForImageClassification);
    theirs.delete('vit.encoder.layer.2.attention.attention.key.weight');
    expect(() => fit('vit_tiny_patch16_224', theirs)).toThrow(
      'missing blocks.2.attn.qkv.weight; unexpected blocks.2.attn.query.weight, blocks.2.attn.value.weight',
    );
  });
});
