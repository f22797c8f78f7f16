import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import type { ExportRow } from '../../src-main/protocol/events.ts';
import type { ExportCheck, WrittenExport } from '../../src-main/protocol/export.ts';
import { openHistory, readHistory } from '../../src-main/runs/history.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, tinyRecipe, type Front } from '../helpers/workstation.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
let front: Front;

beforeAll(async () => {
  const entry = join(await buildPrograms(), 'job.process.mjs');
  front = openFront(places, { spawnJob: (job, more = {}) => spawnJob(job, { ...more, entry }) });
});

afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

/** The answer to a recipe, without what else is in it. */
const problemsOf = async (given: Record<string, string | number | boolean>) =>
  (await front.client.call('recipe.check', { recipe: given })).problems;

test('a queued run is exported when it has finished, each export checked, and its history says so', async () => {
  const { client, heard } = front;
  await client.call('queue.add', { recipe: tinyRecipe(data, { epochs: 1, export: 'safetensors, demo' }) });
  const rows = await heard.until('the exports', () => {
    const all = heard.events.flatMap((event) => (event.event === 'run' ? event.rows : []));
    const found = all.filter((row): row is ExportRow => row.type === 'export');
    return found.length === 2 ? found : undefined;
  });
  expect(rows.map(({ format, error, passed }) => [format, error, passed])).toEqual([
    ['safetensors', null, true],
    ['demo', null, true],
  ]);
  const [{ id, path, state }] = await client.call('run.list', {});
  expect(state).toBe('finished');
  expect(readHistory(path).filter(({ type }) => type === 'export')).toEqual(rows);
  const listed = await client.call('export.list', { run: id });
  expect(listed.map(({ path, check }) => [path, check?.problems]).sort()).toEqual(rows.map(({ path }) => [path, []]).sort()); // prettier-ignore

  // What another version wrote of a format that is unknown here changes nothing.
  const history = openHistory(path);
  history.append([{ ...rows[0], format: 'of-later' }]);
  history.close();
  expect(await client.call('run.detail', { run: id })).toMatchObject({ summary: { id } });
});

test('weights of no run are exported and checked, and a run by its best checkpoint', async () => {
  const { client, heard } = front;
  const [{ id, path }] = await client.call('run.list', {});
  const sizes = await client.call('export.sizes', { weights: path });
  expect(sizes.find(({ format }) => format === 'pth')!.bytes).toBeGreaterThan(1e5);
  const [{ path: file }] = (await client.call('export.list', { run: id })).filter(
    ({ format }) => format === 'safetensors',
  );
  const folder = join(places.root, 'elsewhere');
  const items = [{ format: 'saved-model' as const }];
  const asked = { weights: file, folder, items, dataPath: data, images: 3 };
  const { result, error } = await heard.ended((await client.call('export.write', asked)).job);
  expect(error).toBeNull();
  const { written, checks } = result as { written: WrittenExport[]; checks: ExportCheck[] };
  expect(written.map(({ path, error }) => [existsSync(path), error])).toEqual([[true, null]]);
  expect(checks.map(({ problems, answers }) => [problems, answers?.images])).toEqual([[[], 3]]);
  await expect(client.call('export.write', { weights: file, items })).rejects.toMatchObject({
    code: 'argument.invalid',
  });
  await expect(client.call('export.write', { folder, items })).rejects.toMatchObject({ code: 'argument.invalid' });
  const unknown = client.call('export.write', { ...asked, weights: join(folder, 'none.safetensors') });
  await expect(unknown.then(({ job }) => heard.ended(job))).resolves.toMatchObject({ error: { code: 'file.missing' } });
});

test('a format that the network cannot have is refused before it trains', async () => {
  const cnn = tinyRecipe(data, { model: 'resnet18', export: 'onnx,onnx-int8' });
  expect(await problemsOf(cnn)).toMatchObject([{ key: 'export', expected: { code: 'value.export-network' } }]);
  expect(await problemsOf(tinyRecipe(data, { export: 'onnx,docx' }))).toMatchObject([{ key: 'export' }]);
  expect(await problemsOf(tinyRecipe(data, { export: 'onnx,onnx-int8' }))).toEqual([]);
});
