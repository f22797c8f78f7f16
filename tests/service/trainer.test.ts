import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EpochRow, HistoryRow } from '../../src-main/protocol/events.ts';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints, loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory, readLog } from '../../src-main/runs/history.ts';
import { lockOwner } from '../../src-main/runs/lock.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { spawnTrainer, type Trainer } from '../../src-main/service/trainer-process.ts';
import type { TrainerEvent, TrainerJob } from '../../src-main/service/trainer-protocol.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeDataset } from '../helpers/pictures.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-trainer-'));
const data = join(folder, 'data');
const engine = engineFolder();
let entry: string;

beforeAll(async () => {
  makeDataset(data, { train: 16, val: 6, side: 40 });
  entry = join(await buildPrograms(), 'trainer.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Six steps an epoch of a real DeiT at 32 pixels. */
const recipe = (more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    model: 'deit_tiny_patch16_224',
    dataPath: data,
    inputSize: 32,
    batchSize: 8,
    epochs: 2,
    warmupEpochs: 0,
    lr: 1e-3,
    unscaleLr: true,
    ...more,
  });

interface Watched<Job extends TrainerJob> {
  trainer: Trainer<Job['kind']>;
  events: TrainerEvent[];
  rows: HistoryRow[];
}

function start<Job extends TrainerJob>(
  job: Job,
  onEvent: (event: TrainerEvent) => void = () => undefined,
): Watched<Job> {
  const events: TrainerEvent[] = [];
  const rows: HistoryRow[] = [];
  const trainer = spawnTrainer(job, {
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

describe('a training', () => {
  it('learns, writes history, log and checkpoints, and gives the run back', async () => {
    const job = trainJob('whole');
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
    expect(lockOwner(job.run)).toBeNull();
    expect(events[0]).toEqual({ tell: 'ready' });
  });

  it('goes on after a stop in the middle of an epoch as if nothing had been', async () => {
    const job = trainJob('resumed');
    const { trainer } = start(job, (event) => {
      const stepped = event.tell === 'rows' && event.rows.some((row) => row.type === 'step' && row.step < 6);
      if (stepped) trainer.stop();
    });
    expect(await trainer.done).toEqual({ state: 'stopped' });
    const [stopped] = listCheckpoints(job.run);
    expect(stopped.step).toBeGreaterThan(0);
    expect(stopped.step).toBeLessThan(6);
    expect(await start(trainJob('resumed', {}, 'auto')).trainer.done).toEqual({ state: 'finished' });

    const [one, other] = [await valuesOf('whole'), await valuesOf('resumed')];
    expect([...other.keys()]).toEqual([...one.keys()]);
    for (const [name, values] of one) expect(Buffer.compare(bytes(values), bytes(other.get(name)!)), name).toBe(0);
    const scores = (run: string) =>
      epochs(run).map(({ epoch, step, trainLoss, test }) => ({ epoch, step, trainLoss, test }));
    expect(scores('resumed')).toEqual(scores('whole'));
  });
});

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
