import { shapeSize } from '../../../src-main/base/shape-size.ts';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { namedArray, type ArrayToWrite } from '../../../src-main/formats/named-array.ts';
import { safetensorsBytes, writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { divideShards, shardIndexText } from '../../../src-main/formats/shards.ts';
import { writeTorchFile } from '../../../src-main/formats/torch-writer.ts';
import { recognise } from '../../../src-main/model/recognise.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { inspectWeights, type WeightReport } from '../../../src-main/weights/inspect-weights.ts';
import { describeWeights } from '../../../src-main/shells/cli/inspect.ts';

import { HOSTILE, torchZip } from '../formats/hostile-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-inspect-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixtures = fileURLToPath(new URL('../../fixtures/formats/', import.meta.url));

const TINY = 'deit_tiny_distilled_patch16_224';

function arraysOf(model: string, { classes = 10, inputSize = 224, rename = (name: string) => name } = {}) {
  const { specs } = createModel(model, { classes, inputSize });
  return specs.map(({ name, shape }): ArrayToWrite => {
    return { name: rename(name), shape, dtype: 'F32', values: () => new Float32Array(shapeSize(shape)).fill(0.5) };
  });
}

function saved(name: string, pieces: Iterable<Uint8Array>): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([...pieces]));
  return path;
}

/** An array of which nothing but its shape matters. */
const shaped = (shape: number[]) => namedArray('F32', shape, () => expect.unreachable('was read'));

/** A torch file of `count` views of 2^24 numbers each, on one storage of 16 bytes. */
function viewsOf(count: number): Buffer {
  const text = (value: string) => Buffer.from(value, 'latin1');
  const view = (name: string) =>
    `\x8c${String.fromCharCode(name.length)}${name}ctorch._utils\n_rebuild_tensor_v2\n(` +
    `(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x04tQK\x00(J\0\0\0\x01t(K\x00t\x89NtR`;
  const views = Array.from({ length: count }, (_, i) => view(`view${i}`)).join('');
  return torchZip(text(`\x80\x02}(${views}u.`));
}

const small = (name: string, values: number[]): ArrayToWrite => {
  return { name, shape: [values.length], dtype: 'F32', values: Float32Array.from(values) };
};

describe('the network of a file', () => {
  it('is told with classes, input size and what shares its arrays', () => {
    const arrays = arraysOf(TINY, { classes: 7, inputSize: 96 });
    const metadata = { architecture: TINY, classes: '["a","b"]' };
    const report = inspectWeights(saved('tiny.safetensors', writeSafetensors(arrays, metadata)));
    expect(report).toMatchObject({
      kind: 'safetensors',
      files: [{ bytes: safetensorsBytes(arrays, metadata) }],
      classNames: ['a', 'b'],
      total: { arrays: 155, dtypes: { F32: 155 } },
      nan: 0,
      infinite: 0,
    });
    const network = { layout: 'timm', models: [TINY], nearest: null, classes: 7, inputSize: 96, distilled: true };
    expect(report.network).toEqual(network);
    expect(report.arrays[0]).toEqual({
      name: 'cls_token',
      dtype: 'F32',
      shape: [1, 1, 192],
      bytes: 768,
      values: { least: 0.5, greatest: 0.5, nan: 0, infinite: 0 },
    });
  });

  it.each([
    ['deit_base_patch16_384', 384, ['deit_base_patch16_384', 'vit_base_patch16_384', 'deit_base_patch16_224']],
    ['vit_tiny_patch16_224', 224, ['deit_tiny_patch16_224', 'vit_tiny_patch16_224', 'vit_tiny_patch16_384']],
    ['deit3_small_patch16_224', 224, ['deit3_small_patch16_224', 'deit3_small_patch16_384']],
    ['tf_efficientnet_lite0', null, ['efficientnet_lite0', 'tf_efficientnet_lite0']],
    ['regnety_002', null, ['regnety_002']],
    ['resnet18', null, ['resnet18']],
  ])('%s is found by its arrays alone', (model, size, expected) => {
    const { specs } = createModel(model, { classes: 3, inputSize: size ?? 64 });
    const found = recognise(new Map(specs.map(({ name, shape }) => [name, shaped(shape)])));
    expect(found).toMatchObject({ layout: 'timm', classes: 3, inputSize: size, nearest: null });
    expect(found?.models.slice(0, expected.length)).toEqual(expected);
  });

  it('is found under the names of Hugging Face, and without a head', () => {
    const lists = JSON.parse(readFileSync(`${fixtures}keys/transformers.json`, 'utf8')) as Record<string, Record<string, number[]>>; // prettier-ignore
    const found = (list: string) =>
      recognise(new Map(Object.entries(lists[list]).map(([name, shape]) => [name, shaped(shape)])));
    expect(found('DeiTForImageClassificationWithTeacher')).toMatchObject({
      layout: 'Hugging Face',
      models: [TINY],
      classes: 10,
      inputSize: 224,
      distilled: true,
    });
    expect(found('ViTModel')).toMatchObject({ layout: 'Hugging Face', classes: null });
    expect(found('ViTModel')?.models).toContain('vit_tiny_patch16_224');
  });

  it('is the nearest where none fits, and none where nothing is like it', () => {
    const arrays = new Map(arraysOf(TINY).map(({ name, shape }) => [name, shaped([...shape])]));
    arrays.delete('norm.bias');
    arrays.set('surplus', shaped([3]));
    expect(recognise(arrays)).toMatchObject({ models: [], nearest: { model: TINY, differences: 2 } });
    expect(recognise(new Map([['a', shaped([3])]]))).toBeNull();
    expect(recognise(new Map())).toBeNull();
  });

  it('is looked for in bounded time among ten thousand names', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => [`blocks.${i}.attn.qkv.weight`, shaped([1])] as const);
    expect(recognise(new Map(many))).toBeNull();
  });
});

