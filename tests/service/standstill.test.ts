import { appendFileSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EpochRow, HistoryRow, RunState } from '../../src-main/protocol/events.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { JobProcess } from '../../src-main/jobs/job-process.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeDataset } from '../helpers/images.ts';
import { withLimitedDisk } from '../unit/runs/limited-disk.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-standstill-'));
const data = join(folder, 'data');

beforeAll(() => {
  makeDataset(data, { train: 8, val: 2, side: 32 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const recipe = (more: Partial<Recipe>): Recipe =>
  parseRecipe({
    ...{ model: 'test_deit_patch16_32', dataPath: data, inputSize: 32, batchSize: 4, numWorkers: 1, lr: 1e-3 },
    ...{ unscaleLr: true, warmupEpochs: 0, keepCheckpoints: 1, ...WITHOUT_AUGMENTATION, ...more },
  });

/** Starts a training; `react` hears each row with the trainer that told it, `beats` each sign of life. */
function start(
  run: string,
  more: Partial<Recipe>,
  react: (row: HistoryRow, trainer: JobProcess<'train'>) => void,
  beats: (trainer: JobProcess<'train'>) => void = () => undefined,
) {
  const rows: HistoryRow[] = [];
  const job = { kind: 'train', engine: engineFolder(), threads: 2, run, recipe: recipe(more), resume: 'auto' } as const;
  const trainer: JobProcess<'train'> = jobHere(job, {
    onEvent: (event) => {
      if (event.tell === 'alive') beats(trainer);
      if (event.tell !== 'rows') return;
      rows.push(...event.rows);
      for (const row of event.rows) react(row, trainer);
    },
  });
  return { trainer, rows };
}

const states = (rows: HistoryRow[]): RunState[] => rows.flatMap((row) => (row.type === 'state' ? [row.state] : []));
const losses = (rows: HistoryRow[]): number[] =>
  rows.filter((row): row is EpochRow => row.type === 'epoch').map(({ trainLoss }) => trainLoss);

describe('a run that a person pauses', () => {
  it('is saved where it stands, makes no step, and goes on as if nothing had been', async () => {
    const run = join(folder, 'paused');
    const seen = { atPause: 0, rows: 0, after: 0, beats: 0 };
    const react = (row: HistoryRow, trainer: JobProcess<'train'>): void => {
      if (row.type === 'step' && row.step === 1) trainer.pause(true);
      if (row.type !== 'state' || row.state !== 'paused') return;
      seen.atPause = listCheckpoints(run).at(-1)!.step;
      seen.rows = rows.length;
    };
    // It lives, and has had time for many steps.
    const beats = (trainer: JobProcess<'train'>): void => {
      if (seen.rows === 0 || ++seen.beats !== 3) return;
      seen.after = rows.length - seen.rows;
      trainer.pause(false);
    };
    const { trainer, rows } = start(run, { epochs: 3 }, react, beats);
    expect(await trainer.done).toEqual({ state: 'finished' });
    expect(states(rows)).toEqual(['starting', 'running', 'paused', 'running', 'finished']);
    expect(seen.atPause).toBeGreaterThanOrEqual(1);
    expect(seen.beats).toBeGreaterThanOrEqual(3);
    expect(seen.after).toBe(0);
    const { trainer: plain, rows: whole } = start(join(folder, 'unpaused'), { epochs: 3 }, () => undefined);
    await plain.done;
    expect(losses(rows)).toEqual(losses(whole));
    expect(readHistory(run)).toEqual(rows);
  });

  it('stops at once, without being saved twice', async () => {
    const { trainer, rows } = start(join(folder, 'stopped'), { epochs: 5000, saveEvery: 5000 }, (row, trainer) => {
      if (row.type === 'step' && row.step === 1) trainer.pause(true);
      if (row.type === 'state' && row.state === 'paused') trainer.stop();
    });
    expect(await trainer.done).toEqual({ state: 'stopped' });
    expect(rows.filter(({ type }) => type === 'checkpoint')).toHaveLength(1);
  });
});

it('saves within an epoch when its last checkpoint is old', async () => {
  const { trainer, rows } = start(join(folder, 'often'), { epochs: 2, saveMinutes: 1e-5 }, () => undefined);
  await trainer.done;
  const saved = rows.flatMap((row) => (row.type === 'checkpoint' ? [row.step] : []));
  expect(saved.some((step) => step % 6 !== 0)).toBe(true);
});

/** Fills a disk up to its last block. */
function fill(disk: string): void {
  const { bavail, bsize } = statfsSync(disk);
  try {
    appendFileSync(join(disk, 'filling'), Buffer.alloc(bavail * bsize));
  } catch (error) {
    // The run has written since: it is full all the same.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** Room for some checkpoints of half a megabyte; in the larger one also for the reserve and what stays free beside it. */
const [SMALL_DISK, DISK] = [8e6, 20e6];

describe('a disk that is full', () => {
  it('pauses the run, which says so, stays whole, and goes on when there is space', async () => {
    await withLimitedDisk(SMALL_DISK, async (disk) => {
      const run = join(disk, 'run');
      let reason = '';
      const { trainer, rows } = start(run, { epochs: 60 }, (row) => {
        if (row.type === 'epoch' && row.epoch === 0) fill(disk);
        if (row.type !== 'state' || row.state !== 'paused') return;
        reason = row.error!.code;
        const temporary = listCheckpoints(run).length;
        expect(temporary).toBeGreaterThan(0);
        rmSync(join(disk, 'filling'));
        trainer.pause(false);
      });
      expect(await trainer.done).toEqual({ state: 'finished' });
      expect(reason).toBe('disk.full');
      expect(states(rows)).toContain('paused');
      expect(losses(rows)).toHaveLength(60);
      expect(readHistory(run)).toEqual(rows);
    });
  });

  it('does not keep a run from being saved where it stands: there is a reserve for that', async () => {
    await withLimitedDisk(DISK, async (disk) => {
      const run = join(disk, 'run');
      const reserved = () => readdirSync(join(run, 'checkpoints')).filter((name) => name.startsWith('.reserve'));
      const seen: string[][] = [];
      const { trainer, rows } = start(run, { epochs: 5000, saveEvery: 5000 }, (row, trainer) => {
        if (row.type !== 'step' || seen.length > 0) return;
        seen.push(reserved());
        fill(disk);
        trainer.stop();
      });
      expect(await trainer.done).toEqual({ state: 'stopped' });
      expect(seen.map(({ length }) => length)).toEqual([1]);
      expect(listCheckpoints(run)).toHaveLength(1);
      expect(states(rows)).toEqual(['starting', 'running', 'stopped']);
      expect(rows.filter(({ type }) => type === 'note')).toEqual([]);
      expect(readHistory(run)).toEqual(rows);
      expect(reserved()).toEqual([]);
    });
  });

  it('does not keep a person from stopping the run', async () => {
    await withLimitedDisk(SMALL_DISK, async (disk) => {
      const run = join(disk, 'run');
      const { trainer, rows } = start(run, { epochs: 5000, saveMinutes: 1e-5 }, (row, trainer) => {
        if (row.type === 'checkpoint' && row.step < 12) fill(disk);
        if (row.type === 'state' && row.state === 'paused') trainer.stop();
      });
      expect(await trainer.done).toEqual({ state: 'stopped' });
      expect(states(rows).at(-1)).toBe('stopped');
      expect(listCheckpoints(run).length).toBeGreaterThan(0);
    });
  });
});
