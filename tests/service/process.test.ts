import { EventEmitter, once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { toPlainError } from '../../src-main/protocol/errors.ts';
import type { EpochRow, HistoryRow, NoteRow, StateRow } from '../../src-main/protocol/events.ts';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import { loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { lockRun } from '../../src-main/runs/lock.ts';
import { isAlive } from '../../src-main/base/process.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { RunControl, type SpawnJob } from '../../src-main/service/runs/run-control.ts';
import { RunStore } from '../../src-main/service/runs/run-store.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import type { JobEvent } from '../../src-main/jobs/job-protocol.ts';
import { ForkedService } from '../helpers/forked-service.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { Heard, ownPlaces, tinyRecipe } from '../helpers/workstation.ts';
import { eventually, turns } from '../helpers/wait.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
const started: ForkedService[] = [];

afterAll(async () => {
  for (const service of started) service.process.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  rmSync(places.root, { recursive: true, force: true });
});

function startService(utility = false): ForkedService {
  const service = new ForkedService(env, utility);
  started.push(service);
  return service;
}

const isEpoch = (row: HistoryRow): row is EpochRow => row.type === 'epoch';
const pidIn = (path: string): number => (JSON.parse(readFileSync(join(path, 'lock'), 'utf8')) as { pid: number }).pid;

/** A run with at least one epoch behind it, and its folder and process. */
async function trainLong(client: Client): Promise<{ run: string; path: string; pid: number }> {
  const heard = new Heard();
  client.onEvent(heard.hear);
  const { run } = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 4000 }) });
  await heard.row(run, isEpoch);
  const { path } = (await client.call('run.list', {})).find(({ id }) => id === run)!;
  return { run, path, pid: pidIn(path) };
}

async function gone(pid: number): Promise<void> {
  await eventually(() => expect(isAlive(pid)).toBe(false));
}

describe.each([
  ['on a stock Node', false],
  ['in a utility process', true],
])('the service %s', (_name, utility) => {
  test('answers several windows, knows images, and ends with its runs saved', async () => {
    const service = startService(utility);
    const [one, other] = [service.window(), service.window()];
    const page = await one.client.call('dataset.images', { path: data, split: 'val', offset: 0, limit: 1 });
    expect(await service.image(page.images[0].id)).toMatchObject({
      path: join(data, page.images[0].file),
      offset: 0,
    });
    expect(await service.image('unknown')).toBeNull();
    const [first, second] = [new Heard(), new Heard()];
    one.client.onEvent(first.hear);
    other.client.onEvent(second.hear);
    const { job } = await one.client.call('dataset.check', { path: data });
    expect((await Promise.all([first.ended(job), second.ended(job)])).map(({ state }) => state)).toEqual([
      'done',
      'done',
    ]);
    one.close();
    expect(await other.client.call('job.list', {})).toMatchObject([{ job, state: 'done' }]);

    // Its runs are saved before it ends, and no process is left.
    const { path, pid } = await trainLong(other.client);
    expect(service.active).toEqual([1]);
    service.send({ type: 'end' });
    expect(await service.ended).toBe(0);
    expect(service.active).toEqual([1, 0]);
    expect(isAlive(pid)).toBe(false);
    expect(readHistory(path).at(-1)).toMatchObject({ type: 'state', state: 'stopped' });
    lockRun(path).release();
  });
});

describe('a trainer that dies in a utility process is told like any other', () => {
  const died = (row: HistoryRow): row is StateRow => row.type === 'state' && row.state === 'crashed';

  test('when it is killed', async () => {
    const { client } = startService(true).window();
    const heard = new Heard();
    client.onEvent(heard.hear);
    const { run, pid } = await trainLong(client);
    process.kill(pid, 'SIGKILL');
    expect((await heard.row(run, died)).error).toMatchObject({
      code: 'run.died',
      params: { reason: { code: 'process.killed-memory', params: { signal: 'SIGKILL' } } },
    });
  });

  test('when it has too little memory: with its last words and what to change', async () => {
    const NODE_OPTIONS = '--max-old-space-size=4';
    const service = startService(true);
    service.jobEnvironment = { NODE_OPTIONS };
    const { client } = service.window();
    const heard = new Heard();
    client.onEvent(heard.hear);
    const recipe = tinyRecipe(data);
    const { run } = await client.call('run.start', { recipe });
    const { error } = await heard.row(run, died);
    vi.stubEnv('NODE_OPTIONS', NODE_OPTIONS);
    const job = { kind: 'train', engine: engineFolder(), run: join(places.root, 'never'), recipe: parseRecipe(recipe), resume: 'new' } as const; // prettier-ignore
    const own: unknown = await spawnJob(job).done.catch((error: unknown) => error);
    vi.unstubAllEnvs();
    expect(toPlainError(own)).toEqual(error);
    expect(error).toMatchObject({
      code: 'run.out-of-memory',
      message: expect.stringContaining('killed by SIGABRT: FATAL ERROR: Reached heap limit') as string,
    });
  });
});

