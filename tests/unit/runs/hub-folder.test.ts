import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shapeSize } from '../../../src-main/base/shape-size.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { saveCheckpoint, type StateTensor } from '../../../src-main/runs/checkpoint.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { writeNetwork } from '../../../src-main/runs/export.ts';
import { isOwnFolder, readManifest } from '../../../src-main/runs/export-manifest.ts';
import type { NetworkToWrite } from '../../../src-main/runs/export-network.ts';
import { openWeights } from '../../../src-main/weights/open-weights.ts';
import { differencesOf, readNetwork } from '../../../src-main/weights/export-reader.ts';
import { exportWeightFile } from '../../../src-main/weights/export-weights.ts';
import { withLimitedDisk } from './limited-disk.ts';
import { CLASSES, epochRow, facts, newRun, recipe, temporaryFolder } from './state.ts';

const DISTILLED = 'deit_tiny_distilled_patch16_224';

function network(name: string, classes = 10): NetworkToWrite {
  const model = createModel(name, { classes, inputSize: 224 });
  const arrays = model.specs.map(({ name, shape, integer }, place) => {
    const values = () => new Float32Array(shapeSize(shape)).fill(place);
    return { name, shape, dtype: integer ? ('I64' as const) : ('F32' as const), values };
  });
  const { mean, std } = model;
  const prepared = { inputSize: 224, cropRatio: 0.9, interpolation: 'bicubic', mean, std };
  return { model, arrays, classes: null, prepared, stood: null, heads: 'mean' };
}

const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as Record<string, unknown>;

describe('a Hugging Face folder', () => {
  // Names and shapes as transformers itself writes them, by tests/parity/make-key-fixtures.py.
  const keys = json('tests/fixtures/formats/keys/transformers.json') as Record<string, Record<string, number[]>>;

  it.each([
    [DISTILLED, 'DeiTForImageClassificationWithTeacher'],
    ['vit_tiny_patch16_224', 'ViTForImageClassification'],
    ['deit_tiny_patch16_224', 'ViTForImageClassification'],
  ])('of %s holds the arrays of %s', async (name, architecture) => {
    const { path } = await writeNetwork(network(name), 'huggingface', join(temporaryFolder(), 'out'));
    const opened = openWeights(path);
    const found = Object.fromEntries([...opened.file.tensors].map(([key, { shape }]) => [key, shape]));
    opened.close();
    expect(found).toEqual(keys[architecture]);
    expect(json(path, 'config.json')).toMatchObject({ architectures: [architecture], layer_norm_eps: 1e-6 });
    expect(json(path, 'preprocessor_config.json')).toMatchObject({ size: { shortest_edge: 248 } });
  });

  it.each(['deit3_small_patch16_224', 'resnet18'])('is refused for %s, which transformers has not', async (name) => {
    const output = join(temporaryFolder(), 'out');
    const refused = { code: 'export.network', params: { model: name, instead: 'timm' } };
    await expect(writeNetwork(network(name), 'huggingface', output)).rejects.toMatchObject(refused);
    expect(existsSync(output)).toBe(false);
  });
});

