import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import type { ExportRow, ServiceEvent } from '../../src-main/protocol/events.ts';
import type { ExportCheck, WrittenExport } from '../../src-main/protocol/export.ts';
import { openHistory, readHistory } from '../../src-main/runs/history.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, tinyRecipe, type Front } from '../helpers/workstation.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
let front: Front;
let openHere: () => Front;

beforeAll(async () => {
  const entry = join(await buildPrograms(), 'job.process.mjs');
  openHere = () => openFront(places, { spawnJob: (job, more = {}) => spawnJob(job, { ...more, entry }) });
  front = openHere();
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

test('exports that the end of the service cuts short are made by the next one, of both weights', async () => {
  const both = { epochs: 1, export: 'safetensors', modelEma: true, exportWeights: 'both' } as const;
  const { run } = await front.client.call('run.start', { recipe: tinyRecipe(data, both) });
  const { events } = front.heard;
  const isEnd = (event: ServiceEvent): boolean =>
    event.event === 'run' && event.run === run && event.rows.some((row) => row.type === 'state' && row.state === 'finished'); // prettier-ignore
  await front.heard.until('the exports to begin', () => {
    const later = events.some(isEnd) ? events.slice(events.findIndex(isEnd)) : [];
    return later.find((event) => event.event === 'job' && event.progress.kind === 'export');
  });
  const path = (await front.client.call('run.list', {})).find(({ id }) => id === run)!.path;
  await front.close();
  expect(readHistory(path).filter(({ type }) => type === 'export')).toEqual([]);
  expect(existsSync(join(path, 'exports', 'owed.json'))).toBe(true);

  // A command leaves them: it ends before they could be made.
  await openFront(places, { shell: 'cli' }).close();
  expect(existsSync(join(path, 'exports', 'owed.json'))).toBe(true);

  front = openHere();
  const rows = await front.heard.until('what was owed', () => {
    const found = front.heard.rows(run).filter((row): row is ExportRow => row.type === 'export');
    return found.length === 2 ? found : undefined;
  });
  expect(rows.map(({ format, average, error, passed }) => [format, average, error, passed])).toEqual([
    ['safetensors', undefined, null, true],
    ['safetensors', true, null, true],
  ]);
  expect(rows[1].path).toMatch(/-average\.safetensors$/);
  expect(readHistory(path).filter(({ type }) => type === 'export')).toEqual(rows);
  await front.heard.until('the note to go', () => (existsSync(join(path, 'exports', 'owed.json')) ? undefined : true));
  expect(existsSync(join(path, 'exports', 'lock'))).toBe(false);
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
  const average = { export: 'onnx', exportWeights: 'average' } as const;
  expect(await problemsOf(tinyRecipe(data, average))).toMatchObject([{ key: 'exportWeights' }]);
  expect(await problemsOf(tinyRecipe(data, { ...average, modelEma: true }))).toEqual([]);
  expect(await problemsOf(tinyRecipe(data, { export: 'onnx,docx' }))).toMatchObject([{ key: 'export' }]);
  expect(await problemsOf(tinyRecipe(data, { export: 'onnx,onnx-int8' }))).toEqual([]);
});