describe('what a file holds', () => {
  it('is told of each state dict of a torch file', () => {
    const path = `${fixtures}deit-zip.pth`;
    const report = inspectWeights(path);
    expect(report).toMatchObject({ kind: 'torch-zip', entries: ['model', 'model_ema'], entry: 'model' });
    expect(inspectWeights(path, { entry: 'model_ema' })).toMatchObject({ entry: 'model_ema' });
    expect(describeWeights(report, false)).toContain('State dicts: model, model_ema; this is model');
  });

  it('is told of shards and of a folder of Hugging Face as of one file', () => {
    const home = join(folder, 'hub');
    mkdirSync(home);
    const shards = divideShards([small('a', [1, 2]), small('b', [3])], 'model.safetensors', 8);
    for (const { file, arrays } of shards)
      writeFileSync(join(home, file), Buffer.concat([...writeSafetensors(arrays, {})]));
    const index = join(home, 'model.safetensors.index.json');
    writeFileSync(index, shardIndexText(shards));
    const report = inspectWeights(home);
    expect(report.path).toBe(index);
    expect(report.files.length).toBe(2);
    expect(report.arrays.map(({ name, values }) => [name, values?.greatest])).toEqual([['a', 2], ['b', 3]]); // prettier-ignore
    expect(describeWeights(report, false)).toContain('safetensors, 2 files');
    rmSync(join(home, shards[1].file));
    expect(() => inspectWeights(home)).toThrow(expect.objectContaining({ code: 'file.missing' }));
  });

  it('is told of torch shards too', () => {
    const home = join(folder, 'torch-hub');
    mkdirSync(home);
    const shards = divideShards([small('a', [1]), small('b', [3])], 'pytorch_model.bin', 4);
    for (const { file, arrays } of shards) writeFileSync(join(home, file), Buffer.concat([...writeTorchFile(arrays)]));
    writeFileSync(join(home, 'pytorch_model.bin.index.json'), shardIndexText(shards));
    expect(inspectWeights(home)).toMatchObject({ kind: 'torch-zip', total: { arrays: 2 } });
  });

  it('counts what is no finite number, and says where', () => {
    const arrays = [small('good', [1, -2]), small('bad', [NaN, Infinity, -Infinity, 7]), small('none', [NaN])];
    const report = inspectWeights(saved('nan.safetensors', writeSafetensors(arrays, {})));
    expect(report).toMatchObject({ nan: 2, infinite: 2, network: null });
    expect(report.arrays.map(({ values }) => values)).toEqual([
      { least: -2, greatest: 1, nan: 0, infinite: 0 },
      { least: 7, greatest: 7, nan: 1, infinite: 2 },
      { least: null, greatest: null, nan: 1, infinite: 0 },
    ]);
    const text = describeWeights(report, true);
    expect(text).toContain('Values: 2 NaN and 2 infinite, in bad, none');
    expect(text).toMatch(/bad +F32 +16 B +7\.000 +7\.000 +\[4\]/);
  });

  it('is not unfolded beyond bounds: a small file of huge views is described, not read', () => {
    const kind = 'torch-zip' as const;
    const report: WeightReport = {
      ...inspectWeights(saved('empty.safetensors', writeSafetensors([], {}))),
      ...{ kind, nan: null, infinite: null },
    };
    expect(describeWeights(report, false)).toContain('not looked at');
    const expanded = inspectWeights(saved('views.pth', [viewsOf(100)]));
    expect(expanded.total.bytes).toBeGreaterThan(6e9);
    expect(expanded).toMatchObject({ nan: null, infinite: null });
    expect(expanded.arrays[0].values).toBeNull();
  });

  it('reaches a terminal without its control characters', () => {
    const arrays = [small('\x1b[2Jgone\u202e', [1])];
    const report = inspectWeights(saved('escape.safetensors', writeSafetensors(arrays, { k: '\x1b]0;title\x07' })));
    const text = describeWeights(report, false);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\0-\x1f\x7f-\x9f\u202e]/);
    expect(text).toContain('\\u001b[2Jgone\\u202e');
  });
});

it('refuses every hostile file with the reader’s own error', () => {
  for (const { bytes, code } of HOSTILE.filter(({ bytes }) => bytes.length < 1 << 16))
    expect(() => inspectWeights(saved('hostile.pth', [bytes]))).toThrow(expect.objectContaining({ code }));
});
