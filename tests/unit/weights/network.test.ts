import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { shapeSize } from '../../../src-main/base/shape-size.ts';
import { writeSafetensors } from '../../../src-main/formats/safetensors.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import type { PlainError } from '../../../src-main/protocol/errors.ts';
import { sayReason } from '../../../src-main/protocol/reasons.ts';
import type { Recipe } from '../../../src-main/protocol/recipe.ts';
import { readClassNames } from '../../../src-main/weights/class-names.ts';
import { chooseNetwork } from '../../../src-main/weights/network.ts';
import { withWeights } from '../../../src-main/weights/weights.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-network-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
/** A folder of the hub with the arrays of a network, and the JSON files beside them. */
function hub(model: string, files: Record<string, unknown> = {}, recipe?: Partial<Recipe>): string {
  const place = join(folder, String(count++));
  mkdirSync(place);
  const { specs } = createModel(model, { classes: 3, inputSize: 224 });
  const arrays = specs.map(({ name, shape }) => {
    return { name, shape, dtype: 'F32' as const, values: () => new Float32Array(shapeSize(shape)) };
  });
  writeFileSync(
    join(place, 'model.safetensors'),
    Buffer.concat([...writeSafetensors(arrays, { format: 'pt', ...(recipe && { recipe: JSON.stringify(recipe) }) })]),
  );
  for (const [name, json] of Object.entries(files)) writeFileSync(join(place, name), JSON.stringify(json));
  return place;
}

/** A note's code; of what is taken with the reason. */
const wordOf = ({ code, params }: PlainError): string =>
  code === 'weights.taken' ? `${code}: ${sayReason(params.why)}` : code;

const chosen = (path: string, asked: Partial<Recipe> = {}) =>
  withWeights(path, (weights) => {
    const { recipe, prepared, notes } = chooseNetwork(weights, asked);
    const { model, inputSize, evalCropRatio } = recipe;
    return { model, inputSize, evalCropRatio, ...prepared, classes: weights.classes, notes: notes.map(wordOf) }; // prettier-ignore
  });

/** As timm 1.0.31 writes it (save_for_hf), shortened. */
const timm = (architecture: string, cfg: object, more: object = {}) => ({
  architecture,
  num_classes: 3,
  pretrained_cfg: { input_size: [3, 224, 224], interpolation: 'bicubic', crop_mode: 'center', ...cfg },
  ...more,
});

