import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { countParameters, within } from '../../../src-main/model/model.ts';
import { createModel, listModels, modelCard } from '../../../src-main/model/zoo.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';

interface Architecture {
  model: string;
  parameters: number;
  inputSize: number;
  /** Multiply-adds of one image, as torch counts what runs. */
  macs: number;
  entries: number;
  /** Of the names and shapes of timm's state dict, in its order. */
  hash: string;
}

const lines = readFileSync(new URL('../../parity/architectures.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const timm = new Map(lines.map((line) => JSON.parse(line) as Architecture).map((row) => [row.model, row]));

const cards = listModels();

function failure(run: () => unknown): StillhouseError {
  try {
    run();
  } catch (error) {
    if (error instanceof StillhouseError) return error;
    throw error;
  }
  throw new Error('expected a StillhouseError, got none');
}

describe('the zoo', () => {
  test('holds the models that timm was asked about, and no others', () => {
    expect(cards.map(({ name }) => name).sort()).toEqual([...timm.keys()].sort());
  });

  test.each(cards)('$name has the names, shapes and work of timm', ({ name, inputSize, parameters, gflops }) => {
    const { specs, macs } = createModel(name, { classes: 1000, inputSize });
    expect(gflops).toBe(macs / 1e9);
    const lines = specs.map((spec) => `${spec.name} ${spec.shape.join('x')}\n`).join('');
    const hash = createHash('sha256').update(lines).digest('hex').slice(0, 16);
    expect({ model: name, parameters, inputSize, macs, entries: specs.length, hash }).toEqual(timm.get(name));
  });

  test.each([
    ['deit_tiny_patch16_224', 5_717_416],
    ['deit_small_patch16_224', 22_050_664],
    ['deit_base_patch16_224', 86_567_656],
    ['deit_tiny_distilled_patch16_224', 5_910_800],
    ['deit_small_distilled_patch16_224', 22_436_432],
    ['deit_base_distilled_patch16_224', 87_338_192],
    ['deit_base_patch16_384', 86_859_496],
    ['deit_base_distilled_patch16_384', 87_630_032],
    ['regnety_160', 83_590_140],
  ])('%s has the parameters that were published', (name, parameters) => {
    expect(modelCard(name).parameters).toBe(parameters);
  });

  // DeiT's and RegNet's papers, and the table of torchvision.
  test.each([
    ['deit_tiny_patch16_224', 1.3],
    ['deit_small_patch16_224', 4.6],
    ['deit_base_patch16_224', 17.6],
    ['deit_base_patch16_384', 55.5],
    ['regnety_160', 15.9],
    ['regnety_032', 3.2],
    ['resnet18', 1.8],
    ['resnet50', 4.1],
    ['efficientnet_b0', 0.4],
  ])('%s does the work that was published: %d GFLOPs', (name, gflops) => {
    expect(Math.abs(modelCard(name).gflops - gflops)).toBeLessThan(0.051);
  });

  test('tells what a model is', () => {
    expect(modelCard('deit_tiny_distilled_patch16_224')).toEqual({
      name: 'deit_tiny_distilled_patch16_224',
      family: 'deit',
      role: 'student',
      parameters: 5_910_800,
      gflops: 1.261003776,
      inputSize: 224,
      distilled: true,
      publishedTop1: 74.5,
    });
    expect(modelCard('tf_efficientnet_lite0')).toMatchObject({ role: 'teacher', distilled: false });
  });

  test('gives a card of its own to every caller', () => {
    createModel('resnet18', { classes: 2, inputSize: 64 }).mean[0] = 9;
    expect(createModel('resnet18', { classes: 2, inputSize: 64 }).mean).toEqual([0.485, 0.456, 0.406]);
  });
});

describe('createModel', () => {
  test('names the nearest models for one it does not know', () => {
    const error = failure(() => createModel('deit_tiny_distiled_patch16_224', { classes: 10, inputSize: 224 }));
    expect(error.code).toBe('argument.invalid');
    expect(error.message).toContain('deit_tiny_distilled_patch16_224');
    expect(error.message).toContain('"deit_tiny_distiled_patch16_224"');
  });

  test.each([
    [{ classes: 0, inputSize: 224 }, 'classes: expected a whole number above 0, got 0.'],
    [{ classes: 10, inputSize: 100 }, 'inputSize: expected a multiple of 16 for deit_tiny_patch16_224, got 100.'],
    [{ classes: 10, inputSize: 224, dropPath: 1 }, 'dropPath: expected a number from 0 and below 1, got 1.'],
    [{ classes: 10, inputSize: 224, drop: -0.1 }, 'drop: expected a number from 0 and below 1, got -0.1.'],
    [
      { classes: 10, inputSize: 224, inputWidth: 100 },
      'inputWidth: expected a multiple of 16 for deit_tiny_patch16_224, got 100.',
    ],
    [{ classes: 10, inputSize: NaN }, 'inputSize: expected a multiple of 16 for deit_tiny_patch16_224, got NaN.'],
  ])('refuses %o', (options, message) => {
    expect(failure(() => createModel('deit_tiny_patch16_224', options)).message).toContain(message);
  });

  test('takes images that are not square where the network does', () => {
    const { specs, inputWidth } = createModel('deit_tiny_patch16_224', { classes: 7, inputSize: 64, inputWidth: 96 });
    expect(inputWidth).toBe(96);
    expect(specs.find(({ name }) => name === 'pos_embed')?.shape).toEqual([1, 1 + 4 * 6, 192]);
    expect(createModel('resnet18', { classes: 7, inputSize: 65, inputWidth: 96 }).inputWidth).toBe(96);
    const error = failure(() => createModel('resnet18', { classes: 7, inputSize: 64, inputWidth: 0 }));
    expect(error.message).toContain('inputWidth: expected');
  });

  test('sizes heads and positions as asked', () => {
    const { specs } = createModel('deit_tiny_distilled_patch16_224', { classes: 7, inputSize: 96 });
    const shapes = Object.fromEntries(specs.map(({ name, shape }) => [name, shape]));
    expect(shapes).toMatchObject({ pos_embed: [1, 38, 192], 'head.weight': [7, 192], 'head_dist.bias': [7] });
  });

  test('asks for noise only where branches are dropped', () => {
    const shapeOf = (name: string, dropPath?: number) =>
      createModel(name, { classes: 2, inputSize: 64, dropPath }).noise?.shape(5) ?? null;
    expect(shapeOf('deit_tiny_patch16_224', 0.1)).toEqual([24, 5]);
    expect(shapeOf('deit_tiny_patch16_224', 0)).toBeNull();
    expect(shapeOf('deit_tiny_patch16_224')).toBeNull();
    expect(shapeOf('efficientnet_lite0', 0.2)).toEqual([16, 5]);
  });

  test('starts DeiT as it was trained', () => {
    const { specs } = createModel('deit_tiny_distilled_patch16_224', { classes: 10, inputSize: 224 });
    const init = Object.fromEntries(specs.map((spec) => [spec.name, spec.init]));
    const narrow = { kind: 'truncatedNormal', std: 0.02 };
    expect(init).toMatchObject({
      cls_token: narrow,
      dist_token: narrow,
      pos_embed: narrow,
      'blocks.3.attn.qkv.weight': narrow,
      'blocks.3.attn.qkv.bias': { kind: 'zeros' },
      'blocks.3.norm1.weight': { kind: 'ones' },
      'head_dist.weight': narrow,
      'patch_embed.proj.weight': { kind: 'uniform', bound: 1 / Math.sqrt(768) },
      'patch_embed.proj.bias': { kind: 'uniform', bound: 1 / Math.sqrt(768) },
    });
    expect(specs.filter((spec) => spec.noWeightDecay).map((spec) => spec.name)).toEqual(['cls_token', 'pos_embed']);
  });

  test('starts a residual block of a CNN as its shortcut', () => {
    for (const [name, last] of [
      ['regnety_002', 's1.b1.conv3.bn.weight'],
      ['resnet50', 'layer1.0.bn3.weight'],
    ]) {
      const { specs } = createModel(name, { classes: 10, inputSize: 64 });
      expect(specs.find((spec) => spec.name === last)?.init).toEqual({ kind: 'zeros' });
    }
  });

  test('counts what is trained, not running statistics', () => {
    const { specs } = createModel('efficientnet_lite0', { classes: 1000, inputSize: 224 });
    const buffers = specs.filter((spec) => spec.buffer);
    expect(new Set(buffers.map(({ name }) => name.split('.').at(-1)))).toEqual(
      new Set(['running_mean', 'running_var', 'num_batches_tracked']),
    );
    expect(countParameters(specs) + countParameters(buffers.map((spec) => ({ ...spec, buffer: false })))).toBe(
      countParameters(specs.map((spec) => ({ ...spec, buffer: false }))),
    );
  });
});

test('a missing parameter is named', () => {
  expect(() => within({}, 'blocks.0.')('norm1.weight')).toThrow('a parameter named blocks.0.norm1.weight');
});
