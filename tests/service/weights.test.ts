import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PublishedRow } from '../../src-main/protocol/weight-data.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { servePublished, TINY, type TinyPublished } from '../helpers/tiny-published.ts';
import { openFront, ownPlaces, tinyRecipe, type Front } from '../helpers/workstation.ts';

/** Published weights over a port: two windows of one service, and a second service on the same store. */
const VARIABLES = ['TORCH_HOME', 'HF_HUB_CACHE', 'HF_ENDPOINT', 'STILLHOUSE_WEIGHTS_TABLE'];
const before = VARIABLES.map((name) => [name, process.env[name]] as const);
const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
const synsets = makeTinyData(join(places.root, 'synsets'), { classes: ['n01440764', 'n01443537', 'n01484850'] });
let tiny: TinyPublished;
let front: Front;
let other: Front;

beforeAll(async () => {
  const table = join(places.root, 'table.json');
  tiny = await servePublished(table);
  const own = [join(places.root, 'torch'), join(places.root, 'hub'), tiny.server.url, table];
  VARIABLES.forEach((name, at) => (process.env[name] = own[at]));
  const open = (): Front => openFront(places, { spawnJob: jobHere });
  [front, other] = [open(), open()];
});

afterAll(async () => {
  await Promise.all([front.close(), other.close(), tiny.server.close()]);
  for (const [name, value] of before)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  rmSync(places.root, { recursive: true, force: true });
});

async function row(of = front): Promise<PublishedRow> {
  const { published } = await of.client.call('weights.list', {});
  return published.find(({ name }) => name === `${TINY}.tiny`)!;
}

/** Waits until a job has taken some bytes. */
const arriving = (job: string) =>
  front.heard.until('some bytes', () =>
    front.heard.events.find((event) => event.event === 'job' && event.progress.job === job && event.progress.done > 0),
  );

test('the list has every published file, with its network, size and place', async () => {
  const { published, addressed, folder } = await front.client.call('weights.list', {});
  expect(folder).toBe(join(places.cacheFolder, 'weights'));
  expect(addressed).toEqual([]);
  expect(published.find(({ name }) => name === 'deit_base_patch16_224.fb_in1k')).toMatchObject({
    ...{ model: 'deit_base_patch16_224', family: 'deit', state: 'absent', path: null, job: null, bytes: 0 },
    // The DeiT paper's 86 M; the file of 4 bytes each.
    ...{ parameters: 86_567_656, size: 4 * 86_567_656, licence: 'apache-2.0', top1: 81.8, timmTop1: 81.98 },
  });
  expect(await row()).toMatchObject({ state: 'absent', timmTop1: 12.5 });
});

test('a file is fetched, cancelled, gone on with, found again and freed', async () => {
  const { client, heard } = front;
  tiny.server.manners.set(tiny.path, [{ stallAt: 60_000 }]);
  const { job } = await client.call('weights.get', { what: TINY });
  expect((await client.call('weights.get', { what: tiny.address })).job).toBe(job);
  await arriving(job);
  expect(await row()).toMatchObject({ state: 'fetching', job });
  expect(await row(other)).toMatchObject({ state: 'elsewhere', job: null });
  const { id } = await row();
  await expect(client.call('weights.remove', { id: id! })).rejects.toMatchObject({ code: 'weights.being-fetched' });
  await client.call('job.cancel', { job });
  expect(await heard.ended(job)).toMatchObject({ state: 'cancelled' });
  expect(await row()).toMatchObject({ state: 'partial', job: null });
  expect((await row()).bytes).toBeGreaterThan(0);

  const asked = tiny.server.asked.length;
  const [mine, theirs] = [await client.call('weights.get', { what: TINY }), await other.client.call('weights.get', { what: TINY })]; // prettier-ignore
  const [one, same] = [await heard.ended(mine.job), await other.heard.ended(theirs.job)];
  expect(one).toMatchObject({ state: 'done', error: null });
  expect(same.result).toBe(one.result);
  expect(tiny.server.asked.slice(asked).map(({ headers }) => headers.range)).toEqual([expect.stringMatching(/^bytes=\d+-$/)]); // prettier-ignore
  expect(Buffer.compare(readFileSync(String(one.result)), tiny.bytes)).toBe(0);
  expect(await row()).toMatchObject({ state: 'here', owner: 'store', path: one.result, checked: true });
  expect(await client.call('weights.find', { what: tiny.address })).toEqual({ path: one.result, job: null });

  const told = heard.events.filter(({ event }) => event === 'weights').length;
  const freed = await client.call('weights.remove', { id: (await row()).id! });
  expect(freed.bytes).toBeGreaterThanOrEqual(tiny.bytes.length);
  expect(heard.events.filter(({ event }) => event === 'weights').length).toBeGreaterThan(told);
  expect(existsSync(String(one.result))).toBe(false);
  expect(await row()).toMatchObject({ state: 'absent' });
});

