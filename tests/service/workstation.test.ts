import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWeightFile } from '../../src-main/formats/weight-file.ts';
import type { RunSummary } from '../../src-main/protocol/data-types.ts';
import type { EpochRow, HistoryRow, StateRow, StepRow } from '../../src-main/protocol/events.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import { CALLS } from '../../src-main/protocol/service.ts';
import { openFile } from '../../src-main/runs/file-source.ts';
import { isAlive } from '../../src-main/base/process.ts';
import { createWorkstation, type Workstation } from '../../src-main/service/workstation.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import {
  openFront,
  ownOptions,
  ownPlaces,
  tinyRecipe,
  type Front,
  type Heard,
  written,
} from '../helpers/workstation.ts';
import { reason } from '../../src-main/protocol/reasons.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
let front: Front;
let workstation: Workstation;
let client: Client;
let heard: Heard;

beforeAll(() => {
  front = openFront(places, { spawnJob: jobHere });
  ({ workstation, client, heard } = front);
});

afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

const isState =
  (state: string) =>
  (row: HistoryRow): row is StateRow =>
    row.type === 'state' && row.state === state;
const isStep = (row: HistoryRow): row is StepRow => row.type === 'step';

test('every call has a handler', () => {
  expect(Object.keys(workstation.handlers).sort()).toEqual(Object.keys(CALLS).sort());
});