test('when the service is killed, the run saves and ends by itself; when both are, it is crashed', async () => {
  const service = startService();
  const { run, path, pid } = await trainLong(service.window().client);
  service.process.kill('SIGKILL');
  await gone(pid);
  const next = startService();
  const { client } = next.window();
  const find = async () => (await client.call('run.list', {})).find(({ id }) => id === run);
  expect(await find()).toMatchObject({ state: 'stopped', path });

  const heard = new Heard();
  client.onEvent(heard.hear);
  await client.call('run.resume', { run });
  await heard.row(run, isEpoch);
  const trainer = pidIn(path);
  next.process.kill('SIGKILL');
  process.kill(trainer, 'SIGKILL');
  await gone(trainer);
  const last = startService().window().client;
  expect((await last.call('run.list', {})).find(({ id }) => id === run)).toMatchObject({
    state: 'crashed',
    error: { code: 'run.died' },
  });
});

test('a shell that goes away takes the service along', async () => {
  const service = startService();
  await service.window().client.call('job.list', {});
  service.process.disconnect();
  expect(await service.ended).toBe(0);
});

describe('a trainer that hangs', () => {
  const heard = new Heard();
  const silence = 4000;
  const readies = new EventEmitter();
  const spawn: SpawnJob = (job, options) => {
    const onEvent = (event: JobEvent): void => {
      options?.onEvent?.(event);
      if (event.tell === 'ready') readies.emit('ready');
    };
    return spawnJob(job, { ...options, onEvent });
  };
  const control = new RunControl({ spawnJob: spawn, emit: heard.hear, silence });
  const isCrash = (row: HistoryRow): row is StateRow => row.type === 'state' && row.state === 'crashed';

  // What watches for silence counts its own ticks: here they come when the test says.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());
  afterAll(() => control.close());

  interface Frozen {
    id: string;
    path: string;
    pid: number;
  }

  /** Waits until the kernel has stopped a process, and what it had said has been heard. */
  async function frozen(pid: number): Promise<void> {
    const state = () => readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')[0];
    await eventually(() => expect(state()).toBe('T'));
    await turns(100);
  }

  const epoch = (id: string): Promise<unknown> => heard.row(id, isEpoch);
  /** The process is there and has its job, and has not loaded an engine: what watches it does not care. */
  const ready = (): Promise<unknown> => once(readies, 'ready');

  /** A run whose process is frozen, after its first epoch where nothing else is said; nothing more comes from it. */
  async function freeze(more: Partial<Recipe> = {}, begun = epoch): Promise<Frozen> {
    const recipe = parseRecipe(tinyRecipe(data, { epochs: 4000, ...more }));
    const { id, path } = new RunStore(join(places.homeFolder, 'runs')).create(
      recipe,
      ['amber', 'blue', 'clay'],
      'test',
    );
    void control.start({ id, path, recipe, resume: 'new', on: { engine: engineFolder() }, lock: lockRun(path) });
    await begun(id);
    const pid = control.pidOf(id)!;
    process.kill(pid, 'SIGSTOP');
    await frozen(pid);
    return { id, path, pid };
  }

  test('is reported, and ended when asked to stop', async () => {
    const { id } = await freeze({}, ready);
    const isSilent = (row: HistoryRow): row is NoteRow => row.type === 'note' && row.note.code === 'run.silent';
    vi.advanceTimersByTime(silence - 1);
    await turns(10);
    expect(heard.rows(id).some(isSilent)).toBe(false);
    vi.advanceTimersByTime(1);
    expect((await heard.row(id, isSilent)).note).toMatchObject({ params: { seconds: 4 } });
    control.stop(id);
    await heard.row(id, isCrash);
    expect(control.stateOf(id)).toBeUndefined();
  });

  test('before it is asked to stop is ended when it stays silent', async () => {
    const { id } = await freeze({}, ready);
    control.stop(id);
    vi.advanceTimersByTime(silence - 1);
    expect(control.stateOf(id)).toBe('stopping');
    vi.advanceTimersByTime(1);
    await heard.row(id, isCrash);
  });

  test('is ended after its stall minutes, keeps what it saved, and the run can go on', async () => {
    const { id, path, pid } = await freeze({ stallMinutes: 1 });
    vi.advanceTimersByTime(60_000 - 1);
    expect(control.stateOf(id)).toBe('running');
    vi.advanceTimersByTime(1);
    const row = await heard.row(id, isCrash);
    expect(row).toMatchObject({ error: { code: 'run.stalled', params: { minutes: 1 } } });
    expect(isAlive(pid)).toBe(false);
    expect(readHistory(path).at(-1)).toEqual(row);
    const { checkpoint, notes } = await loadCheckpoint(path);
    expect(notes).toEqual([]);
    expect(checkpoint.info.step).toBeGreaterThan(0);
    checkpoint.close();
    lockRun(path).release();
  });
});
