import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sayReason } from '../../../src-main/protocol/reasons.ts';
import {
  amendCheckpoint,
  bestCheckpoint,
  deleteCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  rewindRun,
  saveCheckpoint,
  type StateTensor,
} from '../../../src-main/runs/checkpoint.ts';
import { openCheckpoint } from '../../../src-main/runs/checkpoint-file.ts';
import { openHistory, readHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { checkpointFiles } from '../../../src-main/runs/manifest.ts';
import { pinCheckpoint } from '../../../src-main/runs/run-notes.ts';
import { emptyCheckpoint, trashedCheckpoints } from '../../../src-main/runs/trash.ts';
import { ended, firstLine, startChild } from './child.ts';
import { withLimitedDisk } from './limited-disk.ts';
import { CLASSES, epochRow, facts, newRun, recipe, stateOf, stepRow, temporaryFolder } from './state.ts';

/** Keeps all. */
const ALL = 100_000;
const code = (name: string) => expect.objectContaining({ code: name }) as Error;
const files = (run: string) => readdirSync(join(run, 'checkpoints')).sort();
const steps = (run: string) => listCheckpoints(run).map(({ step }) => step);
const place = (run: string, file: string) => join(run, 'checkpoints', file);

async function save(run: string, step: number, keep = ALL): Promise<string> {
  const given = facts({ step });
  return (await saveCheckpoint(run, { ...given, recipe: recipe({ keepCheckpoints: keep }) }, stateOf(step))).file;
}

async function loadedStep(run: string, file?: string): Promise<{ step: number; notes: string[] }> {
  const { checkpoint, notes } = await loadCheckpoint(run, file);
  const value = checkpoint.tensors.get('model.a')!.toFloat32()[0];
  checkpoint.close();
  expect(value).toBe(checkpoint.position.step);
  return { step: value, notes: notes.map((note) => `${note.code}: ${sayReason(note.params.reason)}`) };
}

/** Changes one byte in the middle of the tensors. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 5000] ^= 1;
  writeFileSync(path, bytes);
}

describe('a checkpoint', () => {
  it('comes back exactly, with all that resuming needs', async () => {
    const run = newRun();
    const values = Float32Array.of(1e-45, -0, 3.4e38, NaN);
    const tensors: StateTensor[] = [
      ['model.head.weight', [2, 2], values],
      ['exp_avg.head.weight', [], () => Float32Array.of(7)],
    ];
    const given = facts({ step: 15, batch: 5 });
    const info = await saveCheckpoint(run, given, tensors);
    expect(info).toMatchObject({ file: 'epoch-0001-step-00000015.safetensors', epoch: 1, step: 15, acc1: null });
    expect(info).toMatchObject({ best: false, last: true, bytes: statSync(place(run, info.file)).size });
    const { checkpoint, notes } = await loadCheckpoint(run);
    expect(notes).toEqual([]);
    expect(checkpoint).toMatchObject({ ...given, info });
    expect([...checkpoint.tensors].map(([name, { shape }]) => [name, shape])).toEqual(
      tensors.map(([name, shape]) => [name, shape]),
    );
    expect(checkpoint.tensors.get('model.head.weight')!.toFloat32()).toEqual(values);
    checkpoint.close();
    checkpoint.close();
  });

  it('that a killed trainer wrote at the start of an epoch has not the score of the epoch before', async () => {
    const run = newRun();
    const history = openHistory(run);
    history.append([epochRow(0, 61)]);
    history.close();
    await saveCheckpoint(run, facts({ step: 10, epoch: 1, batch: 0 }), stateOf(10));
    rmSync(place(run, 'manifest.json'));
    expect(listCheckpoints(run)).toMatchObject([{ epoch: 1, step: 10, acc1: null }]);
  });

  it('of the same step replaces the one before', async () => {
    const run = newRun();
    const file = await save(run, 10);
    await save(run, 10);
    expect(files(run)).toEqual([file, 'manifest.json']);
    expect(await loadedStep(run)).toEqual({ step: 10, notes: [] });
  });

  it('keeps no tensor in memory but the one being written', async () => {
    const run = newRun();
    let alive = 0;
    let most = 0;
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers;
    const registry = new FinalizationRegistry(() => alive--);
    const tensors = Array.from({ length: 40 }, (_, i): StateTensor => {
      const make = () => {
        const values = new Float32Array(1 << 20);
        registry.register(values, null);
        most = Math.max(most, ++alive);
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
        return values;
      };
      return [`model.${i}`, [1 << 20], make];
    });
    await saveCheckpoint(run, facts(), tensors);
    expect(most).toBeGreaterThan(0);
    expect(peak).toBeLessThan(120e6);
  });
});

describe('what is on disk', () => {
  it('is listed by step, with best and last', async () => {
    const run = newRun();
    const names = [await save(run, 10), await save(run, 20), await save(run, 30)];
    for (const [i, acc1] of [70, 70, 60].entries()) amendCheckpoint(run, names[i], epochRow(i, acc1));
    expect(listCheckpoints(run).map(({ step, acc1, best, last }) => [step, acc1, best, last])).toEqual([
      [10, 70, true, false],
      [20, 70, false, false],
      [30, 60, false, true],
    ]);
    expect(bestCheckpoint(run)?.file).toBe(names[0]);
    expect(latestCheckpoint(run)?.file).toBe(names[2]);
  });

  it('counts without its manifest: scores come from the history', async () => {
    const run = newRun();
    const file = await save(run, 10);
    await save(run, 20);
    const history = openHistory(run);
    history.append([epochRow(0, 61), epochRow(1, 62)]);
    history.close();
    amendCheckpoint(run, file, epochRow(0, 61));
    for (const damage of [
      () => rmSync(place(run, 'manifest.json')),
      () => writeFileSync(place(run, 'manifest.json'), '{"checkpoints":[null,{"file":3}]'),
      () => writeFileSync(place(run, 'manifest.json'), '{"checkpoints":[null,{"file":"x"}]}'),
    ]) {
      damage();
      expect(listCheckpoints(run).map(({ step, acc1 }) => [step, acc1])).toEqual([
        [10, 61],
        [20, 62],
      ]);
      expect(await loadedStep(run)).toEqual({ step: 20, notes: [] });
    }
  });

  it('counts when the folder was copied and all times are new', async () => {
    const run = newRun();
    const file = await save(run, 10);
    amendCheckpoint(run, file, epochRow(0, 61));
    utimesSync(place(run, file), 1, 1);
    expect(listCheckpoints(run)).toMatchObject([{ step: 10, acc1: 61 }]);
    flip(place(run, file));
    await expect(loadCheckpoint(run)).rejects.toThrow(code('run.no-checkpoint'));
  });

  it('does not count when it is no whole checkpoint', async () => {
    const run = newRun();
    await save(run, 10);
    const [cut, empty] = [await save(run, 20), await save(run, 30)];
    truncateSync(place(run, cut), statSync(place(run, cut)).size - 1);
    writeFileSync(place(run, empty), '');
    writeFileSync(place(run, 'epoch-0009-step-00000099.safetensors'), 'not a checkpoint');
    writeFileSync(place(run, 'foreign.safetensors'), readFileSync(place(run, 'epoch-0000-step-00000010.safetensors')));
    expect(steps(run)).toEqual([10]);
    expect(latestCheckpoint(run)?.step).toBe(10);
  });

  it('is nothing where there is no folder', () => {
    expect(listCheckpoints('/nowhere')).toEqual([]);
    expect([latestCheckpoint('/nowhere'), bestCheckpoint('/nowhere')]).toEqual([null, null]);
  });
});

describe('loading', () => {
  it('passes over damaged ones with a note each', async () => {
    const run = newRun();
    const names: string[] = [];
    for (const step of [10, 20, 30, 40]) names.push(await save(run, step));
    flip(place(run, names[3]));
    truncateSync(place(run, names[2]), 5000);
    expect(await loadedStep(run)).toEqual({
      step: 20,
      notes: [
        'checkpoint.damaged: its content is not what was saved',
        expect.stringMatching(/^checkpoint.damaged: its arrays need \d+ bytes, the file has \d+/),
      ],
    });
  });

  it('takes the one named, or the one before it', async () => {
    const run = newRun();
    const names = [await save(run, 10), await save(run, 20), await save(run, 30)];
    expect(await loadedStep(run, names[1])).toEqual({ step: 20, notes: [] });
    flip(place(run, names[1]));
    expect((await loadedStep(run, names[1])).step).toBe(10);
  });

  it.each(['epoch-0009-step-00000009.safetensors', '../run.json', '/etc/passwd', ''])('refuses %j', async (file) => {
    const run = newRun();
    await save(run, 10);
    await expect(loadCheckpoint(run, file)).rejects.toThrow(code('file.missing'));
    expect(() => deleteCheckpoint(run, file)).toThrow(code('file.missing'));
  });

  it('says when there is none', async () => {
    await expect(loadCheckpoint(newRun())).rejects.toThrow(code('run.no-checkpoint'));
  });

  it('believes a whole file whose entry is of the one it replaced: a crash came between the two writes', async () => {
    const run = newRun();
    await save(run, 10);
    const stale = readFileSync(place(run, 'manifest.json'));
    await save(run, 10);
    writeFileSync(place(run, 'manifest.json'), stale);
    expect(await loadedStep(run)).toEqual({ step: 10, notes: [] });
  });

  it('opens any checkpoint by its path', async () => {
    const run = newRun();
    const file = await save(run, 10);
    const elsewhere = join(temporaryFolder(), 'mine.safetensors');
    writeFileSync(elsewhere, readFileSync(place(run, file)));
    const checkpoint = openCheckpoint(elsewhere);
    expect(checkpoint).toMatchObject({ recipe: recipe({ keepCheckpoints: ALL }), classes: CLASSES, path: elsewhere });
    checkpoint.close();
    expect(() => openCheckpoint('/nowhere')).toThrow(code('file.missing'));
    expect(() => openCheckpoint(join(run, 'run.json'))).toThrow(code('weights.format'));
  });
});

describe('keeping', () => {
  it('holds the newest, the best, the best average and the pinned, and drops the rest at once', async () => {
    const run = newRun();
    const [acc1, average] = [[10, 90, 30, 40, 50, 60, 70], [10, 20, 80, 40, 50, 60, 70]]; // prettier-ignore
    for (const step of [10, 20, 30, 40, 50, 60, 70]) {
      const file = await save(run, step, 2);
      const epoch = step / 10 - 1;
      const testEma = { loss: 1, acc1: average[epoch], acc5: 99 };
      amendCheckpoint(run, file, { ...epochRow(epoch, acc1[epoch]), testEma });
      if (step === 10) pinCheckpoint(run, file, true);
    }
    expect(steps(run)).toEqual([10, 20, 30, 60, 70]);
    expect(listCheckpoints(run).map((one) => [one.best, one.bestEma, one.last, one.pinned].map(Number).join(''))).toEqual(
      ['0001', '1000', '0100', '0000', '0010'],
    ); // prettier-ignore
    expect(trashedCheckpoints(run)).toEqual([]);
    pinCheckpoint(run, checkpointFiles(run)[0], false);
    await save(run, 80, 1);
    expect(steps(run)).toEqual([20, 30, 80]);
    expect(files(run)).toEqual([...checkpointFiles(run), 'manifest.json']);
  });

  it('knows the scores of a version that kept none of the average', async () => {
    const run = newRun();
    amendCheckpoint(run, await save(run, 10), epochRow(0, 61));
    const manifest = join(run, 'checkpoints/manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/,\s*"acc1Ema": null/, ''));
    expect(readFileSync(manifest, 'utf8')).not.toContain('acc1Ema');
    expect(listCheckpoints(run)).toMatchObject([{ acc1: 61, acc1Ema: null, best: true, bestEma: false }]);
  });

  it('never gives up the newest whole one of a run that trains', async () => {
    const run = newRun();
    const names = [await save(run, 10), await save(run, 20), await save(run, 30)];
    truncateSync(place(run, names[2]), 100);
    const lock = lockRun(run);
    expect(() => deleteCheckpoint(run, names[1])).toThrow(code('run.locked'));
    deleteCheckpoint(run, names[0]);
    deleteCheckpoint(run, names[2]);
    expect(steps(run)).toEqual([20]);
    lock.release();
    deleteCheckpoint(run, names[1]);
    expect(files(run)).toEqual(['manifest.json', 'trash']);
  });
});

it('goes back to an earlier one without losing the later', async () => {
  const run = newRun();
  const names = [await save(run, 10), await save(run, 20), await save(run, 30)];
  const history = openHistory(run);
  history.append([stepRow(10), epochRow(0), stepRow(20), epochRow(1), stepRow(30)]);
  history.close();
  rewindRun(run, names[0], 1);
  expect(steps(run)).toEqual([10]);
  expect(readHistory(run)).toEqual([stepRow(10), epochRow(0)]);
  const trashed = () => trashedCheckpoints(run).map(({ file }) => file);
  expect(trashed().sort()).toEqual(names.slice(1));
  rewindRun(run, names[0], 1);
  expect(trashed().sort()).toEqual(names.slice(1));
});

describe('a save that fails', () => {
  it('for want of space leaves the older checkpoints, and succeeds when there is space again', async () => {
    await withLimitedDisk(380_000, async (disk) => {
      const run = newRun(join(disk, 'run'));
      for (const step of [10, 20, 30]) await save(run, step);
      await expect(save(run, 40)).rejects.toThrow(code('disk.full'));
      expect(steps(run)).toEqual([10, 20, 30]);
      expect(await loadedStep(run)).toEqual({ step: 30, notes: [] });
      expect(files(run).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      deleteCheckpoint(run, 'epoch-0000-step-00000010.safetensors');
      emptyCheckpoint(run, trashedCheckpoints(run)[0].name);
      await save(run, 40);
      expect(steps(run)).toEqual([20, 30, 40]);
    });
  });

  it('for its manifest alone does not fail: the checkpoint is whole', async () => {
    await withLimitedDisk(300_000, async (disk) => {
      const run = newRun(join(disk, 'run'));
      await save(run, 10);
      const { size } = statSync(place(run, latestCheckpoint(run)!.file));
      const { bavail, bsize } = statfsSync(disk);
      const left = Math.ceil(size / bsize);
      writeFileSync(join(disk, 'other'), Buffer.alloc((bavail - left) * bsize));
      await save(run, 20);
      expect(statfsSync(disk).bavail).toBe(0);
      expect(steps(run)).toEqual([10, 20]);
      expect(await loadedStep(run)).toEqual({ step: 20, notes: [] });
    });
  });

  it('because its tensors cannot be read leaves nothing', async () => {
    const run = newRun();
    const gone: StateTensor = [
      'model.b',
      [1],
      () => {
        throw new Error('the engine is gone');
      },
    ];
    await expect(saveCheckpoint(run, facts(), [...stateOf(1), gone])).rejects.toThrow('the engine is gone');
    expect(files(run)).toEqual([]);
  });

  /** Waits until a folder has changed so many times. */
  const changes = (folder: string, count: number): Promise<void> =>
    new Promise((resolve) => {
      const watcher = watch(folder, () => {
        if (--count > 0) return;
        watcher.close();
        resolve();
      });
    });

  it('by SIGKILL at any moment loses none but the one being written', async () => {
    const run = newRun();
    for (let round = 0; round < 8; round++) {
      const before = latestCheckpoint(run)?.step ?? 0;
      const child = await startChild('save', run);
      await firstLine(child);
      await changes(join(run, 'checkpoints'), 1 + 3 * round);
      child.kill('SIGKILL');
      await ended(child);
      const { step, notes } = await loadedStep(run);
      expect(notes).toEqual([]);
      expect(step).toBeGreaterThanOrEqual(2);
      expect(before).toBeGreaterThanOrEqual(0);
      const rows = readHistory(run);
      expect(rows.every((row, i) => row.type === 'step' && (i === 0 || row.step > 0))).toBe(true);
      expect(rows.at(-1)).toMatchObject({ type: 'step' });
    }
    await save(run, 1_000_000);
    expect(files(run).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(existsSync(place(run, 'manifest.json'))).toBe(true);
  });
});
