import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { EpochRow, HistoryRow, NoteRow, StateRow } from '../../src-main/protocol/events.ts';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import { historyPath, readHistory } from '../../src-main/runs/history.ts';
import { lockOwner, lockRun } from '../../src-main/runs/lock.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { RunControl } from '../../src-main/service/runs/run-control.ts';
import { RunStore } from '../../src-main/service/runs/run-store.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { ForkedService } from '../helpers/forked-service.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { Heard, ownPlaces, tinyRecipe } from '../helpers/workstation.ts';
import { eventuallyTrue } from '../helpers/wait.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
const env = { STILLHOUSE_HOME: places.homeFolder, STILLHOUSE_CACHE: places.cacheFolder };
const services = [new ForkedService(env), new ForkedService(env)];
const clients = services.map((service) => service.window().client);
const heard = clients.map((client) => {
  const ears = new Heard();
  client.onEvent(ears.hear);
  return ears;
});

afterAll(async () => {
  for (const { process } of services) process.kill('SIGKILL');
  await Promise.all(services.map(({ ended }) => ended));
  rmSync(places.root, { recursive: true, force: true });
});

const isEnd = (row: HistoryRow): row is StateRow => row.type === 'state' && row.state === 'stopped';
const states = (path: string) => readHistory(path).flatMap((row) => (row.type === 'state' ? [row.state] : []));

/** Has both services do the same at once. @returns which one could, and what the other was told. */
async function race(act: (client: Client) => Promise<unknown>): Promise<{ winner: number; refused: unknown }> {
  const came = await Promise.allSettled(clients.map(act));
  const winner = came.findIndex(({ status }) => status === 'fulfilled');
  const loser = came[1 - winner];
  if (winner < 0 || loser.status !== 'rejected') throw new Error(`one should have won: ${JSON.stringify(came)}`);
  return { winner, refused: loser.reason };
}

async function stopped(winner: number, run: string): Promise<void> {
  const before = heard[winner].rows(run).length;
  await clients[winner].call('run.stop', { run });
  await heard[winner].until('the end', () => heard[winner].rows(run).slice(before).find(isEnd));
}

describe('two services', () => {
  test('that start a run in one folder at once make one run', async () => {
    const outputDir = join(places.root, 'shared');
    const { winner, refused } = await race((client) =>
      client.call('run.start', { recipe: tinyRecipe(data, { epochs: 4000, outputDir }) }),
    );
    expect(refused).toMatchObject({ code: expect.stringMatching(/^run\.(exists|locked)$/) as string });
    const [{ id }] = await clients[winner].call('run.list', {});
    await heard[winner].row(id, (row): row is EpochRow => row.type === 'epoch');
    await stopped(winner, id);
    expect(states(outputDir)).toEqual(['starting', 'running', 'stopped']);
  });

  test('that resume one run at once leave it to one of them, and the other names it', async () => {
    const outputDir = join(places.root, 'shared');
    const [{ run }] = await Promise.all(clients.map((client) => client.call('run.open', { path: outputDir })));
    for (let round = 1; round <= 2; round++) {
      const { winner, refused } = await race((client) => client.call('run.resume', { run }));
      expect(refused).toMatchObject({
        code: 'run.locked',
        params: { owner: String(services[winner].process.pid), since: expect.stringMatching(/^\d{4}-/) as string },
      });
      const service = services[winner].process.pid;
      await eventuallyTrue(() => (lockOwner(outputDir)?.pid ?? service) !== service);
      await stopped(winner, run);
      expect(states(outputDir).filter((state) => ['failed', 'crashed'].includes(state))).toEqual([]);
      expect(states(outputDir).filter((state) => state === 'starting')).toHaveLength(1 + round);
      expect(lockOwner(outputDir)).toBeNull();
    }
  });
});

test('a trainer that finds its run taken leaves the folder as it is', async () => {
  const ears = new Heard();
  const control = new RunControl({ spawnJob, emit: ears.hear });
  const recipe = parseRecipe(tinyRecipe(data, { epochs: 1 }));
  const shelf = new RunStore(join(places.homeFolder, 'runs'));
  const { id, path } = shelf.create(recipe, ['amber', 'blue', 'clay'], 'test');
  const theirs = lockRun(path);
  const late = { owner: { ...theirs.owner, time: 1 }, release: () => undefined };
  void control.start({ id, path, recipe, resume: 'new', on: { engine: engineFolder() }, lock: late });
  const { note } = await ears.row(id, (row): row is NoteRow => row.type === 'note');
  expect(note).toMatchObject({ code: 'run.locked', params: { owner: String(process.pid) } });
  await control.close();
  expect(() => readFileSync(historyPath(path))).toThrow('ENOENT');
  expect(ears.rows(id).map(({ type }) => type)).toEqual(['note']);
  expect(lockOwner(path)).toEqual(theirs.owner);
  theirs.release();
});
