import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors, safetensorsBytes, writeSafetensors } from '../../src-main/formats/safetensors.ts';
import type { ExportCheck } from '../../src-main/protocol/export.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import { writeChunksAtomic } from '../../src-main/base/files.ts';
import { openFile } from '../../src-main/runs/file-source.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, tinyRecipe, written, type Front, type Heard } from '../helpers/workstation.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
let front: Front;
let client: Client;
let heard: Heard;
let run: string;
let checkpoint: string;

beforeAll(async () => {
  front = openFront(places, { spawnJob: jobHere });
  ({ client, heard } = front);
  ({ run } = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 1, modelEma: true }) }));
  await heard.until('the end', () => heard.rows(run).find((row) => row.type === 'state' && row.state === 'finished'));
  checkpoint = (await client.call('checkpoint.list', { run })).find(({ best }) => best)!.file;
});

afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

async function checked(path: string, images?: number): Promise<ExportCheck> {
  const { job } = await client.call('export.check', { run, path, ...(images && { images }) });
  const { result, error } = await heard.ended(job);
  expect(error).toBeNull();
  return result as ExportCheck;
}

const codes = ({ problems }: ExportCheck) => problems.map(({ code }) => code);

// A Hugging Face folder names no network of tests: hub-folder.test.ts reads those of real ones.
const FORMATS = ['safetensors', 'pth', 'timm'] as const;
test.each(FORMATS)('an export as %s is the checkpoint, bit by bit', async (format) => {
  const { path, bytes } = await written(front, { run, checkpoint, format });
  const check = await checked(path);
  const epoch = heard.rows(run).find((row) => row.type === 'epoch')!;
  expect(codes(check)).toEqual([]);
  expect(check.answers).toEqual({
    ...{ images: 18, skipped: 0, max: 0, mean: 0, range: expect.any(Number), agreement: 100 },
    acc1: { checkpoint: epoch.test.acc1, exported: epoch.test.acc1 },
  });
  expect(check).toMatchObject({ bytes, classes: 3, data, average: false, device: 'cpu' });
  expect(check.parameters).toBe(epoch.parameters);
  expect(check.preprocessing).toMatchObject({ inputSize: 32, cropRatio: 0.875, interpolation: 'bicubic' });
  expect(check.latency.map(({ batch }) => batch)).toEqual([1, 32]);
  for (const { median, p90, batch, imagesPerSecond, runs } of check.latency) {
    expect(p90).toBeGreaterThanOrEqual(median);
    expect(imagesPerSecond).toBeCloseTo((1000 * batch) / median, 6);
    expect(runs).toBeGreaterThanOrEqual(5);
  }
  const [info] = await client.call('export.list', { run });
  expect(info).toMatchObject({ path, format, epoch: 0, wrapped: format === 'pth', model: check.model, error: null });
  expect(info.check).toEqual(JSON.parse(readFileSync(`${path}.check.json`, 'utf8')));
});

test('images are as many as were asked for, of every class', async () => {
  const [{ path }] = await client.call('export.list', { run });
  expect((await checked(path, 3)).answers).toMatchObject({ images: 3, max: 0 });
});

test('the moving average is compared with the moving average, wherever it lies', async () => {
  const output = join(places.root, 'elsewhere', 'average.safetensors');
  await written(front, { run, checkpoint, format: 'safetensors', output, average: true });
  const info = (await client.call('export.list', { run })).find(({ path }) => path === output)!;
  expect(info).toMatchObject({ average: true, check: null });
  const check = await checked(output);
  expect(codes(check)).toEqual([]);
  expect(check).toMatchObject({ average: true, answers: { max: 0 } });
  await client.call('export.delete', { run, path: output });
  expect([output, `${output}.check.json`].map(existsSync)).toEqual([false, false]);
  const listed = async () => (await client.call('export.list', { run })).find(({ path }) => path === output);
  expect(await listed()).toBeUndefined();

  const [item] = (await client.call('trash.list', {})).items;
  expect(item).toMatchObject({ kind: 'export', run, path: output });
  expect(item.bytes).toBeGreaterThan(info.bytes);
  await client.call('export.restore', { run, file: item.file! });
  expect(await listed()).toMatchObject({ ...info, check: expect.anything() as unknown });
  expect(readdirSync(join(output, '..')).sort()).toEqual(['average.safetensors', 'average.safetensors.check.json']);
  await client.call('export.delete', { run, path: output });
  const { items } = await client.call('trash.list', {});
  expect(await client.call('trash.empty', { items: items.map(({ run, file }) => ({ run, file })) })).toMatchObject({
    count: 1,
    bytes: item.bytes,
  });
  expect(readdirSync(join(output, '..'))).toEqual([]);
});

