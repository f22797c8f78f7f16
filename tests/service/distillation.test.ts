import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { DistilReport, DistilRequest } from '../../src-main/protocol/distillation.ts';
import { WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints } from '../../src-main/runs/checkpoint.ts';
import { planFolder } from '../../src-main/runs/distil-file.ts';
import { lockOwner } from '../../src-main/runs/lock.ts';
import { stillhouseApart, typedHere } from '../helpers/command-line.ts';
import { fileServer, type FileServer } from '../helpers/file-server.ts';
import { parameterValues } from '../helpers/generated.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, type Front } from '../helpers/workstation.ts';
import { eventually } from '../helpers/wait.ts';

/** A folder, one call, and a student at the end: interrupted in each of its steps, by a person, by a kill, by an end. */
const TEACHER = 'deit_tiny_patch16_224';
const WEIGHTS = `/timm/${TEACHER}.fb_in1k/resolve/main/model.safetensors`;
const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'), { train: 8, val: 2 });
const small = { inputSize: 32, epochs: 2, warmupEpochs: 0, lr: 1e-3, numWorkers: 1, ...WITHOUT_AUGMENTATION };
const student = { ...small, model: 'test_deit_distilled_patch16_32' };
const asked: DistilRequest = { dataPath: data, teacherModel: TEACHER, teacher: small, student };

let server: FileServer;
let front: Front;

beforeAll(async () => {
  const { specs } = createModel(TEACHER, { classes: 1000, inputSize: 224 });
  const arrays = specs.map((spec) => ({ name: spec.name, dtype: 'F32' as const, shape: spec.shape, values: parameterValues(spec) })); // prettier-ignore
  server = await fileServer({ [WEIGHTS]: Buffer.concat([...writeSafetensors(arrays, {})]) });
  vi.stubEnv('STILLHOUSE_WEIGHTS_MIRROR', `${server.url}/nothing`);
  vi.stubEnv('HF_ENDPOINT', server.url);
  for (const name of ['TORCH_HOME', 'HF_HUB_CACHE']) vi.stubEnv(name, join(places.root, name));
  front = openFront(places);
});
afterAll(async () => {
  await front.close();
  await server.close();
  rmSync(places.root, { recursive: true, force: true });
});

/** The plan, when it is as `wanted` says; any event may bring it there. */
async function when(what: string, wanted: (report: DistilReport) => boolean): Promise<DistilReport> {
  let last: DistilReport | undefined;
  await eventually(async () => {
    [last] = await front.client.call('distil.list', {});
    expect(last && wanted(last), `${what}: ${JSON.stringify(last)}`).toBe(true);
  });
  return last!;
}

const isAt = (step: DistilReport['step'], state: DistilReport['state']) => (report: DistilReport) =>
  report.step === step && report.state === state;

/** Kills the process that trains, once it holds the lock that the service hands over. */
function kill(run: string): void {
  const { pid } = JSON.parse(readFileSync(join(places.homeFolder, 'runs', run, 'lock'), 'utf8')) as { pid: number };
  expect(pid).not.toBe(process.pid);
  process.kill(pid, 'SIGKILL');
}

const go = (plan: string) => front.client.call('distil.continue', { plan });

test('says before it begins which teacher there will be, and what all of it costs', async () => {
  const { plan, cost, begun } = await front.client.call('distil.offer', asked);
  expect(begun).toBe(false);
  expect(plan.teacher).toMatchObject({ origin: 'made', start: 'published', model: TEACHER, run: null });
  expect(plan.student.recipe).toMatchObject({ distillationType: 'hard', batchSize: 16, teacherModel: TEACHER });
  expect(cost).toMatchObject({ teacherSeconds: null, studentSeconds: null });
  expect(cost.download).toBeGreaterThan(20e6);
  expect(cost.disk).toBeGreaterThan(3 * cost.download);
  expect(await front.client.call('distil.list', {})).toEqual([]);
});