describe('looking around', () => {
  test('says what machine this is', async () => {
    const info = await client.call('system.info', {});
    expect(info).toMatchObject({ shell: 'server', runsFolder: join(places.homeFolder, 'runs'), sample: null });
    expect(info.memory).toBeGreaterThan(2 ** 28);
    expect(info.version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('browses folders, and says why one does not open', async () => {
    writeFileSync(join(places.root, 'note.txt'), 'twelve bytes');
    const folder = await client.call('system.browse', { path: places.root });
    expect(folder.entries.map(({ name, kind, bytes }) => `${kind} ${name} ${bytes}`)).toEqual([
      'folder cache 0',
      'folder data 0',
      'file note.txt 12',
    ]);
    await expect(client.call('system.browse', { path: join(places.root, 'gone') })).rejects.toMatchObject({
      code: 'folder.unreadable',
      params: { reason: reason('os.missing') },
    });
    await expect(client.call('system.browse', { path: join(places.root, 'note.txt') })).rejects.toMatchObject({
      params: { reason: reason('os.no-folder-but-file') },
    });
  });

  test('lists models of both roles', async () => {
    const models = await client.call('models.list', {});
    expect(models.find(({ name }) => name === 'deit_tiny_distilled_patch16_224')).toMatchObject({
      role: 'student',
      distilled: true,
      parameters: 5_910_800,
    });
    expect(models.some(({ role }) => role === 'teacher')).toBe(true);
  });
});

describe('data', () => {
  test('are counted, and shown by ids that name no path', async () => {
    const summary = await client.call('dataset.inspect', { path: data });
    expect(summary).toMatchObject({ layout: 'train-val', train: 48, val: 18, splitMade: false, warnings: [] });
    const page = await client.call('dataset.images', {
      path: data,
      split: 'train',
      class: 'blue',
      offset: 14,
      limit: 10,
    });
    expect(page.total).toBe(16);
    expect(page.images.map(({ class: name }) => name)).toEqual(['blue', 'blue']);
    const [image] = page.images;
    expect(workstation.imageFile(image.id)).toEqual({
      name: image.file,
      path: join(data, image.file),
      offset: 0,
      size: null,
    });
    expect(image.id).toMatch(/^[\w-]{22}$/);
    expect(workstation.imageFile('../../etc/passwd')).toBeNull();
    await expect(
      client.call('dataset.images', { path: data, split: 'val', class: 'gone', offset: 0, limit: 1 }),
    ).rejects.toMatchObject({ code: 'argument.invalid' });
  });

  test('that are not there are told by code', async () => {
    await expect(client.call('dataset.inspect', { path: join(places.root, 'gone') })).rejects.toMatchObject({
      code: 'data.no-folder',
    });
    await expect(client.call('dataset.inspect', { path: '' })).rejects.toMatchObject({ code: 'data.no-folder' });
    const empty = join(places.root, 'empty');
    mkdirSync(join(empty, 'train', 'one'), { recursive: true });
    await expect(client.call('dataset.inspect', { path: empty })).rejects.toMatchObject({ code: 'data.no-classes' });
  });

  test('are checked image by image, and the report is kept', async () => {
    const bad = makeTinyData(join(places.root, 'bad'), { train: 3, val: 1 });
    writeFileSync(join(bad, 'train', 'blue', 'text.jpg'), 'this is no image');
    mkdirSync(join(bad, 'train', 'void'), { recursive: true });
    expect((await client.call('dataset.inspect', { path: bad })).warnings.map(({ code }) => code)).toContain(
      'data.empty-class',
    );
    expect(await client.call('dataset.report', { path: bad })).toBeNull();
    const { job } = await client.call('dataset.check', { path: bad });
    const { state, result, error } = await heard.ended(job);
    expect(error).toBeNull();
    expect(state).toBe('done');
    expect(result).toMatchObject({
      path: bad,
      checked: 13,
      findings: [{ kind: 'unreadable', count: 1, files: [{ file: 'train/blue/text.jpg' }] }],
    });
    expect(await client.call('dataset.report', { path: bad })).toEqual(result);
    const list = await client.call('dataset.excluded', { path: bad });
    expect(list).toMatchObject({ count: 1, kinds: ['unreadable'], files: [{ file: 'train/blue/text.jpg' }] });
    expect(readFileSync(list.list, 'utf8')).toContain('train/blue/text.jpg\t# unreadable: it is not an image');
    expect(await client.call('dataset.inspect', { path: bad })).toMatchObject({ train: 9, excluded: 1 });

    // Taken back, no check puts it on the list again; a person's own line is kept.
    expect(await client.call('dataset.exclude', { path: bad, kind: 'unreadable', out: false })).toMatchObject({
      count: 0,
    });
    writeFileSync(list.list, `${readFileSync(list.list, 'utf8')}val/clay/clay-0.png\n`);
    const again = await client.call('dataset.check', { path: bad });
    expect((await heard.ended(again.job)).result).toMatchObject({ checked: 13, reused: 13 });
    expect(await client.call('dataset.inspect', { path: bad })).toMatchObject({ train: 10, val: 2, excluded: 1 });
    const recipe = tinyRecipe(bad, { epochs: 1 });
    const { run } = await client.call('run.start', { recipe });
    await heard.until('the end', () => stateRows(run).find((state) => state === 'finished' || state === 'failed'));
    const { path } = (await client.call('run.detail', { run })).summary;
    expect(readFileSync(join(path, 'excluded.txt'), 'utf8')).toBe(readFileSync(list.list, 'utf8'));
    expect(JSON.parse(readFileSync(join(path, 'data-report.json'), 'utf8'))).toMatchObject({ path: bad, checked: 13 });
    expect((await client.call('run.detail', { run })).history).toContainEqual(
      expect.objectContaining({ type: 'note', note: expect.objectContaining({ code: 'data.excluded' }) }),
    );
    await client.call('run.delete', { run });
    expect(await summaryOf(run)).toBeUndefined();
    expect(existsSync(join(path, 'data-report.json'))).toBe(true);
    await client.call('trash.empty', { items: [{ run, file: null }] });
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(bad).sort()).toEqual(['train', 'val']);
  });

  test('are shown and checked inside an archive', async () => {
    const folder = makeTinyData(join(places.root, 'packed'), { train: 3, val: 1 });
    const archive = `${folder}.tar`;
    execFileSync('tar', ['-cf', archive, '-C', folder, 'train', 'val']);
    expect(await client.call('dataset.inspect', { path: archive })).toMatchObject({ train: 9, val: 3, warnings: [] });
    const query = { path: archive, split: 'train', offset: 0, limit: 1 } as const;
    const { images } = await client.call('dataset.images', query);
    const { name, path, offset, size } = workstation.imageFile(images[0].id)!;
    expect([name, path]).toEqual([images[0].file, archive]);
    expect(readFileSync(archive).subarray(offset, offset + size!)).toEqual(readFileSync(join(folder, name)));
    const { job } = await client.call('dataset.check', { path: archive });
    expect((await heard.ended(job)).result).toMatchObject({ checked: 12, findings: [] });
  });
});

describe('a recipe', () => {
  test('that fits is told with what it comes to', async () => {
    const recipe = tinyRecipe(data, { model: 'deit_tiny_distilled_patch16_224' });
    const check = await client.call('recipe.check', { recipe });
    expect(check).toMatchObject({ problems: [], errors: [], stepsPerEpoch: 6, classes: 3 });
    expect(check.scaledLr).toBeCloseTo((0.003 * 8) / 512, 12);
    // Ti at 32 pixels: 5 positions less than at 224 in (4 + 2) rows, and two heads of 3.
    expect(check.parameters).toBe(5_910_800 - (196 - 4) * 192 - 2 * (192 + 1) * (1000 - 3));
    expect(check.checkpointBytes).toBe(check.parameters * 12);
  });

  test('shows everything that is wrong with it at once', async () => {
    const check = await client.call('recipe.check', {
      recipe: tinyRecipe(join(places.root, 'gone'), {
        model: 'deit_tiny_patch16_224',
        inputSize: 40,
        epochs: 0,
        distillationType: 'hard',
        finetune: '/nowhere.pth',
      }),
    });
    expect(check.problems.map(({ key }) => key).sort()).toEqual(['epochs', 'inputSize']);
    expect(check.errors.map(({ code }) => code).sort()).toEqual(['data.no-folder', 'file.missing', 'teacher.missing']);
  });

  test('shows what is wrong with its augmentation, and how many steps repeats leave', async () => {
    const wrong = tinyRecipe(data, { aa: 'rand-q3', cutmixMinmax: '0.8 0.2', mixup: 0.8, batchSize: 7 });
    const check = await client.call('recipe.check', { recipe: wrong });
    expect(check.problems.map(({ key, got }) => [key, got])).toEqual([
      ['aa', '"rand-q3"'],
      ['cutmixMinmax', '"0.8 0.2"'],
    ]);
    expect(check.errors).toMatchObject([{ code: 'recipe.odd-batch', params: { batch: 7 } }]);
    const repeated = await client.call('recipe.check', { recipe: tinyRecipe(data, { repeatedAug: true }) });
    expect(repeated).toMatchObject({ problems: [], errors: [], stepsPerEpoch: 6 });
  });

  test('with too few images, an unknown setting or a hostile teacher is refused at the start too', async () => {
    const few = tinyRecipe(data, { batchSize: 64 });
    expect((await client.call('recipe.check', { recipe: few })).errors).toMatchObject([
      { code: 'data.too-few', params: { count: 48, batch: 64 } },
    ]);
    await expect(client.call('run.start', { recipe: few })).rejects.toMatchObject({ code: 'data.too-few' });
    await expect(client.call('run.start', { recipe: { ...tinyRecipe(data), colour: 'red' } })).rejects.toMatchObject({
      code: 'recipe.unknown-key',
    });
    const hostile = join(places.root, 'hostile.pth');
    // The pickle of os.system('true').
    writeFileSync(hostile, Buffer.from('\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.', 'latin1'));
    const recipe = tinyRecipe(data, { distillationType: 'soft', teacherPath: hostile });
    const { errors } = await client.call('recipe.check', { recipe });
    expect(errors.map(({ code }) => code)).toEqual(['weights.hostile']);
    expect(await client.call('run.list', {})).toEqual([]);
  });
});

const isEpoch =
  (epoch: number) =>
  (row: HistoryRow): row is EpochRow =>
    row.type === 'epoch' && row.epoch === epoch;

/** A run that trains until it is stopped, after its first epochs. */
async function startLong(epochs = 3, { client, heard }: Front = front): Promise<string> {
  const { run } = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 4000 }), anyway: true });
  await heard.row(run, isEpoch(epochs - 1));
  return run;
}

