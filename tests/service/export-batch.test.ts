import { existsSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ExportJob } from '../../src-main/jobs/job-protocol.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { EXPORT_FORMAT_NAMES } from '../../src-main/protocol/export-formats.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { readDemo } from '../../src-main/job-process/exports/read-demo.ts';
import { readCheck } from '../../src-main/runs/export-check-file.ts';
import { saveCheckpoint, type StateTensor } from '../../src-main/runs/checkpoint.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { parameterValues } from '../helpers/generated.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { CLASSES, facts, newRun, recipe, temporaryFolder } from '../unit/runs/state.ts';

const MODEL = 'vit_tiny_patch16_224';
let weights: string;

beforeAll(async () => {
  const { specs } = createModel(MODEL, { classes: CLASSES.length, inputSize: 48 });
  const state = specs.map((spec): StateTensor => [`model.${spec.name}`, spec.shape, parameterValues(spec)]);
  const run = newRun();
  const about = { ...facts({ step: 30 }), recipe: recipe({ model: MODEL, inputSize: 48 }) };
  weights = join(run, 'checkpoints', (await saveCheckpoint(run, about, state)).file);
});

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function job(items: ExportJob['items'], target: string): ExportJob {
  return { kind: 'export', engine: engineFolder(), weights, items, folder: target, settings: {}, resized: false };
}

test('a batch writes every format, about as large as was said, and nothing else', async () => {
  const { written } = await jobHere(
    job(
      EXPORT_FORMAT_NAMES.map((format) => ({ format })),
      folder,
    ),
  ).done;
  expect(written.map(({ format, error }) => [format, error])).toEqual(
    EXPORT_FORMAT_NAMES.map((format) => [format, null]),
  );
  const names = readdirSync(folder);
  for (const { path } of written) expect(existsSync(path)).toBe(true);
  expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
  const hub = written.find(({ format }) => format === 'huggingface')!.path;
  expect(readdirSync(join(hub, 'onnx')).filter((name) => name.endsWith('.onnx'))).toEqual(['model.onnx', 'model_fp16.onnx', 'model_quantized.onnx']); // prettier-ignore
  const page = readFileSync(written.find(({ format }) => format === 'demo')!.path, 'utf8');
  expect(page).toContain('Copyright (c) Microsoft Corporation');
  expect(page).toContain('"classes":["cat","dog","猫"]');
  // As a browser takes it out of the page.
  const demo = readDemo(written.find(({ format }) => format === 'demo')!.path);
  expect(demo.graph).toMatchObject({ classes: ['cat', 'dog', '猫'], count: 3, preprocessing: { inputSize: 48 } });
  demo.dispose();
});

test('the graphs in a folder for Hugging Face are run as others run them, and kept in its check', async () => {
  const hub = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('-huggingface'))!,
  );
  const check = {
    kind: 'check-export',
    engine: engineFolder(),
    path: hub,
    checkpoint: weights,
    average: false,
  } as const;
  const data = makeTinyData(join(folder, 'data'), { classes: CLASSES, train: 3, val: 2 });
  const checked = async () => (await jobHere({ ...check, images: 6, settings: { dataPath: data } }).done)!;
  const { parts = [], problems } = await checked();
  expect(parts.map(({ file }) => file)).toEqual(['onnx/model.onnx', 'onnx/model_fp16.onnx', 'onnx/model_quantized.onnx']); // prettier-ignore
  for (const { answers, alone, bytes, runtime, latency } of parts) {
    expect([answers!.images, alone!.images]).toEqual([6, 6]);
    expect(bytes).toBeGreaterThan(1e6);
    expect(runtime).toContain('onnxruntime-node');
    expect(latency.map(({ batch }) => batch)).toEqual([1, 32]);
  }
  const [plain, half, int8] = parts.map(({ answers }) => answers!.max!);
  expect(plain).toBeLessThan(1e-4);
  expect(half).toBeGreaterThan(plain);
  expect(int8).toBeGreaterThan(half);
  // Whole numbers may decide otherwise: of so few images one is too many.
  expect(problems.filter(({ params }) => params.file !== 'model_quantized.onnx')).toEqual([]);

  writeFileSync(join(hub, 'onnx', 'model.onnx'), 'no graph');
  for (const name of ['model_fp16.onnx', 'model_quantized.onnx']) unlinkSync(join(hub, 'onnx', name));
  const broken = await checked();
  expect(broken.parts!.map(({ answers }) => answers === null)).toEqual([true, true, true]);
  expect(broken.problems.map(({ code }) => code)).toEqual(['teacher.format', 'file.missing', 'file.missing']);
  expect(readCheck(hub)!.problems).toEqual(broken.problems);
});

test('what one format is refused for keeps no other from being written', async () => {
  const target = join(folder, 'some');
  const items = [{ format: 'pth', output: join(folder, 'wrong.onnx') }, { format: 'timm' }] as const;
  const { written } = await jobHere(job(items, target)).done;
  expect(written.map(({ error }) => error?.code ?? null)).toEqual(['export.ending', null]);
  expect(existsSync(join(folder, 'wrong.onnx'))).toBe(false);
});

test('one that is stopped leaves nothing half-written', async () => {
  const target = join(folder, 'stopped');
  const running = jobHere(job([{ format: 'timm' }, { format: 'onnx' }, { format: 'demo' }], target), {
    onEvent: (event) => {
      if (event.tell === 'progress' && event.stage === 'export') running.stop();
    },
  });
  const { written } = await running.done;
  const whole = written.map(({ path }) => path.slice(target.length + 1));
  const there = existsSync(target) ? readdirSync(target) : [];
  const beside = (name: string) => name.endsWith('.onnx.json') && whole.includes(name.slice(0, -'.json'.length));
  expect(there.filter((name) => !beside(name))).toEqual(whole.sort());
});
