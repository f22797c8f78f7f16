import { fork, spawn, type ChildProcess } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { EpochRow, HistoryRow } from '../../src-main/protocol/events.ts';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { connect, type Client } from '../../src-main/protocol/rpc.ts';
import { listCheckpoints } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { lockOwner } from '../../src-main/runs/lock.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { isAlive } from '../../src-main/base/process.ts';
import { cardPath } from '../../src-main/weights/teacher-card.ts';
import type { JobEvent, JobRequest } from '../../src-main/jobs/job-protocol.ts';
import { buildPrograms } from '../helpers/build.ts';
import { ForkedService } from '../helpers/forked-service.ts';
import { copyTeacher } from '../helpers/teachers.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { Heard, ownPlaces, tinyRecipe } from '../helpers/workstation.ts';
import { eventually, eventuallyTrue } from '../helpers/wait.ts';

/** Whoever owns a process may be killed: what it started must end, and a training must save first. */

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'), { train: 8, val: 2 });
/** Images that take minutes to decode. */
const slow = slowData(join(places.root, 'slow'));
const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
/** Has the window beside it. */
const SERVING = join(process.cwd(), 'dist', 'main', 'cli.mjs');
const SERVICE = join(process.cwd(), 'dist', 'main', 'service.process.mjs');
let program: string;
let trainer: string;

beforeAll(async () => {
  const built = await buildPrograms();
  program = join(built, 'cli.mjs');
  trainer = join(built, 'job.process.mjs');
});
afterAll(() => rmSync(places.root, { recursive: true, force: true }));

function slowData(folder: string): string {
  makeTinyData(folder, { classes: ['amber'], train: 1, val: 0, size: 2000 });
  const [file] = readdirSync(join(folder, 'train', 'amber'));
  for (const split of ['train', 'val'])
    for (const name of ['amber', 'blue', 'clay']) {
      const place = join(folder, split, name);
      mkdirSync(place, { recursive: true });
      for (let copy = 0; copy < 200; copy++)
        linkSync(join(folder, 'train', 'amber', file), join(place, `copy-${copy}.png`));
    }
  return folder;
}

/** Numbers of the processes that a process has started and that live. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc').filter((name) => parentOf(name) === parent).map(Number); // prettier-ignore
}

function parentOf(pid: string): number | null {
  if (!/^\d+$/.test(pid)) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}

async function gone(pids: number[]): Promise<void> {
  await eventually(() => expect(pids.filter(isAlive)).toEqual([]));
}

const isEpoch = (row: HistoryRow): row is EpochRow => row.type === 'epoch';

/** The run was saved where it stood when its owner went, and can go on. */
function expectSaved(path: string): void {
  const rows = readHistory(path);
  expect(rows.at(-1)).toMatchObject({ type: 'state', state: 'stopped' });
  const step = rows.filter((row) => row.type === 'step').at(-1)!;
  expect(listCheckpoints(path).at(-1)!.step).toBeGreaterThanOrEqual(step.step);
  expect(lockOwner(path)).toBeNull();
}

describe('a service that is killed', () => {
  test('takes a training with an ONNX teacher, an evaluation, a prediction and a check along', async () => {
    const teacherPath = copyTeacher('plain.onnx', places.root);
    writeFileSync(cardPath(teacherPath), JSON.stringify({ classes: ['clay', 'amber', 'dune', 'blue'] }));
    const service = new ForkedService(env);
    const { client } = service.window();
    const heard = new Heard();
    client.onEvent(heard.hear);
    const distils = { model: 'test_deit_distilled_patch16_32', distillationType: 'hard', teacherPath } as const;
    const { run } = await client.call('run.start', {
      recipe: tinyRecipe(data, { epochs: 4000, keepCheckpoints: 1000, ...distils }),
    });
    await heard.row(run, isEpoch);
    const path = join(places.homeFolder, 'runs', run);

    const photo = readFileSync(join(data, 'val', 'blue', 'blue-0.png')).toString('base64');
    await client.call('photo.add', { photo: 'one', offset: 0, data: photo });
    await client.call('photo.answer', { photo: 'one', run });
    const jobs = [
      (await client.call('dataset.check', { path: slow })).job,
      (await client.call('evaluation.start', { run, folder: join(slow, 'train') })).job,
    ];
    for (const job of jobs)
      await heard.until('an image', () => heard.events.find((event) => event.event === 'job' && event.progress.job === job && event.progress.done > 0)); // prettier-ignore
    const children = childrenOf(service.process.pid!);
    expect(children).toHaveLength(4);
    service.process.kill('SIGKILL');
    await gone(children);
    expectSaved(path);
  });
});

interface Orphan {
  child: ChildProcess;
  ended: Promise<number | null>;
}

