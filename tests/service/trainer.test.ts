import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StillhouseError, toPlainError } from '../../src-main/protocol/errors.ts';
import type { EpochRow, HistoryRow } from '../../src-main/protocol/events.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints, loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory, readLog } from '../../src-main/runs/history.ts';
import { lockOwner, lockRun } from '../../src-main/runs/lock.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { isAlive } from '../../src-main/base/process.ts';
import { openRun } from '../../src-main/runs/run-folder.ts';
import { spawnJob, type JobProcess } from '../../src-main/jobs/job-process.ts';
import type { JobEvent, JobRequest } from '../../src-main/jobs/job-protocol.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeDataset } from '../helpers/images.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { eventually } from '../helpers/wait.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-trainer-'));
const data = join(folder, 'data');
const engine = engineFolder();
let entry: string;

beforeAll(async () => {
  makeDataset(data, { train: 16, val: 6, side: 40 });
  writeFileSync(join(data, 'train', 'amber', 'notes.jpg'), 'Not an image.');
  entry = join(await buildPrograms(), 'job.process.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Six steps an epoch of a narrow DeiT at 32 pixels. */
const recipe = (more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    model: 'test_deit_patch16_32',
    dataPath: data,
    inputSize: 32,
    batchSize: 8,
    epochs: 2,
    warmupEpochs: 0,
    lr: 1e-3,
    unscaleLr: true,
    ...WITHOUT_AUGMENTATION,
    ...more,
  });

interface Watched<Job extends JobRequest> {
  trainer: JobProcess<Job['kind']>;
  events: JobEvent[];
  rows: HistoryRow[];
}

function start<Job extends JobRequest>(
  job: Job,
  onEvent: (event: JobEvent) => void = () => undefined,
  spawn: typeof spawnJob = spawnJob,
): Watched<Job> {
  const events: JobEvent[] = [];
  const rows: HistoryRow[] = [];
  const trainer = spawn(job, {
    entry,
    onEvent: (event) => {
      events.push(event);
      if (event.tell === 'rows') rows.push(...event.rows);
      onEvent(event);
    },
  });
  return { trainer, events, rows };
}

const trainJob = (run: string, more: Partial<Recipe> = {}, resume = 'new') =>
  ({ kind: 'train', engine, threads: 2, run: join(folder, run), recipe: recipe(more), resume }) as const;

const epochs = (run: string): EpochRow[] =>
  readHistory(join(folder, run)).filter((row): row is EpochRow => row.type === 'epoch');

/** Every number of a run's last checkpoint, by tensor. */
async function valuesOf(run: string): Promise<Map<string, Float32Array>> {
  const { checkpoint } = await loadCheckpoint(join(folder, run));
  const values = new Map([...checkpoint.tensors].map(([name, tensor]) => [name, tensor.toFloat32()]));
  checkpoint.close();
  return values;
}

/** Everything that is drawn for an image and a batch, and all that a step may keep; as many steps an epoch. */
const ALL: Partial<Recipe> = {
  model: 'test_deit_distilled_patch16_32',
  ...{ aa: 'rand-m9-mstd0.5-inc1', trainInterpolation: 'random', repeatedAug: true },
  ...{ reprob: 0.5, recount: 2, mixup: 0.8, cutmix: 1, mixupMode: 'elem' },
  ...{ modelEma: true, modelEmaWarmup: true, schedOnUpdates: true, clipGrad: 1, layerDecay: 0.9 },
};

/** What has a memory beside weights and moments: the scale of the loss, the scores of epochs, the average. */
const SCALED: Partial<Recipe> = {
  ...{ precision: 'float16', sched: 'plateau', patienceEpochs: 0, decayRate: 0.5, epochs: 3, modelEma: true },
};
const STEPPED: Partial<Recipe> = { sched: 'step', decayEpochs: 1, decayRate: 0.5 };

/** Steps of an epoch in batches of two: so many that a stop comes between two of them. */
const MANY = 24;

/** Asks a run to stop once it takes steps of an epoch. All may be over before a row tells of one: a pause comes first. */
function stopWithin(epoch: number, trainer: JobProcess<'train'>): (event: JobEvent) => void {
  let hasPaused = false;
  const hear = (row: HistoryRow): void => {
    if (epoch === 0 && row.type === 'step') trainer.stop();
    if (row.type === 'epoch' && row.epoch === epoch - 1) trainer.pause(true);
    if (row.type !== 'state') return;
    if (row.state === 'running' && hasPaused) trainer.stop();
    if (row.state !== 'paused') return;
    hasPaused = true;
    trainer.pause(false);
  };
  return (event) => void (event.tell === 'rows' && event.rows.forEach(hear));
}

/** A run that was stopped in the middle of an epoch: another is tried where the stop came when that was over. */
async function stoppedWithin(epoch: number, name: string, more: Partial<Recipe>): Promise<string> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const run = `${name}-resumed-${attempt}`;
    const job = trainJob(run, more);
    const watched: Watched<typeof job> = start(job, (event) => hear(event), jobHere);
    const hear = stopWithin(epoch, watched.trainer);
    const { state } = await watched.trainer.done;
    const { step } = listCheckpoints(job.run).at(-1)!;
    if (state === 'stopped' && step > MANY * epoch && step < MANY * (epoch + 1)) return run;
  }
  throw new Error('no stop came in the middle of an epoch');
}

