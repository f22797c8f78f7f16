import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { reason } from '../../../src-main/protocol/reasons.ts';
import { openWeightFile, type WeightFile } from '../../../src-main/formats/weight-file.ts';
import { fitWeights } from '../../../src-main/model/weights.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import type { Model } from '../../../src-main/model/model.ts';
import { saveCheckpoint, type StateTensor } from '../../../src-main/runs/checkpoint.ts';
import { exportCheckpoint, exportFile } from '../../../src-main/runs/export.ts';
import { openFile } from '../../../src-main/runs/file-source.ts';
import { openWeights } from '../../../src-main/weights/open-weights.ts';
import { withLimitedDisk } from './limited-disk.ts';
import { CLASSES, facts, newRun, recipe, temporaryFolder } from './state.ts';

const MODEL = 'tf_efficientnet_lite0';
let model: Model;
let run: string;
let checkpoint: string;

function valueOf(name: string, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (name.length % 7) + (i % 1000));
}

// Matchers of millions of numbers take minutes.
function equal(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer));
}

beforeAll(async () => {
  model = createModel(MODEL, { classes: CLASSES.length, inputSize: 64 });
  const state = model.specs.map(({ name, shape }): StateTensor => {
    const count = shape.reduce((product, side) => product * side, 1);
    return [`model.${name}`, shape, () => valueOf(name, count)];
  });
  const moments: StateTensor[] = [['exp_avg.classifier.bias', [3], new Float32Array(3)]];
  run = newRun();
  const about = { ...facts({ step: 30 }), recipe: recipe({ model: MODEL, inputSize: 64, evalCropRatio: 0.9 }) };
  checkpoint = (await saveCheckpoint(run, about, [...state, ...moments])).file;
});

function withFile<Result>(path: string, body: (file: WeightFile) => Result): Result {
  const source = openFile(path);
  try {
    return body(openWeightFile(source, path));
  } finally {
    source.close();
  }
}

describe.each(['safetensors', 'pth'] as const)('an export as %s', (format) => {
  it('is divided over files beyond a size, which are read as one by their index', async () => {
    const folder = temporaryFolder();
    const path = join(run, 'checkpoints', checkpoint);
    const exported = await exportFile(path, format, join(folder, `model.${format}`), { shardBytes: 6e6 });
    expect(exported.path).toBe(join(folder, `model.${format}.index.json`));
    const names = readdirSync(folder).sort();
    const count = names.length - 1;
    const shards = names.filter((name) => name.endsWith(`-of-0000${count}.${format}`));
    expect(count).toBeGreaterThan(2);
    expect(shards.length).toBe(count);
    expect(exported.bytes).toBe(shards.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0));
    const opened = openWeights(exported.path);
    const { params } = fitWeights(model, opened.file.tensors, { path: exported.path, newHead: false });
    opened.close();
    expect(opened.files.map(({ path }) => basename(path))).toEqual(shards);
    expect(opened.file.metadata.architecture).toBe(MODEL);
    const wrong = Object.entries(params).filter(([name, values]) => !equal(values, valueOf(name, values.length)));
    expect(wrong.map(([name]) => name).filter((name) => !name.endsWith('num_batches_tracked'))).toEqual([]);
  });

  it('holds the model alone, in order, with its counters as integers', async () => {
    const output = join(temporaryFolder(), `new/folder/model.${format}`);
    const exported = await exportCheckpoint(run, { checkpoint, format, output });
    expect(exported).toEqual({ path: output, bytes: statSync(output).size });
    withFile(output, ({ kind, tensors }) => {
      expect(kind).toBe(format === 'pth' ? 'torch-zip' : 'safetensors');
      expect([...tensors.keys()]).toEqual(model.specs.map(({ name }) => name));
      expect(tensors.get('bn1.num_batches_tracked')).toMatchObject({ dtype: 'I64', shape: [] });
      const { params, report } = fitWeights(model, tensors, { path: output, newHead: false });
      expect(report).toEqual({ layout: 'timm', renewed: [], resized: [], left: [], grids: null });
      const wrong = Object.entries(params).filter(([name, values]) => !equal(values, valueOf(name, values.length)));
      expect(wrong).toEqual([]);
    });
  });

  it('says what using it takes', async () => {
    const { path } = await exportCheckpoint(run, { checkpoint, format });
    expect(path).toBe(join(run, 'exports', `${MODEL}-epoch-0002.${format}`));
    const metadata = withFile(path, (file) => file.metadata);
    expect(JSON.parse(metadata.classes)).toEqual(CLASSES);
    expect(JSON.parse(metadata.mean)).toEqual(model.mean);
    expect(metadata).toMatchObject({
      architecture: MODEL,
      num_classes: '3',
      input_size: '[3,64,64]',
      crop_pct: '0.9',
      interpolation: 'bicubic',
    });
  });

  it('leaves what was there when the disk is full', async () => {
    await withLimitedDisk(1 << 20, async (folder) => {
      const output = join(folder, 'model');
      writeFileSync(output, 'old');
      await expect(exportCheckpoint(run, { checkpoint, format, output })).rejects.toMatchObject({ code: 'disk.full' });
      expect(readdirSync(folder).filter((name) => name !== 'filling')).toEqual(['model']);
      expect(statSync(output).size).toBe(3);
    });
  });
});

describe('what cannot be exported', () => {
  it('is a checkpoint that is not there, or a path for one', async () => {
    const missing = { code: 'file.missing' };
    const request = { format: 'pth', output: join(temporaryFolder(), 'x') } as const;
    await expect(
      exportCheckpoint(run, { ...request, checkpoint: 'epoch-0007-step-00000070.safetensors' }),
    ).rejects.toMatchObject(missing);
    await expect(exportCheckpoint(run, { ...request, checkpoint: '../run.json' })).rejects.toMatchObject(missing);
    expect(existsSync(request.output)).toBe(false);
  });

  it('is a file that is no checkpoint, and one that lacks parameters', async () => {
    const output = join(temporaryFolder(), 'x');
    const bad = { code: 'weights.format' };
    await expect(exportFile(join(run, 'run.json'), 'pth', output)).rejects.toMatchObject(bad);
    const other = newRun();
    const { file } = await saveCheckpoint(other, facts(), [['model.cls_token', [1, 1, 192], new Float32Array(192)]]);
    await expect(exportCheckpoint(other, { checkpoint: file, format: 'pth', output })).rejects.toMatchObject({
      ...bad,
      params: { reason: reason('weights.lacks', { name: 'pos_embed', shape: '1, 197, 192' }) },
    });
    expect(existsSync(output)).toBe(false);
  });

  it('is written under no ending of another format', async () => {
    const output = join(temporaryFolder(), 'model.safetensors');
    await expect(exportCheckpoint(run, { checkpoint, format: 'pth', output })).rejects.toMatchObject({
      code: 'export.ending',
    });
    expect(existsSync(output)).toBe(false);
  });

  it('has nowhere to go when its folder is a file', async () => {
    const output = join(run, 'run.json', 'model.pth');
    await expect(exportCheckpoint(run, { checkpoint, format: 'pth', output })).rejects.toMatchObject({
      code: 'disk.denied',
    });
  });
});
