import { describe, expect, it } from 'vitest';
import { namedArray, type NamedArray } from '../../../src-main/formats/named-array.ts';
import { beneath } from '../../../src-main/model/prefixes.ts';
import { createModel } from '../../../src-main/model/zoo.ts';

const one = namedArray('F32', [1], () => new Uint8Array(4));
const TINY = createModel('deit_tiny_patch16_224', { classes: 3, inputSize: 224 }).specs.map(({ name }) => name);
const named = (names: readonly string[]): Map<string, NamedArray> => new Map(names.map((name) => [name, one]));
const before = (prefix: string, names: readonly string[] = TINY) => names.map((name) => prefix + name);

describe('the names of a network', () => {
  it.each([
    ['as they are', TINY, '', []],
    ["torch's AveragedModel", ['n_averaged', ...before('module.')], 'module.', ['n_averaged']],
    ['torch.compile in Lightning', before('model._orig_mod.'), 'model.', []],
    ['torch.compile of a block', TINY.map((name) => name.replace('blocks.0.', 'blocks.0._orig_mod.')), '', []],
    ['DataParallel twice', before('module.module.'), 'module.module.', []],
    ['Lightning with a loss and a metric', [...before('model.'), 'criterion.weight', 'metric.total'], 'model.', ['criterion.weight', 'metric.total']], // prettier-ignore
    ['net.', before('net.'), 'net.', []],
    ['any word', before('my.own.words.'), 'my.own.words.', []],
    ['a model beside its average', [...before('model.'), ...before('ema.')], 'model.', before('ema.')],
  ])('are found: %s', (_, names, prefix, left) => {
    const found = beneath(named(names));
    expect(found).toMatchObject({ prefix, left, rivals: [] });
    expect([...found.tensors.keys()]).toEqual(TINY);
  });

  it('keep a head that stands beside a backbone', () => {
    const body = TINY.filter((name) => !name.startsWith('head.'));
    const found = beneath(named([...before('backbone.', body), 'head.weight', 'head.bias', 'loss.scale']));
    expect([...found.tensors.keys()]).toEqual(TINY);
    expect(found.left).toEqual(['loss.scale']);
  });

  it('of two networks alike are asked for, and taken as they are asked for', () => {
    const both = named([...before('student.backbone.'), ...before('teacher.backbone.')]);
    expect(beneath(both).rivals).toEqual(['student.backbone.', 'teacher.backbone.']);
    expect([...beneath(both, 'teacher.backbone').tensors.keys()]).toEqual(TINY);
  });

  it.each(['resnet18', 'regnety_002', 'efficientnet_b0', 'deit3_small_patch16_224'])('of %s too', (model) => {
    const names = createModel(model, { classes: 3, inputSize: 224 }).specs.map(({ name }) => name);
    expect(beneath(named(names))).toMatchObject({ prefix: '', left: [] });
    expect([...beneath(named(before('encoder.', names))).tensors.keys()]).toEqual(names);
  });
});
