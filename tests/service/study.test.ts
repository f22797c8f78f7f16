import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseStudy, type StudyReport } from '../../src-main/protocol/study.ts';
import { WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces } from '../helpers/workstation.ts';
import { eventually } from '../helpers/wait.ts';

/** A study is trained, cut, changed and taken on; what has finished is never trained again. */
const places = ownPlaces();
const dataPath = makeTinyData(join(places.root, 'data'), { train: 8, val: 2 });
const spec = parseStudy({
  name: 'rates',
  base: { dataPath, model: 'test_deit_distilled_patch16_32', inputSize: 32, batchSize: 8, epochs: 2, warmupEpochs: 0, numWorkers: 1, distillationType: 'none', ...WITHOUT_AUGMENTATION }, // prettier-ignore
  variants: [
    { name: 'slow', changes: { lr: 1e-4 } },
    { name: 'fast', changes: { lr: 1e-3 } },
  ],
  then: [{ name: 'on', changes: { epochs: 1 } }],
  seeds: [0],
});
const open = () => openFront(places, { spawnJob: jobHere });
let front = open();
afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

async function when(what: string, wanted: (report: StudyReport) => boolean): Promise<StudyReport> {
  let last: StudyReport | undefined;
  await eventually(async () => {
    [last] = await front.client.call('study.list', {});
    expect(last && wanted(last), `${what}: ${JSON.stringify(last)}`).toBe(true);
  }, 200);
  return last!;
}

const runsOf = ({ cells }: StudyReport): (string | null)[] => cells.map(({ run }) => run);

test('waits in the queue, is cut by the end of the service, and goes on where it was', async () => {
  const { id } = await front.client.call('study.save', { spec });
  const cost = await front.client.call('study.cost', { study: id });
  expect(cost).toMatchObject({ trainings: 4, finished: 0 });
  expect(cost.disk).toBeGreaterThan(0);
  await front.client.call('study.start', { study: id });
  const begun = await when('a second training', ({ cells }) => cells[1].run !== null);
  expect(begun.cells[0]).toMatchObject({ variant: 'slow', state: 'finished', share: 1 });
  await front.close();

  front = open();
  const [cut] = await front.client.call('study.list', {});
  expect(runsOf(cut)[0]).toBe(runsOf(begun)[0]);
  await front.client.call('study.start', { study: id });
  const done = await when('the end', ({ state }) => state === 'done');
  expect(runsOf(done).slice(0, 2)).toEqual(runsOf(begun).slice(0, 2));
  expect(new Set(runsOf(done)).size).toBe(4);
  const evaluated = await when('kept answers', ({ cells, job }) => job === null && cells.every((one) => one.evaluated));
  expect(evaluated.cells.every(({ acc1 }) => acc1 !== null)).toBe(true);
  const { entries } = await front.client.call('queue.list', {});
  expect(entries).toEqual([]);

  const stage = await front.client.call('run.detail', { run: done.cells[1].run! });
  expect(stage.recipe.finetune).toContain(join(done.cells[0].run!, 'checkpoints'));
});

test('trains only what was changed or added', async () => {
  const [{ id, cells: before }] = await front.client.call('study.list', {});
  const [slow, fast] = spec.variants;
  const variants = [slow, { ...fast, changes: { lr: 2e-3 } }];
  const saved = await front.client.call('study.save', { study: id, spec: { ...spec, variants, then: [], measure: ['throughput'] } }); // prettier-ignore
  expect(saved.cells.map(({ state }) => state)).toEqual(['finished', null]);
  await front.client.call('study.start', { study: id });
  const done = await when('the end', ({ state, job, cells }) => state === 'done' && job === null && cells.every((one) => one.evaluated)); // prettier-ignore
  expect(done.cells[0].run).toBe(before[0].run);
  expect(done.cells[1].run).not.toBe(before[2].run);

  const tables = await front.client.call('study.tables', { study: id });
  expect(tables.images).toBe(6);
  expect(tables.rows[1].versus!.mcnemar).toHaveLength(1);
  expect(tables.rows[1].tokenCosine).toHaveLength(4);
  const [{ throughput }] = tables.rows;
  const { tried } = throughput!;
  expect(tried.map(({ batch }) => batch)).toEqual(tried.map((_, at) => 2 ** at));
  expect(throughput!.imagesPerSecond).toBe(Math.max(...tried.map((one) => one.imagesPerSecond)));
  expect(throughput).toMatchObject({ model: 'test_deit_distilled_patch16_32', inputSize: 32 });
  const { path } = await front.client.call('study.write', { study: id, format: 'html' });
  expect(readFileSync(path, 'utf8')).toContain('Against slow');

  const twin = await front.client.call('study.save', { spec: { ...spec, name: 'twin', variants, then: [] } });
  expect(twin.state).toBe('done');
  expect(runsOf(twin)).toEqual(runsOf(done));
  await front.client.call('study.remove', { study: twin.id });
});

test('says which variant cannot be trained, and is not lost by a damaged file beside it', async () => {
  const [{ id }] = await front.client.call('study.list', {});
  const broken = { ...spec, variants: [...spec.variants, { name: 'odd', changes: { model: 'nothing_here' } }] };
  await front.client.call('study.save', { study: id, spec: broken });
  await expect(front.client.call('study.cost', { study: id })).rejects.toMatchObject({
    code: 'study.variant',
    params: { variant: 'odd' },
  });
  const other = await front.client.call('study.save', { spec });
  writeFileSync(other.path, '{');
  expect((await front.client.call('study.list', {})).map((one) => one.id)).toEqual([id]);
  await expect(front.client.call('study.cost', { study: other.id })).rejects.toMatchObject({ code: 'study.missing' });
  await front.client.call('study.remove', { study: id });
  expect(await front.client.call('study.list', {})).toEqual([]);
});