describe('a training', () => {
  it('learns, writes history, log and checkpoints, and gives the run back', async () => {
    const unused = toPlainError(new StillhouseError('gpu.no-engine', { plugin: 'pjrt-cuda13' }));
    const job = { ...trainJob('whole'), note: unused };
    const { trainer, rows, events } = start(job);
    expect(await trainer.done).toEqual({ state: 'finished' });
    expect(rows.map((row) => row.type)).toContain('step');
    const history = readHistory(job.run);
    expect(history).toEqual(rows);
    const [first, second] = epochs('whole');
    expect(first).toMatchObject({ epoch: 0, step: 6, trainLr: 1e-3, distillationHead: null, agreement: null });
    expect(second.step).toBe(12);
    expect(second.trainLoss).toBeLessThan(first.trainLoss);
    expect(readLog(job.run).map((line) => line.epoch)).toEqual([0, 1]);
    expect(listCheckpoints(job.run).map((info) => [info.epoch, info.step, info.acc1])).toEqual([
      [0, 6, first.test.acc1],
      [1, 12, second.test.acc1],
    ]);
    expect(history.filter((row) => row.type === 'state').map((row) => row.state)).toEqual([
      'starting',
      'running',
      'finished',
    ]);
    const [why, note] = history.filter((row) => row.type === 'note');
    expect(why.note).toEqual(unused);
    expect(note.note).toMatchObject({ code: 'data.unreadable', params: { path: 'train/amber/notes.jpg' } });
    expect(lockOwner(job.run)).toBeNull();
    expect(events[0]).toEqual({ tell: 'ready' });
  });

  it.each<[string, string, Partial<Recipe>, number, typeof spawnJob]>([
    ['without augmentation', 'plain', {}, 0, jobHere],
    ['with all of it, in another process', 'augmented', ALL, 0, spawnJob],
    ['with the scaled loss of float16, on a plateau', 'scaled', SCALED, 1, jobHere],
    ['with momentum and steps of the learning rate', 'momentum', { opt: 'sgd', ...STEPPED }, 1, jobHere],
    ['with LAMB and steps of the learning rate', 'lamb', { opt: 'lamb', ...STEPPED }, 1, jobHere],
  ])(
    'goes on after a stop in the middle of an epoch as if nothing had been, %s',
    async (_, whole, settings, epoch, spawn) => {
      const more = { ...settings, batchSize: 2 };
      expect(await start(trainJob(whole, more), undefined, jobHere).trainer.done).toEqual({ state: 'finished' });
      const resumed = await stoppedWithin(epoch, whole, more);
      const again = start(trainJob(resumed, more, 'auto'), undefined, spawn);
      expect(await again.trainer.done).toEqual({ state: 'finished' });

      const [one, other] = [await valuesOf(whole), await valuesOf(resumed)];
      expect([...other.keys()]).toEqual([...one.keys()]);
      for (const [name, values] of one) expect(Buffer.compare(bytes(values), bytes(other.get(name)!)), name).toBe(0);
      const scores = (run: string) =>
      epochs(run).map(({ epoch, step, trainLoss, trainLr, test, testEma }) => ({ epoch, step, trainLoss, trainLr, test, testEma })); // prettier-ignore
      expect(scores(resumed)).toEqual(scores(whole));
      const averaged = more.modelEma ? [...one.keys()].filter((name) => name.startsWith('ema.')).length : 0;
      expect(scores(whole).filter(({ testEma }) => testEma !== undefined).length > 0).toBe(averaged > 0);
    },
    600_000,
  );
});