describe('the network of a file', () => {
  it('is what its config.json says, with crop, mean, std and names', async () => {
    const cfg = { crop_pct: 0.9, mean: [0.5, 0.4, 0.3], std: [0.5, 0.5, 0.6], interpolation: 'bilinear' };
    const path = hub('vit_tiny_patch16_224', { 'config.json': timm('vit_tiny_patch16_224', cfg, { label_names: ['c', 'a', 'b'] }) }); // prettier-ignore
    expect(await chosen(path)).toEqual({
      ...{ model: 'vit_tiny_patch16_224', inputSize: 224, evalCropRatio: 0.9, interpolation: 'bilinear' },
      ...{
        mean: [0.5, 0.4, 0.3],
        std: [0.5, 0.5, 0.6],
        classes: ['c', 'a', 'b'],
        notes: ['weights.taken: config.json says so'],
      },
    });
    expect(await chosen(join(path, 'model.safetensors'))).toEqual(await chosen(path));
    expect(await chosen(path, { model: 'deit_tiny_patch16_224' })).toMatchObject({
      ...{ model: 'deit_tiny_patch16_224', evalCropRatio: 0.875, mean: [0.485, 0.456, 0.406] },
      notes: ['weights.other-network', 'weights.taken: as it was asked for', 'weights.crop-deit'],
    });
  });

  it('keeps how its data were read for that folder alone', async () => {
    const model = 'deit_tiny_patch16_224';
    const path = hub(model, {}, { model, dataPath: '/a', dataReading: 'set=CIFAR100' });
    const reading = (asked: Partial<Recipe>) =>
      withWeights(path, (weights) => chooseNetwork(weights, asked).recipe.dataReading);
    expect(await reading({})).toBe('set=CIFAR100');
    expect(await reading({ dataPath: '/a' })).toBe('set=CIFAR100');
    expect(await reading({ dataPath: '/b' })).toBe('');
    expect(await reading({ dataPath: '/b', dataReading: 'classes' })).toBe('classes');
  });

  it('is tf_efficientnet_b0 where its config says so, though the arrays fit efficientnet_b0', async () => {
    const path = hub('tf_efficientnet_b0', { 'config.json': timm('tf_efficientnet_b0.in1k', { crop_pct: 0.875 }) });
    expect(await chosen(path)).toMatchObject({ model: 'tf_efficientnet_b0', notes: ['weights.taken: config.json says so'] }); // prettier-ignore
  });

  // Preparations as timm 1.0.31 lists them for these files; DeiT's keeps the crop that its authors publish with.
  it.each([
    ['tf_efficientnet_b0', 'tf_efficientnet_b0_ap-f262efe1.pth', { mean: [0.5, 0.5, 0.5], evalCropRatio: 0.875 }],
    ['resnet18', 'resnet18-f37072fd.pth', { interpolation: 'bilinear', evalCropRatio: 0.875 }],
    ['deit_tiny_patch16_224', 'deit_tiny_patch16_224-a1311bcf.pth', { evalCropRatio: 0.875, notes: expect.arrayContaining(['weights.crop-deit']) as string[] }], // prettier-ignore
  ])('is %s where a published file says so by its name, with its preparation', async (model, name, prepared) => {
    const place = hub(model);
    renameSync(join(place, 'model.safetensors'), join(place, name));
    expect(await chosen(join(place, name))).toMatchObject({ model, ...prepared });
    renameSync(join(place, name), join(place, 'other.pth'));
    if (model === 'resnet18')
      expect(await chosen(join(place, 'other.pth'))).toMatchObject({ model, evalCropRatio: 0.95 }); // prettier-ignore
    else await expect(chosen(join(place, 'other.pth'))).rejects.toMatchObject({ code: 'weights.ambiguous' });
  });

  it.each([
    ['vit_tiny_patch16_224', 'deit_tiny_patch16_224, vit_tiny_patch16_224'],
    ['efficientnet_b0', 'efficientnet_b0, tf_efficientnet_b0'],
  ])('is asked for where the arrays of %s fit several', async (model, models) => {
    await expect(chosen(hub(model))).rejects.toMatchObject({ code: 'weights.ambiguous', params: { models } });
    const asked = await chosen(hub(model), { model });
    const notes = ['weights.taken: as it was asked for'];
    expect(asked).toMatchObject({ model, evalCropRatio: model.startsWith('vit') ? 0.9 : 0.875, notes });
  });

  it('is that of transformers, by its width, with what its preprocessor says', async () => {
    const vit = { hidden_size: 192, num_hidden_layers: 12, num_attention_heads: 3, patch_size: 16, image_size: 224 };
    const images = {
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      size: { height: 224, width: 224 },
      resample: 2,
    };
    const config = { model_type: 'vit', ...vit, id2label: { 0: 'cat', 1: 'dog', 2: 'owl' } };
    const path = hub('vit_tiny_patch16_224', { 'config.json': config, 'preprocessor_config.json': images });
    expect(await chosen(path)).toMatchObject({
      ...{ model: 'vit_tiny_patch16_224', evalCropRatio: 1, interpolation: 'bilinear', mean: [0.5, 0.5, 0.5] },
      ...{ classes: ['cat', 'dog', 'owl'], notes: ['weights.squash', 'weights.taken: config.json says so'] },
    });
    const deit = hub('deit_tiny_patch16_224', {
      'config.json': { model_type: 'deit', ...vit, id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' } },
      'preprocessor_config.json': { size: { shortest_edge: 256 }, crop_size: 224, do_center_crop: true, resample: 3 },
    });
    expect(await chosen(deit)).toMatchObject({ model: 'deit_tiny_patch16_224', evalCropRatio: 0.875, classes: null }); // prettier-ignore
  });

  it.each([
    [{ architecture: 'vit_base_patch32_224' }, 'weights.unknown-network'],
    [timm('vit_tiny_patch16_224', {}, { global_pool: 'avg' }), 'weights.config'],
    [timm('vit_tiny_patch16_224', {}, { model_args: { qk_norm: true } }), 'weights.config'],
    [timm('vit_tiny_patch16_224', { crop_pct: 'x' }), 'weights.config'],
    [{ model_type: 'vit', hidden_size: 192, num_attention_heads: 12 }, 'weights.config'],
  ])('is refused where its config %j means another', async (config, code) => {
    await expect(chosen(hub('vit_tiny_patch16_224', { 'config.json': config }))).rejects.toMatchObject({ code });
  });
});

describe('names of classes', () => {
  it.each([
    ['a\nb\n\n', ['a', 'b']],
    ['["a", "b"]', ['a', 'b']],
    ['{"1": "b", "0": "a"}', ['a', 'b']],
    ['{"id2label": {"0": "a", "1": "b"}}', ['a', 'b']],
    ['{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}', ['n01440764', 'n01443537']],
  ])('are read from %j', (text, names) => {
    const path = join(folder, 'names');
    writeFileSync(path, text);
    expect(readClassNames(path)).toEqual(names);
  });

  it.each(['', '{"0": "a", "2": "b"}', '["a", 3]', '[', 'a\na'])('are refused in %j', (text) => {
    const path = join(folder, 'wrong');
    writeFileSync(path, text);
    expect(() => readClassNames(path)).toThrow(expect.objectContaining({ code: 'weights.class-file' }) as Error);
  });
});