test('weights at another address are listed by it, while they arrive and afterwards', async () => {
  const { client, heard } = front;
  tiny.server.files.set('/mine.safetensors', tiny.bytes);
  tiny.server.manners.set('/mine.safetensors', [{ stallAt: 60_000 }]);
  const address = `${tiny.server.url}/mine.safetensors`;
  const { job } = await client.call('weights.get', { what: address });
  await arriving(job);
  const listed = async () => (await client.call('weights.list', {})).addressed;
  expect(await listed()).toMatchObject([{ address, state: 'fetching', job }]);
  await client.call('job.cancel', { job });
  await heard.ended(job);
  expect(await listed()).toMatchObject([{ address, state: 'partial', path: null }]);
  await heard.ended((await client.call('weights.get', { what: address })).job);
  expect(await listed()).toMatchObject([{ address, state: 'here', checked: false, bytes: expect.any(Number) as number }]); // prettier-ignore
  await client.call('weights.remove', { id: (await listed())[0].id! });
  expect(await listed()).toEqual([]);
});

test.each([
  ['ftp://127.0.0.1/a.pth', 'argument.invalid'],
  ['no_such_network', 'argument.invalid'],
])('%s is refused before anything is begun', async (what, code) => {
  await expect(front.client.call('weights.get', { what })).rejects.toMatchObject({ code });
  await expect(front.client.call('weights.find', { what })).rejects.toMatchObject({ code });
});

test('a recipe wants weights at an address fetched first', async () => {
  const recipe = tinyRecipe(data, { model: TINY, finetune: tiny.address });
  const { errors } = await front.client.call('recipe.check', { recipe });
  expect(errors).toMatchObject([{ code: 'weights.not-here', params: { path: tiny.address } }]);
});

test('an image is tried on them, and an evaluation fetches them itself', async () => {
  const { client, heard } = front;
  const image = readFileSync(join(data, 'val/blue/blue-0.png')).toString('base64');
  await client.call('photo.add', { photo: 'p', offset: 0, data: image });
  const absent = client.call('photo.answer', { photo: 'p', path: tiny.address });
  await expect(absent).rejects.toMatchObject({ code: 'weights.not-here' });

  const { job } = await client.call('evaluation.start', { path: tiny.address, folder: join(synsets, 'val') });
  expect(await heard.ended(job)).toMatchObject({ state: 'done', error: null });
  expect((await client.call('evaluation.list', {}))[0]).toMatchObject({ model: TINY, count: 18 });
  expect(await row()).toMatchObject({ state: 'here' });

  const answer = await client.call('photo.answer', { photo: 'p', path: `${TINY}.tiny` });
  expect(answer).toMatchObject({ model: TINY, inputSize: 32 });
  const [{ top }] = answer.heads;
  expect(top).toHaveLength(5);
  expect(top[0]).toMatchObject({ name: expect.stringMatching(/^n\d{8}$/) as string, title: { zh: expect.any(String) as string } }); // prettier-ignore
});
