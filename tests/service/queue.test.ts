import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HistoryRow, StateRow } from '../../src-main/protocol/events.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, tinyRecipe, type Front } from '../helpers/workstation.ts';
import { eventually } from '../helpers/wait.ts';
import { jobHere } from '../helpers/jobs-here.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'), { train: 8, val: 2 });
const short = tinyRecipe(data, { epochs: 1 });
const long = tinyRecipe(data, { epochs: 4000 });
const file = join(places.homeFolder, 'queue', 'queue.json');

/** A service on these places and a window of it, over a real port. */
const open = (): Front => openFront(places, { spawnJob: jobHere });

const isState =
  (state: string) =>
  (row: HistoryRow): row is StateRow =>
    row.type === 'state' && row.state === state;

let front: Front;
beforeAll(() => void (front = open()));
afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

/** Ids of all runs, the oldest first. */
const runs = async (): Promise<string[]> => {
  const list = await front.client.call('run.list', {});
  return list.sort((one, other) => one.created - other.created).map(({ id }) => id);
};

test('a start beside a run that trains is refused, and may wait: it begins when that one ends', async () => {
  const { client, heard } = front;
  const { run: first } = await client.call('run.start', { recipe: short });
  await expect(client.call('run.start', { recipe: short })).rejects.toMatchObject({
    code: 'run.busy',
    params: { run: first },
  });
  const { entries, paused } = await client.call('queue.add', { recipe: short });
  expect([entries.length, paused]).toEqual([1, null]);
  expect(await runs()).toEqual([first]);
  await heard.row(first, isState('finished'));
  await heard.until('an empty queue', () => (heard.events.at(-1) ? true : undefined));
  await eventually(async () => expect((await client.call('queue.list', {})).entries).toEqual([]));
  const [, second] = await runs();
  await heard.row(second, isState('finished'));
});

test('one that can no longer be trained keeps its place and says why; the next goes on', async () => {
  const { client, heard } = front;
  const before = (await runs()).length;
  await client.call('queue.set', { paused: true });
  const gone = makeTinyData(join(places.root, 'gone'), { train: 8, val: 2 });
  await client.call('queue.add', { recipe: { ...short, dataPath: gone } });
  await client.call('queue.set', { paused: true });
  rmSync(gone, { recursive: true });
  await client.call('queue.add', { recipe: short });
  expect(await runs()).toHaveLength(before);
  await client.call('queue.set', { paused: false });
  const left = await eventually(async () => {
    const { entries } = await client.call('queue.list', {});
    expect(entries).toMatchObject([{ recipe: { dataPath: gone }, error: { code: 'data.no-folder' } }]);
    return entries[0];
  });
  await heard.row((await runs())[before], isState('finished'));
  expect((await client.call('queue.remove', { id: left.id })).entries).toEqual([]);
});

test('a person who stops a run makes the queue wait; moving, and the place after a new start, are kept', async () => {
  const { client, heard } = front;
  const { run } = await client.call('run.start', { recipe: long });
  await heard.row(run, isState('running'));
  await client.call('queue.add', { recipe: { ...short, epochs: 2 } });
  await client.call('queue.add', { resume: run });
  const { entries } = await client.call('queue.add', { recipe: { ...short, epochs: 3 } });
  const moved = await client.call('queue.move', { id: entries[2].id, to: 0 });
  const order = [entries[2].id, entries[0].id, entries[1].id];
  expect(moved.entries.map(({ id }) => id)).toEqual(order);
  await client.call('run.stop', { run });
  await heard.row(run, isState('stopped'));
  expect((await client.call('queue.list', {})).paused).toMatchObject({ code: 'queue.stopped', params: { run } });

  // Another service reads the queue, and may not change it while this one works on it.
  const other = open();
  expect((await other.client.call('queue.list', {})).entries.map(({ id }) => id)).toEqual(order);
  await expect(other.client.call('queue.set', { paused: false })).rejects.toMatchObject({ code: 'queue.elsewhere' });
  await front.close();
  expect((await other.client.call('queue.list', {})).paused).toMatchObject({ code: 'queue.restarted' });
  await other.close();

  front = open();
  const again = await front.client.call('queue.list', {});
  expect(again).toMatchObject({ atOnce: 1, paused: { code: 'queue.restarted' } });
  expect(again.entries.map(({ id }) => id)).toEqual(order);
  for (const id of order.slice(0, 2)) await front.client.call('queue.remove', { id });
  await front.client.call('queue.set', { paused: false });
  await front.heard.row(run, isState('running'));
  expect((await front.client.call('queue.list', {})).entries).toEqual([]);
  await front.client.call('run.stop', { run });
  await front.heard.row(run, isState('stopped'));
});

test('one that was removed comes back to its place, and a queue that waited for a person waits again', async () => {
  const { client } = front;
  const before = (await runs()).length;
  await client.call('queue.set', { paused: true });
  for (const epochs of [1, 2, 3]) await client.call('queue.add', { recipe: { ...short, epochs } });
  const { entries } = await client.call('queue.list', {});
  expect(entries.map(({ recipe }) => recipe?.epochs)).toEqual([1, 2, 3]);
  await client.call('queue.remove', { id: entries[1].id });
  expect((await client.call('queue.restore', { id: entries[1].id })).entries).toEqual(entries);
  for (const { id } of entries) await client.call('queue.remove', { id });
  const again = await client.call('queue.restore', { id: entries[2].id });
  expect(again).toMatchObject({ entries: [entries[2]], paused: { code: 'queue.paused' } });
  // It is back once, and nothing has begun.
  expect((await client.call('queue.restore', { id: entries[2].id })).entries).toEqual([entries[2]]);
  expect(await runs()).toHaveLength(before);
  await client.call('queue.remove', { id: entries[2].id });
  await client.call('queue.set', { paused: false });
});

test('more than one trains at once only when that is allowed', async () => {
  const { client, heard } = front;
  await client.call('queue.set', { atOnce: 2 });
  const { run: first } = await client.call('run.start', { recipe: long });
  const { run: second } = await client.call('run.start', { recipe: long });
  await expect(client.call('run.start', { recipe: long })).rejects.toMatchObject({ code: 'run.busy' });
  for (const run of [first, second]) await client.call('run.stop', { run });
  for (const run of [first, second]) await heard.row(run, isState('stopped'));
  await client.call('queue.set', { atOnce: 1 });
});

test('a file that somebody damaged is an empty queue', async () => {
  await front.close();
  expect(existsSync(file)).toBe(true);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ entries: [], atOnce: 1 });
  writeFileSync(file, '{"entries": [{"id": 1}, null], "atOnce": -3');
  front = open();
  expect(await front.client.call('queue.list', {})).toEqual({ entries: [], atOnce: 1, paused: null });
  writeFileSync(file, '{"entries": [{"id": 1}, null], "atOnce": -3}');
  expect(await front.client.call('queue.list', {})).toEqual({ entries: [], atOnce: 1, paused: null });
});