const stateRows = (run: string, { heard }: Front = front): string[] =>
  heard.rows(run).flatMap((row) => (row.type === 'state' ? [row.state] : []));

async function stop(run: string, of: Front = front): Promise<void> {
  const stopped = () => stateRows(run, of).filter((state) => state === 'stopped');
  const before = stopped().length;
  await of.client.call('run.stop', { run });
  await of.heard.until('the stop', () => stopped()[before]);
}

/** A step row as the history of a run is sent: numbers but counts and times as float32. */
function asSent(row: HistoryRow): HistoryRow {
  const exact = new Set(['time', 'memory', 'step', 'epoch', 'stepsPerEpoch']);
  const round = (value: unknown, key: string): unknown =>
    typeof value === 'number' && !exact.has(key) ? Math.fround(value) : value;
  if (row.type !== 'step') return row;
  const rounded = Object.entries({ ...row, anatomy: {} }).map(([key, value]) => [key, round(value, key)]);
  const anatomy = Object.entries(row.anatomy).map(([key, value]) => [key, round(value, '')]);
  return { ...Object.fromEntries(rounded), anatomy: Object.fromEntries(anatomy) } as HistoryRow;
}

async function summaryOf(run: string, { client }: Front = front): Promise<RunSummary | undefined> {
  return (await client.call('run.list', {})).find(({ id }) => id === run);
}

