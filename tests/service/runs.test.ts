import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, serve, type Client } from '../../src-main/protocol/rpc.ts';
import { saveCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { openHistory } from '../../src-main/runs/history.ts';
import { RunStore } from '../../src-main/service/runs/run-store.ts';
import { TRASH_DAYS, TrashCalls } from '../../src-main/service/runs/trash-calls.ts';
import { createWorkstation, type Workstation } from '../../src-main/service/workstation.ts';
import { portPair } from '../helpers/port-pair.ts';
import { Heard, ownOptions, ownPlaces } from '../helpers/workstation.ts';
import { epochRow, facts, newRun, stateOf, stepRow } from '../unit/runs/state.ts';

/** What is asked of runs beside their training: no engine is installed here. */
const places = ownPlaces(false);
const runsFolder = join(places.homeFolder, 'runs');
const heard = new Heard();
let workstation: Workstation;
let client: Client;
let close: () => void;

beforeAll(() => {
  workstation = createWorkstation(ownOptions(places, heard.hear));
  const pair = portPair();
  serve(pair.far, workstation.handlers);
  client = connect(pair.near);
  ({ close } = pair);
});

afterAll(async () => {
  await workstation.close();
  close();
  rmSync(places.root, { recursive: true, force: true });
});

async function trained(folder: string, steps = [10, 20]): Promise<string> {
  const run = newRun(folder);
  for (const step of steps) await saveCheckpoint(run, facts({ step }), stateOf(step));
  const history = openHistory(run);
  history.append([stepRow(10), epochRow(0, 60), stepRow(20), epochRow(1, 55)]);
  history.close();
  return run;
}

const listed = async () => (await client.call('run.list', {})).map(({ id }) => id).sort();
const files = async (run: string) => (await client.call('checkpoint.list', { run })).map(({ file }) => file);

describe('the trash', () => {
  test('takes runs and checkpoints, and gives them back', async () => {
    await trained(join(runsFolder, 'one'));
    await trained(join(runsFolder, 'two'));
    const [first] = await files('one');
    await client.call('checkpoint.delete', { run: 'one', file: first });
    await client.call('run.delete', { run: 'two' });
    expect(await listed()).toEqual(['one']);
    const { items, days } = await client.call('trash.list', {});
    expect(days).toBe(30);
    expect(items.map(({ run, file }) => [run, file === null]).sort()).toEqual([
      ['one', false],
      ['two', true],
    ]);
    expect(items.every(({ bytes, model }) => bytes > 90_000 && model === 'deit_tiny_patch16_224')).toBe(true);
    await client.call('run.restore', { run: 'two' });
    const name = items.find(({ file }) => file !== null)!.file!;
    expect(await client.call('checkpoint.restore', { run: 'one', file: name })).toEqual({ file: first });
    expect(await listed()).toEqual(['one', 'two']);
    expect(await client.call('checkpoint.list', { run: 'one' })).toMatchObject([{ file: first, pinned: true }, {}]);
    expect((await client.call('trash.list', {})).items).toEqual([]);
    expect(heard.events.filter(({ event }) => event === 'runs').length).toBe(4);
  });

  test('is emptied of what was named, and of nothing that came since', async () => {
    const [first, second] = await files('two');
    await client.call('checkpoint.delete', { run: 'two', file: first });
    const { items } = await client.call('trash.list', {});
    await client.call('checkpoint.delete', { run: 'two', file: second });
    expect(await client.call('trash.empty', { items: items.map(({ run, file }) => ({ run, file })) })).toEqual({
      count: 1,
      bytes: items[0].bytes,
    });
    expect((await client.call('trash.list', {})).items).toMatchObject([{ run: 'two' }]);
    await expect(client.call('trash.empty', { items: [{ run: 'two', file: null }] })).rejects.toMatchObject({
      code: 'run.missing',
    });
    expect(await listed()).toEqual(['one', 'two']);
  });

  test('lets go of what has been in it too long', async () => {
    await client.call('run.delete', { run: 'two' });
    const desk = new TrashCalls(new RunStore(runsFolder), () => undefined);
    const day = 86_400_000;
    expect(desk.sweep(Date.now() + (TRASH_DAYS - 1) * day)).toBe(0);
    expect(desk.sweep(Date.now() + (TRASH_DAYS + 1) * day)).toBe(1);
    desk.close();
    expect(existsSync(join(runsFolder, 'two'))).toBe(false);
    expect((await client.call('trash.list', {})).items).toEqual([]);
  });
});

describe('a run', () => {
  test('is noted, pinned and compared', async () => {
    await client.call('run.annotate', { run: 'one', tags: ['a', 'a'], note: 'good' });
    await client.call('run.annotate', { run: 'one', pinned: true });
    const [file] = await files('one');
    await client.call('checkpoint.pin', { run: 'one', file, pinned: false });
    expect((await client.call('run.list', {}))[0]).toMatchObject({
      pinned: true,
      tags: ['a'],
      note: 'good',
      bestAcc1: 60,
    });
    const [{ recipe }] = await client.call('run.recipes', { runs: ['one'] });
    expect(recipe).toMatchObject({ model: 'deit_tiny_patch16_224', epochs: 5 });
    await expect(client.call('run.annotate', { run: 'one', tags: ['x'.repeat(65)] })).rejects.toMatchObject({
      code: 'argument.invalid',
    });
    const { path } = await client.call('history.export', { run: 'one', format: 'csv' });
    expect(readFileSync(path, 'utf8').split('\n').length).toBe(4);
  });

  test('that was copied here is shown without an engine, and nothing is written into it', async () => {
    const copied = join(places.root, 'usb', 'their run');
    mkdirSync(join(places.root, 'usb'));
    cpSync(join(runsFolder, 'one'), copied, { recursive: true });
    const before = readdirSync(copied, { recursive: true }).map(String).sort();
    chmodSync(copied, 0o555);
    const { run } = await client.call('run.open', { path: copied });
    expect(await client.call('run.open', { path: join(copied, 'checkpoints', 'manifest.json') })).toEqual({ run });
    const { summary } = await client.call('run.detail', { run });
    expect(summary).toMatchObject({ path: copied, outside: true, bestAcc1: 60, note: 'good' });
    expect(await files(run)).toEqual(await files('one'));
    expect(readdirSync(copied, { recursive: true }).map(String).sort()).toEqual(before);
    await client.call('run.forget', { run });
    expect(await listed()).toEqual(['one']);
    expect(existsSync(join(copied, 'run.json'))).toBe(true);
    await expect(client.call('run.forget', { run: 'one' })).rejects.toMatchObject({ code: 'run.missing' });
    await expect(client.call('run.open', { path: places.root })).rejects.toMatchObject({ code: 'run.missing' });
    chmodSync(copied, 0o755);
    renameSync(join(copied, 'run.json'), join(copied, 'trashed-1.json'));
    await expect(client.call('run.open', { path: copied })).rejects.toMatchObject({ code: 'run.in-trash' });
  });
});