describe('a training that is killed', () => {
  it('is reported as dead, loses nothing that was saved, and goes on', async () => {
    const job = trainJob('killed', { epochs: 3 });
    const { trainer } = start(job, (event) => {
      if (event.tell === 'rows' && event.rows.some((row) => row.type === 'epoch')) trainer.kill();
    });
    await expect(trainer.done).rejects.toMatchObject({
      code: 'run.died',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(listCheckpoints(job.run)).toHaveLength(1);
    const again = trainJob('killed', { epochs: 2 }, 'auto');
    expect(await start(again).trainer.done).toEqual({ state: 'finished' });
    expect(epochs('killed').map(({ epoch }) => epoch)).toEqual([0, 1]);
    expect(openRun(job.run).recipe.epochs).toBe(2);
  });

  it('saves and ends when its owner is killed', async () => {
    const job = trainJob('orphan', { epochs: 1000, saveEvery: 1000 });
    const owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER, entry, JSON.stringify(job)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = await new Promise<number>((resolve) => owner.stdout.once('data', (text) => resolve(Number(text))));
    owner.kill('SIGKILL');
    await eventually(() => expect(isAlive(pid)).toBe(false));
    expect(readHistory(job.run).at(-1)).toMatchObject({ type: 'state', state: 'stopped' });
    expect(listCheckpoints(job.run)).toHaveLength(1);
  });

  it('takes a request to terminate as a request to stop', async () => {
    const job = trainJob('terminated', { epochs: 1000, saveEvery: 1000 });
    const { trainer } = start(job, (event) => {
      if (event.tell === 'rows' && event.rows.some((row) => row.type === 'step')) process.kill(trainer.pid!, 'SIGTERM');
    });
    expect(await trainer.done).toEqual({ state: 'stopped' });
  });
});

/** Starts the trainer it is told of, prints its process number at the first step, and waits to be killed. */
const OWNER = `
  import { fork } from 'node:child_process';
  const [entry, job] = process.argv.slice(-2);
  const options = { execArgv: [], serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'] };
  const child = fork(entry, [], options);
  child.on('message', (event) => {
    if (event.tell === 'ready') child.send({ do: 'start', job: JSON.parse(job) });
    if (event.tell === 'rows' && event.rows.some((row) => row.type === 'step')) console.log(child.pid);
  });
`;

describe('distillation', () => {
  const teacher = {
    model: 'test_deit_distilled_patch16_32',
    distillationType: 'hard',
    teacherModel: 'test_deit_patch16_32',
    teacherPath: join(folder, 'whole'),
    epochs: 1,
  } as const;

  it('learns from a teacher that was trained here', async () => {
    const { trainer, rows } = start(trainJob('student', teacher), undefined, jobHere);
    expect(await trainer.done).toEqual({ state: 'finished' });
    const [step] = rows.filter((row) => row.type === 'step');
    expect(step.loss).toBeCloseTo((step.lossClass + step.lossDistillation!) / 2, 5);
    const [epoch] = epochs('student');
    expect(epoch.distillationHead).not.toBeNull();
    expect(epoch.agreement).toBeGreaterThanOrEqual(0);
  });

  it('teaches the class head of a student without a distillation token', async () => {
    const job = trainJob('headless', { ...teacher, model: 'test_deit_patch16_32' });
    const { trainer, rows } = start(job, undefined, jobHere);
    expect(await trainer.done).toEqual({ state: 'finished' });
    const [step] = rows.filter((row) => row.type === 'step');
    expect(step.lossDistillation).toBeGreaterThan(0);
    expect(step.loss).toBeCloseTo((step.lossClass + step.lossDistillation!) / 2, 5);
    expect(epochs('headless')[0]).toMatchObject({ distillationHead: null, agreement: expect.any(Number) as number });
  });

  it('refuses a teacher that does not know a class', async () => {
    const dataPath = makeDataset(join(folder, 'other-classes'), { train: 8, val: 2, side: 40 });
    renameSync(join(dataPath, 'train', 'blue'), join(dataPath, 'train', 'cyan'));
    await expect(
      start(trainJob('to-others', { ...teacher, dataPath }), undefined, jobHere).trainer.done,
    ).rejects.toMatchObject({
      code: 'teacher.lacks-classes',
      params: { count: 1, missing: 'cyan' },
    });
  });
});

describe('the process', () => {
  it('says why it could not begin', async () => {
    const missing = spawnJob(trainJob('never'), { entry: join(folder, 'nothing.mjs') });
    await expect(missing.done).rejects.toMatchObject({
      code: 'run.died',
      message: expect.stringMatching(/exit code 1: /),
    });
    const nobody = spawnJob(trainJob('never'), { entry, node: join(folder, 'no-node') });
    await expect(nobody.done).rejects.toMatchObject({ code: 'run.died' });
  });

  it('is of no use by hand', () => {
    const { status, stderr } = spawnSync(process.execPath, [entry], { encoding: 'utf8' });
    expect(status).toBe(2);
    expect(stderr).toContain('stillhouse train');
  });

  it('works in a worker thread too', async () => {
    const worker = new Worker(entry);
    const told: JobEvent[] = [];
    worker.on('message', (event: JobEvent) => {
      told.push(event);
      if (event.tell === 'ready') {
        worker.postMessage({ do: 'ping' });
        worker.postMessage({ do: 'start', job: { kind: 'check', engine, dataPath: join(folder, 'nowhere') } });
      }
    });
    await new Promise((resolve) => worker.once('exit', resolve));
    expect(told.map((event) => event.tell).filter((tell) => tell !== 'progress')).toEqual(['ready', 'pong', 'failed']);
    expect(told.at(-1)).toMatchObject({ error: { code: 'data.no-folder' } });
  });

  it('verifies the engine', async () => {
    const verified = await start({ kind: 'verify-engine', engine, threads: 2 }).trainer.done;
    expect(verified).toMatchObject({ version: '2.21.0' });
    const broken = start({ kind: 'verify-engine', engine: folder }).trainer.done;
    await expect(broken).rejects.toMatchObject({ code: 'engine.load' });
  });
});

describe('a run folder', () => {
  it('is not overwritten, and not resumed on other classes', async () => {
    await expect(start(trainJob('whole'), undefined, jobHere).trainer.done).rejects.toMatchObject({
      code: 'run.exists',
    });
    const dataPath = makeDataset(join(folder, 'others'), { train: 8, val: 2, side: 40 });
    rmSync(join(dataPath, 'train', 'blue'), { recursive: true });
    const job = trainJob('whole', { dataPath }, 'auto');
    await expect(start(job, undefined, jobHere).trainer.done).rejects.toMatchObject({ code: 'run.classes-changed' });
  });

  it('trains once at a time', async () => {
    const lock = lockRun(join(folder, 'whole'));
    const job = trainJob('whole', {}, 'auto');
    await expect(start(job, undefined, jobHere).trainer.done).rejects.toMatchObject({ code: 'run.locked' });
    lock.release();
  });
});

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