describe('a run', () => {
  test('trains, stops, is read from disk and resumes from a named checkpoint', async () => {
    const run = await startLong();
    expect(await summaryOf(run)).toMatchObject({ state: 'running', epochs: 4000, error: null });
    await expect(client.call('run.delete', { run })).rejects.toMatchObject({ code: 'run.locked' });
    await expect(client.call('run.resume', { run })).rejects.toMatchObject({ code: 'run.locked' });
    await stop(run);

    const detail = await client.call('run.detail', { run });
    expect(detail.summary).toMatchObject({ state: 'stopped', error: null, model: 'test_deit_distilled_patch16_32' });
    expect(detail.classes).toEqual(['amber', 'blue', 'clay']);
    expect(detail.recipe.epochs).toBe(4000);
    expect(stateRows(run)).toEqual(['starting', 'running', 'stopping', 'stopped']);
    const told = heard.rows(run).filter((row) => row.type !== 'state' || row.state !== 'stopping');
    expect(told.map(asSent)).toEqual(detail.history);

    const [first, ...later] = await client.call('checkpoint.list', { run });
    expect(later.length).toBeGreaterThan(0);
    await expect(client.call('run.resume', { run, checkpoint: 'gone.safetensors' })).rejects.toMatchObject({
      code: 'file.missing',
    });
    const slower = { lr: detail.recipe.lr / 2, profile: true };
    await expect(client.call('run.resume', { run, changes: { lr: -1 } })).rejects.toMatchObject({
      code: 'recipe.invalid',
    });
    expect(await client.call('run.profile', { run })).toBeNull();
    const seen = heard.rows(run).filter(isStep).length;
    await client.call('run.resume', { run, checkpoint: first.file, changes: slower });
    const next = await heard.until('a step after resuming', () => heard.rows(run).filter(isStep)[seen]);
    expect(next.step).toBeGreaterThan(first.step);
    expect(next.step).toBeLessThan(later.at(-1)!.step);
    await heard.until('its profiled step', () => heard.rows(run).filter(isStep).slice(seen).find(({ step }) => step > first.step + 4)); // prettier-ignore
    await stop(run);
    expect((await client.call('run.detail', { run })).recipe).toEqual({ ...detail.recipe, ...slower });
    expect(await client.call('run.profile', { run })).toMatchObject({ step: first.step + 4 });

    // By its path, as on the command line.
    const gone = client.call('run.resume-from', { path: join(detail.summary.path, 'gone') });
    await expect(gone).rejects.toMatchObject({ code: 'file.missing' });
    const heardBefore = heard.rows(run).filter(isStep).length;
    expect(await client.call('run.resume-from', { path: detail.summary.path })).toEqual({ run });
    await heard.until('a step after that', () => heard.rows(run).filter(isStep)[heardBefore]);
    await stop(run);
  });

  test('tells its windows at most ten times a second', () => {
    const events = heard.events.filter((event) => event.event === 'run');
    const first = events[0].rows[0].time;
    const last = events.at(-1)!.rows.at(-1)!.time;
    expect(events.length).toBeLessThanOrEqual(((last - first) / 1000) * 10 + 5);
  });

  test('finishes, is exported in both formats, loses a checkpoint, teaches, and is deleted', async () => {
    const output = join(places.root, 'my runs', 'teacher');
    const recipe = tinyRecipe(data, { model: 'test_deit_patch16_32', epochs: 2, outputDir: output });
    const { run } = await client.call('run.start', { recipe });
    await heard.row(run, isState('finished'));
    const done = await summaryOf(run);
    expect(done).toMatchObject({ path: output, state: 'finished', epoch: 2, teacher: '' });
    expect(done!.lastAcc1).not.toBeNull();

    const [first, second] = await client.call('checkpoint.list', { run });
    for (const format of ['safetensors', 'pth'] as const) {
      const { path, bytes } = await written(front, { run, checkpoint: second.file, format });
      const source = openFile(path);
      expect(bytes).toBe(source.size);
      expect(openWeightFile(source, path).tensors.get('head.weight')?.shape).toEqual([3, 32]);
      source.close();
    }
    const gone = written(front, { run, checkpoint: 'gone.safetensors', format: 'pth' });
    await expect(gone).rejects.toMatchObject({ code: 'file.missing' });

    await client.call('checkpoint.delete', { run, file: first.file });
    expect((await client.call('checkpoint.list', { run })).map(({ file }) => file)).toEqual([second.file]);

    const teacherPath = join(output, 'checkpoints', second.file);
    const distil = { distillationType: 'hard', teacherModel: 'test_deit_patch16_32', teacherPath } as const;
    expect(await client.call('recipe.check', { recipe: tinyRecipe(data, distil) })).toMatchObject({
      problems: [],
      errors: [],
    });
    const two = makeTinyData(join(places.root, 'two'), { classes: ['x', 'y'] });
    expect(await client.call('recipe.check', { recipe: tinyRecipe(two, distil) })).toMatchObject({
      errors: [{ code: 'teacher.lacks-classes', params: { missing: 'x, y', dataClasses: 2 } }],
    });

    await client.call('run.delete', { run });
    expect(await summaryOf(run)).toBeUndefined();
    expect(existsSync(join(output, 'checkpoints', second.file))).toBe(true);
    await expect(client.call('run.detail', { run })).rejects.toMatchObject({ code: 'run.missing' });
  });
});