describe.each(['timm', 'huggingface'] as const)('a folder as %s', (format) => {
  async function checkpointOf(): Promise<{ run: string; path: string }> {
    const { specs } = createModel(DISTILLED, { classes: CLASSES.length, inputSize: 32 });
    const run = newRun(undefined, { model: DISTILLED, inputSize: 32, distillationType: 'hard', lr: 0.25 });
    const state = specs.map(({ name, shape }, at): StateTensor => [`model.${name}`, shape, () => new Float32Array(shapeSize(shape)).fill(at)]); // prettier-ignore
    const about = { ...facts({ step: 30 }), recipe: recipe({ model: DISTILLED, inputSize: 32 }) };
    const { file } = await saveCheckpoint(run, about, state);
    return { run, path: join(run, 'checkpoints', file) };
  }

  it('is read back as the checkpoint that it was made from', async () => {
    const { path } = await checkpointOf();
    const { path: folder, bytes } = await exportWeightFile(path, { format, output: join(temporaryFolder(), 'f'), settings: {} }); // prettier-ignore
    const [before, after] = [await readNetwork(path, {}), await readNetwork(folder, {})];
    expect(differencesOf(folder, before, after)).toEqual([]);
    expect(after.classes).toEqual(CLASSES);
    expect(readManifest(folder)).toMatchObject({ format, facts: { epoch: 2, architecture: DISTILLED } });
    expect(bytes).toBeGreaterThan(4 * 5e6);
  });

  it('is made for images that are not square, whose file is read as such', async () => {
    const { path } = await checkpointOf();
    const wish = { format, output: join(temporaryFolder(), 'f'), settings: { inputSize: 32 }, inputWidth: 64 };
    const { path: folder } = await exportWeightFile(path, wish);
    const { model, preprocessing, params } = await readNetwork(folder, {});
    expect(model).toMatchObject({ inputSize: 32, inputWidth: 64 });
    expect(preprocessing).toMatchObject({ inputSize: 32, inputWidth: 64 });
    expect(params.pos_embed.length).toBe(192 * (2 + 2 * 4));
  });

  it('has a card that is filled from the run', async () => {
    const { run, path } = await checkpointOf();
    openHistory(run).append([{ ...epochRow(2, 61.5), distillationHead: { loss: 1.5, acc1: 59.25, acc5: 88 } }]);
    const wish = { format, output: join(temporaryFolder(), 'f'), settings: {}, licence: 'cc-by-4.0' };
    const { path: folder } = await exportWeightFile(path, wish);
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(card).toContain('license: cc-by-4.0');
    expect(card).toContain('| both heads | 61.50 % | 90.00 % |');
    expect(card).toContain('| distillation head | 59.25 % |');
    expect(card).toContain('hard distillation from `regnety_160`');
    expect(card).toMatch(/\| .*\(`--lr`\) \| 0\.0005 \| 0\.25 \|/);
    expect(card).toContain('`cat`, `dog`, `猫`');
    expect(card).toContain('To be filled in');
  });

  it('takes the place of an earlier one, and of nothing else', async () => {
    const path = join(temporaryFolder(), 'f');
    await writeNetwork(network(DISTILLED), format, path);
    await writeNetwork(network(DISTILLED, 7), format, path);
    expect(readManifest(path)!.facts.num_classes).toBe(7);
    writeFileSync(join(path, 'mine.txt'), '');
    expect(isOwnFolder(path)).toBe(false);
    await expect(writeNetwork(network(DISTILLED), format, path)).rejects.toMatchObject({ code: 'disk.denied' });
    expect(readManifest(path)!.facts.num_classes).toBe(7);
    expect(readdirSync(join(path, '..'))).toEqual(['f']);
  });

  it('is not there at all where it was broken off, or where there is no place for it', async () => {
    const folder = temporaryFolder();
    let heard = 0;
    const onBytes = (bytes: number): void => {
      if ((heard += bytes) > 1e6) throw new Error('stopped');
    };
    await expect(writeNetwork(network(DISTILLED), format, join(folder, 'f'), { onBytes })).rejects.toThrow('stopped');
    writeFileSync(join(folder, 'file'), '');
    const denied = { code: 'disk.denied' };
    for (const path of ['file', 'file/f']) await expect(writeNetwork(network(DISTILLED), format, join(folder, path))).rejects.toMatchObject(denied); // prettier-ignore
    expect(readdirSync(folder)).toEqual(['file']);
    await withLimitedDisk(1 << 20, async (small) => {
      const full = { code: 'disk.full' };
      await expect(writeNetwork(network(DISTILLED), format, join(small, 'f'))).rejects.toMatchObject(full);
      expect(readdirSync(small).filter((name) => name !== 'filling')).toEqual([]);
    });
    // What a process left that was killed is removed by the next one.
    mkdirSync(join(folder, '.f.999999999.0123456789ab.tmp/sub'), { recursive: true });
    await writeNetwork(network(DISTILLED), format, join(folder, 'f'));
    expect(readdirSync(folder)).toEqual(['f', 'file']);
  });
});
