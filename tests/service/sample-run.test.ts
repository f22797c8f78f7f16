import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StateRow } from '../../src-main/protocol/events.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { openRun } from '../../src-main/runs/run-folder.ts';
import { weightsFolder } from '../../src-main/runs/places.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, type Front, type Heard } from '../helpers/workstation.ts';
import { eventually } from '../helpers/wait.ts';

const places = ownPlaces();
const runs = join(places.homeFolder, 'runs');
const active: number[] = [];
let front: Front;
let client: Client;
let heard: Heard;

beforeAll(() => {
  mkdirSync(weightsFolder(), { recursive: true });
  symlinkSync(weightsFolder(), join(places.cacheFolder, 'weights'));
  // The file that says that the sample is whole.
  writeFileSync(join(makeTinyData(join(places.cacheFolder, 'sample'), { train: 200 }), 'SOURCES.txt'), '');
  front = openFront(places, { onActive: (count) => active.push(count) });
  ({ client, heard } = front);
});

afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

test('a sample run is one job, and starts nothing more once it is cancelled', async () => {
  const { job } = await client.call('sample.start', {});
  expect(await client.call('sample.start', {})).toEqual({ job });
  // The shell stays for it before anything trains.
  expect(active[0]).toBe(1);
  const run = await heard.until('the teacher', () => heard.events.find((event) => event.event === 'run')?.run);
  await client.call('job.cancel', { job });
  expect((await heard.ended(job)).state).toBe('cancelled');
  expect(active.at(-1)).toBe(1);

  // The teacher goes on, and nothing trains beside it unasked.
  const refused = await heard.ended((await client.call('sample.start', {})).job);
  expect(refused.error).toMatchObject({ code: 'run.busy', params: { run } });
  await stop(run);
  expect(await client.call('run.list', {})).toHaveLength(1);
  await likeAnyOther(run);
});

async function stop(run: string): Promise<void> {
  await client.call('run.stop', { run });
  await heard.row(run, (row): row is StateRow => row.type === 'state' && row.state === 'stopped');
}

/** The same recipe begun by a window makes the same run. */
async function likeAnyOther(run: string): Promise<void> {
  const { recipe } = openRun(join(runs, run));
  const { run: other } = await client.call('run.start', { recipe: { ...recipe } });
  await stop(other);
  const [ours, theirs] = [run, other].map((id) => {
    const { id: _, created: __, ...header } = openRun(join(runs, id));
    return { header, notes: readHistory(join(runs, id)).flatMap((row) => (row.type === 'note' ? [row.note] : [])) };
  });
  expect(ours).toEqual(theirs);
  expect(ours.notes).toMatchObject([{ code: 'run.pretrained' }]);
  await client.call('run.delete', { run: other });
}

test('a teacher that is stopped has no student', async () => {
  const before = heard.events.length;
  const { job } = await client.call('sample.start', {});
  const run = await heard.until('the teacher', () => {
    const event = heard.events.slice(before).find((event) => event.event === 'run');
    return event?.event === 'run' ? event.run : undefined;
  });
  await client.call('run.stop', { run });
  const ended = await heard.ended(job);
  expect(ended).toMatchObject({ state: 'failed', stage: 'teacher', error: { code: 'job.cancelled' } });
  expect(await client.call('run.list', {})).toHaveLength(2);
  await eventually(() => expect(active.at(-1)).toBe(0));
});