describe('a run in a process of its own', () => {
  let own: Front;
  beforeAll(() => void (own = openFront(places)));
  afterAll(() => own.close());

  /** Process that trains in a run, by its lock. */
  async function processOf(run: string): Promise<number> {
    const { path } = (await summaryOf(run, own))!;
    const { pid } = JSON.parse(readFileSync(join(path, 'lock'), 'utf8')) as { pid: number };
    expect(pid).not.toBe(process.pid);
    return pid;
  }

  test('that is killed is crashed, says how, harms no other and can be resumed', async () => {
    const { client, heard } = own;
    const [victim, other] = [await startLong(2, own), await startLong(1, own)];
    process.kill(await processOf(victim), 'SIGKILL');
    const row = await heard.row(victim, isState('crashed'));
    expect(row.error).toMatchObject({
      code: 'run.died',
      message: expect.stringContaining('SIGKILL') as string,
      params: { reason: { code: 'process.killed-memory', params: { signal: 'SIGKILL' } } },
    });
    expect(await summaryOf(victim, own)).toMatchObject({ state: 'crashed', error: { code: 'run.died' } });

    const seen = heard.rows(other).filter(isStep).length;
    await heard.until('the other run to go on', () => heard.rows(other).filter(isStep)[seen]);
    await stop(other, own);

    const epochs = (await client.call('run.detail', { run: victim })).history.filter(({ type }) => type === 'epoch');
    await client.call('run.resume', { run: victim });
    await heard.row(victim, isEpoch(epochs.length));

    // And what is under way when the service closes is saved, and its process is gone.
    const pid = await processOf(victim);
    await own.workstation.close();
    expect(isAlive(pid)).toBe(false);
    expect(await summaryOf(victim, own)).toMatchObject({ state: 'stopped' });
    expect((await client.call('checkpoint.list', { run: victim })).length).toBeGreaterThan(0);
    const history = (await client.call('run.detail', { run: victim })).history;
    const numbers = history.flatMap((one) => (one.type === 'epoch' ? [one.epoch] : []));
    expect(numbers).toEqual(numbers.map((_, index) => index));
  });
});

test('without an engine nothing starts, and the status says so', async () => {
  const bare = ownPlaces(false);
  const { handlers, close } = createWorkstation(ownOptions(bare, () => undefined));
  const missing = { state: 'missing', version: '2.21.0', error: null };
  expect(await handlers['engine.status']({})).toMatchObject({ ...missing, gpu: { device: 'cpu' } });
  const checked = await handlers['engine.check']({ device: 'cpu' });
  expect(checked.gpu).toMatchObject({ device: 'cpu', reason: { code: 'gpu.cpu-chosen' } });
  expect(checked.gpu.bytesFree).toBeGreaterThan(0);
  await expect(handlers['run.start']({ recipe: tinyRecipe(data) })).rejects.toMatchObject({ code: 'engine.missing' });
  await expect(handlers['dataset.check']({ path: data })).rejects.toMatchObject({ code: 'engine.missing' });
  await expect(handlers['engine.verify']({})).rejects.toMatchObject({ code: 'engine.missing' });
  await close();
  rmSync(bare.root, { recursive: true });
});
