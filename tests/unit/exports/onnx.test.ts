import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GraphOptions, WriteOptions } from '../../../src-main/exports/graph.ts';
import { writeOnnx } from '../../../src-main/exports/onnx-writer.ts';
import { readOnnxHeader } from '../../../src-main/formats/onnx-header.ts';
import type { Model } from '../../../src-main/model/model.ts';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { deciding } from '../../../src-main/train/metrics.ts';
import { relativeError, testEngine } from '../../helpers/engine.ts';
import * as networks from '../../helpers/exported-networks.ts';

const { NARROW } = networks;
let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

function made(model: Model, options?: GraphOptions) {
  const network = networks.exportedNetwork(engine, model, options);
  return { network, answers: networks.answersOfEngine(engine, network) };
}

/** Runs images through the file, each batch of `size` on its own. */
async function run(bytes: Uint8Array | string, input: ort.Tensor, size: number) {
  const session = await ort.InferenceSession.create(bytes as string, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const [name] = session.inputNames;
  const parts: Record<string, number[]> = {};
  const [count, ...sides] = input.dims as number[];
  const width = input.data.length / count;
  for (let at = 0; at < count; at += size) {
    const rows = (input.data as Float32Array).slice(at * width, (at + size) * width);
    const results = await session.run({ [name]: new ort.Tensor(input.type as 'float32', rows, [size, ...sides]) });
    for (const [key, { data }] of Object.entries(results)) (parts[key] ??= []).push(...(data as Float32Array));
  }
  await session.release();
  return { ...parts, name } as unknown as Record<string, Float32Array> & { name: string };
}

function fed({ inputSize, inputWidth = inputSize }: Model, images: Float32Array): ort.Tensor {
  return new ort.Tensor('float32', networks.channelsFirst(images, 3), [3, 3, inputSize, inputWidth]);
}

function fileOf({ network }: ReturnType<typeof made>, more: Partial<WriteOptions> = {}): Buffer {
  return networks.contentOf(writeOnnx(network.graph, networks.writeOptions(more))[0]);
}

describe('in ONNX Runtime', () => {
  test.for(Object.keys(NARROW))('%s answers as the engine, alone and in a batch', async (name) => {
    const model = NARROW[name]();
    const one = made(model);
    const bytes = fileOf(one);
    const expected = deciding('mean', one.answers, model.classes);
    for (const size of [1, 3]) {
      const { logits } = await run(bytes, fed(model, one.answers.images), size);
      expect(relativeError(logits, expected), `batch of ${size}`).toBeLessThan(1e-5);
    }
  });

  test.for(['mean', 'softmax', 'class', 'distillation'] as const)(
    'decides by %s, and gives both heads',
    async (heads) => {
      const model = NARROW.distilled();
      const one = made(model, { heads });
      for (const precision of ['float32', 'float16'] as const) {
        const answers = await run(fileOf(one, { precision }), fed(model, one.answers.images), 3);
        const allowed = precision === 'float16' ? 5e-3 : 1e-5;
        expect(relativeError(answers.logits, deciding(heads, one.answers, 5))).toBeLessThan(allowed);
        expect(relativeError(answers.cls_logits, one.answers.head)).toBeLessThan(allowed);
        expect(relativeError(answers.distillation_logits, one.answers.headDist)).toBeLessThan(allowed);
      }
    },
  );

  test.for(['deit3', 'regnety', 'lite'])('%s takes float32 and answers in it with halves inside', async (name) => {
    const model = NARROW[name]();
    const one = made(model);
    const bytes = fileOf(one, { precision: 'float16' });
    expect(bytes.length).toBeLessThan(0.7 * fileOf(one).length);
    const { logits } = await run(bytes, fed(model, one.answers.images), 3);
    expect(relativeError(logits, one.answers.head)).toBeLessThan(1e-2);
  });

  test('takes pixels from 0 to 255 and normalises them itself', async () => {
    for (const name of ['wide', 'tf-efficientnet']) {
      const model = NARROW[name]();
      const { inputSize, inputWidth = inputSize, mean, std } = model;
      const one = made(model);
      const pixels = Uint8Array.from(one.answers.images, (value, at) => 255 * (value * std[at % 3] + mean[at % 3]));
      const whole = Float32Array.from(pixels, (value, at) => (value / 255 - mean[at % 3]) / std[at % 3]);
      const expected = await run(fileOf(one), fed(model, whole), 3);
      for (const precision of ['float32', 'float16'] as const) {
        const bytes = fileOf(one, { input: 'images', precision });
        const answers = await run(bytes, new ort.Tensor('uint8', pixels, [3, inputSize, inputWidth, 3]), 3);
        expect(answers.name).toBe('images');
        expect(relativeError(answers.logits, expected.logits)).toBeLessThan(precision === 'float32' ? 1e-5 : 1e-2);
      }
    }
  });

  test('multiplies whole numbers in image transformers alone', async () => {
    const model = NARROW.distilled();
    const one = made(model);
    const { logits } = await run(fileOf(one, { precision: 'int8' }), fed(model, one.answers.images), 1);
    const error = relativeError(logits, deciding('mean', one.answers, 5));
    expect(error).toBeLessThan(0.1);
    expect(error).toBeGreaterThan(0);
    expect(() => fileOf(made(NARROW.lite()), { precision: 'int8' })).toThrow(
      expect.objectContaining({ code: 'export.int8' }),
    );
  });

  test('reads large weights from a file beside', async () => {
    const model = networks.EXPORTED.vit();
    const one = made(model);
    const files = writeOnnx(one.network.graph, networks.writeOptions({ externalBytes: 1e6 }));
    expect(files.map(({ name }) => name)).toEqual(['model.onnx', 'model.onnx.data', 'model.onnx.json']);
    expect(files[0].bytes).toBeLessThan(files[1].bytes / 10);
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-onnx-'));
    for (const file of files) writeFileSync(join(folder, file.name), networks.contentOf(file));
    const { logits } = await run(join(folder, 'model.onnx'), fed(model, one.answers.images), 3);
    expect(relativeError(logits, one.answers.head)).toBeLessThan(1e-5);
  });
});

describe('the file', () => {
  test('says what it takes and gives, and holds the facts', () => {
    const one = made(NARROW.wide());
    const bytes = fileOf(one);
    const source = { size: bytes.length, read: (at: number, count: number) => bytes.subarray(at, at + count) };
    const header = readOnnxHeader(source, 'model.onnx');
    expect(header.inputs).toEqual([{ name: 'pixel_values', dtype: 'float32', shape: [null, 3, 32, 64] }]);
    const names = header.outputs.map(({ name, shape }) => [name, shape]);
    expect(names).toEqual(['logits', 'cls_logits', 'distillation_logits'].map((name) => [name, [null, 1]]));
    expect(header.metadata.architecture).toBe('test_deit_distilled_patch16_32');
    const ops = new Set(header.sketch.main.nodes.map(({ op }) => op));
    for (const op of ['Shape', 'Expand', 'Tile', 'Cast']) expect(ops).not.toContain(op);
    for (const op of ['LayerNormalization', 'Erf', 'Conv', 'Gemm']) expect(ops).toContain(op);
  });

  test('calls weights as timm does', () => {
    const one = made(NARROW.deit());
    const bytes = fileOf(one);
    const source = { size: bytes.length, read: (at: number, count: number) => bytes.subarray(at, at + count) };
    const { nodes } = readOnnxHeader(source, 'model.onnx').sketch.main;
    const weights = nodes.filter(({ op }) => op === 'Constant').flatMap(({ outputs }) => outputs);
    const kept = one.network.recording.model.specs.filter(({ name }) => !['cls_token', 'pos_embed'].includes(name));
    for (const { name } of kept)
      expect(
        weights.some((weight) => weight === name || weight === `${name}.T`),
        name,
      ).toBe(true);
  });

  test('is refused as halves where a weight is beyond them', () => {
    const one = made(NARROW.deit());
    one.network.params['norm.weight'][0] = 70_000;
    expect(() => fileOf(one, { precision: 'float16' })).toThrow(expect.objectContaining({ code: 'export.half' }));
  });
});