/** A trainer of this process's own, once `until` holds of an event. */
async function forkJob(job: JobRequest, until: (event: JobEvent) => boolean): Promise<Orphan> {
  const child = fork(trainer, [], { serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    void ended.then((code) => reject(new Error(`exit code ${code}`)));
    child.on('message', (message) => {
      const event = message as JobEvent;
      if (event.tell === 'ready') child.send({ do: 'start', job });
      if (until(event)) resolve();
    });
  });
  return { child, ended };
}

describe('a process whose owner lets go of it', () => {
  const engine = engineFolder();

  test('saves and ends in order when it trains, though nobody reads what it writes', async () => {
    const run = join(places.root, 'let-go');
    const recipe = parseRecipe(tinyRecipe(data, { epochs: 4000, saveEvery: 4000 }));
    const job = { kind: 'train', engine, threads: 2, run, recipe, resume: 'new' } as const;
    const { child, ended } = await forkJob(job, (event) => event.tell === 'rows' && event.rows.some(({ type }) => type === 'step')); // prettier-ignore
    child.stdout!.destroy();
    child.stderr!.destroy();
    child.disconnect();
    expect(await ended).toBe(0);
    expectSaved(run);
  });

  test.each([
    ['a job process', () => trainer, 1],
    ['a service', () => SERVICE, 0],
  ])('ends when that happens before it listens: %s', async (_, script, code) => {
    const child = fork(script(), [], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.disconnect();
    expect(await ended).toBe(code);
  });

  test('ends at once with code 1 when it does anything else', async () => {
    const results = join(places.root, 'results.jsonl');
    const job = { kind: 'check', engine, dataPath: slow, results } as const;
    const { child, ended } = await forkJob(job, (event) => event.tell === 'progress' && event.done > 0);
    child.disconnect();
    expect(await ended).toBe(1);
  });
});

interface Command {
  child: ChildProcess;
  out(): string;
}

/** The program `stillhouse`, in a group of processes of its own as a terminal makes one. */
function stillhouse(args: string[], program: string): Command {
  let out = '';
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => void (out += text));
  return { child, out: () => out };
}

const trainArgs = (run: string): string[] => [
  ...['train', '--json', '--data-path', data, '--output-dir', run, '--model', 'test_deit_patch16_32'],
  ...['--input-size', '32', '--batch-size', '8', '--epochs', '4000', '--save-every', '4000', '--threads', '2'],
  ...['--distillation-type', 'none', '--aa', '', '--no-repeated-aug', '--warmup-epochs', '0'],
];

describe('stillhouse train', () => {
  const training = async (run: string): Promise<{ child: ChildProcess; pids: number[] }> => {
    const { child, out } = stillhouse(trainArgs(run), program);
    await eventuallyTrue(() => readHistory(run).some(({ type }) => type === 'step') || child.exitCode !== null); // prettier-ignore
    expect(child.exitCode, out()).toBeNull();
    const pids = childrenOf(child.pid!);
    expect(pids).toHaveLength(1);
    return { child, pids: [...pids, child.pid!] };
  };

  test('that is killed leaves no process, and its run is saved', async () => {
    const run = join(places.root, 'killed');
    const { child, pids } = await training(run);
    child.kill('SIGKILL');
    await gone(pids);
    expectSaved(run);
  });

  test('whose terminal is closed leaves no process, and its run is saved', async () => {
    const run = join(places.root, 'closed');
    const { child, pids } = await training(run);
    child.stdout!.destroy();
    child.stderr!.destroy();
    // As the kernel does it: to the whole group.
    process.kill(-child.pid!, 'SIGHUP');
    await gone(pids);
    expectSaved(run);
  });
});

test('stillhouse serve that is killed leaves no process, and its run is saved', async () => {
  const { child, out } = stillhouse(['serve', '--port', '0'], SERVING);
  await eventuallyTrue(() => out().includes('http://'));
  const client = await openWindow(/http:\S+/.exec(out())![0]);
  const heard = new Heard();
  client.onEvent(heard.hear);
  const { run } = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 4000 }) });
  await heard.row(run, isEpoch);
  const pids = childrenOf(child.pid!);
  expect(pids).toHaveLength(1);
  child.kill('SIGKILL');
  await gone([...pids, child.pid!]);
  expectSaved(join(places.homeFolder, 'runs', basename(run)));
});

/** A client of the service behind an address that was printed. */
async function openWindow(url: string): Promise<Client> {
  const welcome = await fetch(url);
  const cookie = welcome.headers.get('set-cookie')!.split(';')[0];
  const { origin, host } = new URL(url);
  const socket = new WebSocket(`ws://${host}/port`, { headers: { origin, cookie } });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.on('open', resolve));
  return connect({
    post: (message) => socket.send(JSON.stringify(message)),
    onMessage: (listener) => socket.on('message', (text) => listener(JSON.parse((text as Buffer).toString()))),
    onClose: (listener) => socket.on('close', listener),
  });
}