/** A file like an export with other metadata or numbers. */
async function changed(
  name: string,
  change: { metadata?: Record<string, string>; numbers?: (name: string, values: Float32Array) => Float32Array },
): Promise<string> {
  const { path } = await written(front, { run, checkpoint, format: 'safetensors' });
  const source = openFile(path);
  const { metadata, tensors } = readSafetensors(source, path);
  const arrays = [...tensors].map(([name, array]) => {
    const values = array.toFloat32();
    return { name, shape: array.shape, dtype: 'F32' as const, values: change.numbers?.(name, values) ?? values };
  });
  source.close();
  const file = join(path, '..', name);
  const facts = { ...metadata, ...change.metadata };
  await writeChunksAtomic(file, writeSafetensors(arrays, facts), safetensorsBytes(arrays, facts));
  return file;
}

test('an export whose numbers were damaged fails, and says which', async () => {
  const scaled = (name: string, values: Float32Array) => (name === 'head.weight' ? values.map((x) => -x) : values);
  const check = await checked(await changed('turned.safetensors', { numbers: scaled }));
  expect(codes(check)).toEqual(['export.parameters', 'export.answers']);
  expect(check.problems[0].params).toMatchObject({ count: 1, name: 'head.weight' });
  expect(check.answers!.max).toBeGreaterThan(0.01);
  const broken = (name: string, values: Float32Array) => (name === 'norm.bias' ? values.fill(NaN) : values);
  const nothing = await checked(await changed('nan.safetensors', { numbers: broken }));
  expect(codes(nothing)).toEqual(['weights.format']);
  expect(nothing.answers).toBeNull();
});

test('an export that says how to use it otherwise fails', async () => {
  const classes = JSON.stringify(['blue', 'amber', 'clay']);
  const check = await checked(await changed('words.safetensors', { metadata: { classes, crop_pct: '1' } }));
  expect(check.problems.map(({ code, params }) => [code, params.what])).toEqual([
    ['export.facts', 'classes'],
    ['export.facts', 'cropRatio'],
  ]);
  // It answers alike all the same.
  expect(check.answers).toMatchObject({ max: 0, agreement: 100 });
  const larger = await checked(await changed('size.safetensors', { metadata: { input_size: '[3,64,64]' } }));
  // Its positions are those of 32 pixels.
  expect(larger.problems).toMatchObject([
    { code: 'export.facts', params: { what: 'inputSize', expected: '32 × 32', got: '64 × 64' } },
  ]);
});

test('an export that is cut off fails with what the reader says', async () => {
  const { path } = await written(front, { run, checkpoint, format: 'safetensors' });
  expect((await client.call('export.list', { run })).find((one) => one.path === path)!.check).toBeNull();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length / 2));
  const check = await checked(path);
  expect(check.problems.map(({ code }) => code)).toEqual(['weights.format']);
  expect(check).toMatchObject({ answers: null, latency: [] });
  const info = (await client.call('export.list', { run })).find((one) => one.path === path)!;
  expect(info).toMatchObject({ error: { code: 'weights.format' }, checkpoint: null });
  expect(info.check?.problems).toHaveLength(1);
});

test('a check file that is none counts as none', async () => {
  const [{ path }] = (await client.call('export.list', { run })).filter(({ check }) => check);
  writeFileSync(`${path}.check.json`, readFileSync(`${path}.check.json`, 'utf8').replace('"threads": ', '"lanes": '));
  expect((await client.call('export.list', { run })).find((one) => one.path === path)).toMatchObject({ check: null });
});

test('nothing that is not listed is read or removed', async () => {
  const own = join(places.homeFolder, 'runs', run, 'run.json');
  for (const path of [own, join(places.root, 'no.safetensors')])
    for (const call of ['export.check', 'export.delete'] as const)
      await expect(client.call(call, { run, path })).rejects.toMatchObject({ code: 'file.missing' });
  expect(existsSync(own)).toBe(true);
});

test('a check beside a training can be cancelled and leaves nothing', async () => {
  const { path } = await written(front, { run, checkpoint, format: 'pth' });
  rmSync(`${path}.check.json`, { force: true });
  const long = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 500 }) });
  await heard.until('a step', () => heard.rows(long.run).find(({ type }) => type === 'step'));
  const { job } = await client.call('export.check', { run, path });
  await client.call('job.cancel', { job });
  expect((await heard.ended(job)).state).toBe('cancelled');
  expect(existsSync(`${path}.check.json`)).toBe(false);
  expect(codes(await checked(path))).toEqual([]);
  await client.call('run.stop', { run: long.run });
  await heard.until('the stop', () => heard.rows(long.run).find((row) => row.type === 'state' && row.state === 'stopped')); // prettier-ignore
});
