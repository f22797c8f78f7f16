import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { HistoryRow, StateRow } from '../../src-main/protocol/events.ts';
import { listCheckpoints } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { lockOwner, lockRun } from '../../src-main/runs/lock.ts';
import { openRun, runFolders, type RunFile } from '../../src-main/runs/run-folder.ts';
import { jsonLines, stillhouseHere } from '../helpers/command-line.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { eventually } from '../helpers/wait.ts';
import { openFront, ownPlaces, tinyRecipe, type Front } from '../helpers/workstation.ts';

/** Every way to begin a run, with the same recipe: a window, the queue, the command line. */

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'), { train: 8, val: 2 });
const recipe = tinyRecipe(data, { model: 'test_deit_distilled_patch16_32', epochs: 1, warmupEpochs: 3 });
const runs = join(places.homeFolder, 'runs');
const file = join(places.root, 'recipe.json');
let front: Front;

beforeAll(() => void (front = openFront(places, { spawnJob: jobHere })));
afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

const isEnd = (row: HistoryRow): row is StateRow =>
  row.type === 'state' && ['finished', 'failed', 'crashed'].includes(row.state);

/** What `stillhouse train` prints as JSON. */
async function stillhouse(...args: string[]): Promise<Record<string, unknown>[]> {
  const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
  return jsonLines(await stillhouseHere(['train', ...args, '--json'], { cwd: places.root, env }));
}

type Recipe = Record<string, string | number | boolean>;

async function startByWindow(given: Recipe): Promise<void> {
  const { run } = await front.client.call('run.start', { recipe: given });
  await front.heard.row(run, isEnd);
}

async function startByQueue(given: Recipe): Promise<void> {
  const { client, heard } = front;
  const ended = () => heard.events.filter((event) => event.event === 'run' && event.rows.some(isEnd)).length;
  const before = ended();
  await client.call('queue.set', { paused: false });
  const { entries } = await client.call('queue.add', { recipe: given });
  const { id } = entries.at(-1)!;
  const why = await eventually(async () => {
    const { entries, paused } = await client.call('queue.list', {});
    const entry = entries.find((entry) => entry.id === id);
    const why = entry && (entry.error ?? paused);
    expect(why).not.toBeNull();
    return why;
  });
  if (!why) return void (await heard.until('the end', () => ended() > before || undefined));
  await client.call('queue.remove', { id });
  throw fromPlainError(why);
}

async function startByCommand(given: Recipe): Promise<void> {
  writeFileSync(file, JSON.stringify(given));
  const error = (await stillhouse('--recipe', file)).find(({ type }) => type === 'error');
  if (error) throw fromPlainError(error as unknown as PlainError);
}

const ENTRIES = { window: startByWindow, queue: startByQueue, 'command line': startByCommand };

interface Begun {
  header: Omit<RunFile, 'id' | 'created'>;
  notes: PlainError[];
}

function begun(path: string): Begun {
  const { id: _, created: __, ...header } = openRun(path);
  return { header, notes: readHistory(path).flatMap((row) => (row.type === 'note' ? [row.note] : [])) };
}

/** The run that an entry makes of a recipe. */
async function made(start: (given: Recipe) => Promise<void>, given: Recipe): Promise<Begun & { path: string }> {
  const before = new Set(runFolders(runs));
  await start(given);
  const [path, ...more] = runFolders(runs).filter((path) => !before.has(path));
  expect(more).toEqual([]);
  return { path, ...begun(path) };
}

describe('whichever way a run begins', () => {
  const paths: Record<string, string> = {};

  test('its header, its recipe and what it was warned of are the same', async () => {
    const all: Begun[] = [];
    for (const [name, start] of Object.entries(ENTRIES)) {
      const { path, ...one } = await made(start, recipe);
      paths[name] = path;
      all.push(one);
    }
    const { warnings } = await front.client.call('recipe.check', { recipe });
    expect(warnings.map(({ code }) => code)).toContain('recipe.warmup-long');
    expect(all[0].notes).toEqual(warnings);
    expect(all[0].header).toMatchObject({ dataPath: data, recipe, classes: ['amber', 'blue', 'clay'] });
    for (const one of all.slice(1)) expect(one).toEqual(all[0]);
  });

  test.each([
    ['too few images', { batchSize: 64 }],
    ['a size that does not fit', { inputSize: 40 }],
    ['no data', { dataPath: join(places.root, 'gone') }],
    ['no teacher', { distillationType: 'hard' }],
    ['too little disk', { keepCheckpoints: 1000, epochs: 2000, model: 'deit_base_distilled_patch16_224' }],
    ['weights that are not there', { finetune: '/nowhere.pth' }],
  ])('what it is refused for is the same: %s', async (_name, more) => {
    const said: unknown[] = [];
    for (const start of Object.values(ENTRIES)) {
      const refused = await made(start, { ...recipe, ...more }).then(
        () => null,
        (error: PlainError) => error,
      );
      said.push({ code: refused?.code ?? 'none', ...refused?.params, free: '' });
    }
    expect(said[0]).not.toMatchObject({ code: 'none' });
    for (const one of said.slice(1)) expect(one).toEqual(said[0]);
  });

  test('a run goes on the same, also when what it was fine-tuned from is gone', async () => {
    const { client, heard } = front;
    const changes = { epochs: 2, lr: 0.001, finetune: join(places.root, 'gone.safetensors') };
    const [byWindow, byCommand] = [paths['window'], paths['command line']];
    const { run } = await client.call('run.open', { path: byWindow });
    const before = heard.rows(run).length;
    await client.call('run.resume', { run, changes });
    await heard.until('the end', () => heard.rows(run).slice(before).find(isEnd));
    const told = await stillhouse(
      '--resume',
      byCommand,
      '--epochs',
      '2',
      '--lr',
      '0.001',
      '--finetune',
      changes.finetune,
    );
    expect(told.at(-1)).toMatchObject({ type: 'result', state: 'finished' });
    expect(begun(byCommand)).toEqual(begun(byWindow));
    expect(begun(byCommand).header.recipe).toMatchObject({ ...changes, outputDir: '' });
    for (const path of [byWindow, byCommand]) expect(listCheckpoints(path)).toHaveLength(2);
  });

  test('one that trains already is left alone', async () => {
    const path = paths['queue'];
    const { run } = await front.client.call('run.open', { path });
    const lock = lockRun(path);
    const refused = { code: 'run.locked', params: { path, owner: String(process.pid) } };
    await expect(front.client.call('run.resume', { run })).rejects.toMatchObject(refused);
    expect((await stillhouse('--resume', path)).at(-1)).toMatchObject({ type: 'error', ...refused });
    expect(lockOwner(path)).toEqual(lock.owner);
    lock.release();
  });
});