test('goes on with the download, the teacher and the student that stood', async () => {
  const { client, heard } = front;
  server.manners.set(WEIGHTS, [{ stallAt: 1000 }]);
  const { plan } = await client.call('distil.start', asked);
  const { id } = plan;
  await when('a download', (report) => isAt('weights', 'running')(report) && report.job !== null);
  await heard.until('bytes', () => server.asked.find(({ path }) => path === WEIGHTS));
  await client.call('distil.stop', { plan: id });
  await when('a download that stands', (report) => isAt('weights', 'stopped')(report) && report.job === null);

  // The same request is the same plan.
  expect((await client.call('distil.offer', asked)).begun).toBe(true);
  expect((await client.call('distil.start', asked)).plan.id).toBe(id);
  const first = (await when('a teacher', ({ training }) => training !== null)).training!;
  await client.call('run.stop', { run: first });
  const stopped = await when('a teacher that stands', isAt('teacher', 'failed'));
  expect(stopped.error).toMatchObject({ code: 'distil.teacher-stopped', params: { run: first } });
  expect(stopped.share).toBeLessThan(1);
  expect(await client.call('run.list', {})).toHaveLength(1);

  await go(id);
  await when('the teacher again', ({ training }) => training === first);
  await eventually(() => kill(first));
  const died = await when('a teacher that died', isAt('teacher', 'failed'));
  expect(died.error).toMatchObject({ code: 'distil.teacher-failed' });

  // A new start of Stillhouse finds it as it was, and begins nothing by itself. No process of it is killed any more.
  await front.close();
  front = openFront(places, { spawnJob: jobHere });
  expect((await front.client.call('distil.list', {}))[0]).toMatchObject({ plan: { id }, step: 'teacher' });
  await go(id);
  const taught = await when('a student', ({ step, training }) => step === 'student' && training !== null);
  const learner = taught.training!;
  expect(learner).not.toBe(first);
  expect(taught.plan.teacher.path).toContain(first);
  await front.client.call('run.stop', { run: learner });
  await when('a student that stands', ({ state }) => state !== 'running');
  if ((await front.client.call('distil.list', {}))[0].state !== 'done') await go(id);
  const done = await when('the end', ({ state }) => state === 'done');
  expect(done).toMatchObject({ step: null, share: 1, error: null });
  expect(await front.client.call('run.list', {})).toHaveLength(2);
});

test('takes the teacher that knows the classes, and walks to the end as one job', async () => {
  const { client, heard } = front;
  const again = { ...asked, student: { ...student, epochs: 1 } };
  const { plan, cost } = await client.call('distil.offer', { ...again, teacher: undefined });
  expect(plan.teacher).toMatchObject({ origin: 'run', model: TEACHER, dataPath: data, recipe: null });
  expect(plan.teacher.acc1).toBeGreaterThanOrEqual(0);
  expect(cost).toMatchObject({ download: 0, teacherSeconds: 0 });
  const { job } = await client.call('distil.walk', again);
  const ended = await heard.ended(job);
  expect(ended).toMatchObject({ state: 'done', error: null });
  const { summary, recipe } = await client.call('run.detail', { run: String(ended.result) });
  expect(summary).toMatchObject({ state: 'finished' });
  expect(recipe.teacherPath).toBe(plan.teacher.path);
  expect(await client.call('run.list', {})).toHaveLength(3);
});

test('is one command without a window, which goes on where it was interrupted', async () => {
  const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
  const networks = ['--teacher-model', TEACHER, '--model', student.model];
  const words = ['distill', '--data-path', data, ...networks, '--input-size', '32', '--epochs', '4000', '--json'];
  const place = { cwd: places.root, env };
  const first = await typedHere(words, place);
  await eventually(() => expect(first.said.out).toContain('student of data'));
  expect(first.said.out).toContain(`Teacher: ${TEACHER} of the run`);
  expect(first.said.out).toMatch(/Disk: .*Time: student \d/);
  first.interrupt();
  expect(await first.ended).toMatchObject({ code: 130, out: expect.stringContaining('Go on with the same command') });
  let killed = '';
  await stillhouseApart(words, place, (text, child) => {
    killed += text;
    if (killed.includes('student of data')) child.kill('SIGKILL');
  });
  expect(killed).toContain('Goes on with what was begun');
  // Killed with everything it owns: its training saves and ends by itself.
  const plans = await front.client.call('distil.list', {});
  const { plan } = plans.find((report) => report.plan.student.recipe.epochs === 4000)!;
  const path = join(places.homeFolder, 'runs', plan.student.run!);
  await eventually(() => expect(lockOwner(path)).toBeNull());
  const saved = listCheckpoints(path).at(-1)!.step;
  const third = await typedHere(words, place);
  await eventually(() => expect(listCheckpoints(path).at(-1)!.step).toBeGreaterThan(saved));
  third.interrupt();
  expect((await third.ended).code).toBe(130);
});

test('a plan is a file that says everything, and is forgotten without its runs', async () => {
  const { client } = front;
  const [{ plan }] = await client.call('distil.list', {});
  expect(JSON.parse(readFileSync(join(planFolder(places.homeFolder, plan.id), 'plan.json'), 'utf8'))).toEqual(plan);
  await client.call('distil.forget', { plan: plan.id });
  expect((await client.call('distil.list', {})).map((report) => report.plan.id)).not.toContain(plan.id);
  expect(await client.call('run.list', {})).toHaveLength(4);
  await expect(client.call('distil.continue', { plan: plan.id })).rejects.toMatchObject({ code: 'distil.missing' });
});
