import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { EpochRow } from '../../src-main/protocol/events.ts';
import { listCheckpoints, loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { checkpointsFolder, openRun } from '../../src-main/runs/run-folder.ts';
import { buildPrograms } from '../helpers/build.ts';
import { relativeError } from '../helpers/engine.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-accelerator-'));
const data = join(folder, 'data');
let entry: string;

beforeAll(async () => {
  // Code that is made in a moment and runs slower.
  process.env.XLA_FLAGS = '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true';
  makeTinyData(data);
  entry = join(await buildPrograms(), 'job.process.mjs');
});
afterAll(() => {
  delete process.env.XLA_FLAGS;
  rmSync(folder, { recursive: true, force: true });
});

/** Six steps an epoch. */
const RECIPE: Recipe = parseRecipe({
  ...{ model: 'test_deit_distilled_patch16_32', dataPath: data, inputSize: 32, batchSize: 8, epochs: 2 },
  ...{
    warmupEpochs: 0,
    lr: 1e-3,
    sched: 'step',
    decayEpochs: 9,
    unscaleLr: true,
    numWorkers: 1,
    modelEma: true,
    precision: 'float32',
  },
  ...WITHOUT_AUGMENTATION,
});

const GPU = { cpu: null, pjrt: { plugin: 'pjrt-cpu', folder: engineFolder('pjrt-cpu'), devices: [0] } } as const;

async function train(engine: keyof typeof GPU, name: string, resume = 'new') {
  const run = join(folder, name);
  const place = { engine: engineFolder(), threads: 2, gpu: GPU[engine] && { ...GPU[engine], devices: [0] }, run };
  const { done } = spawnJob({ kind: 'train', ...place, recipe: RECIPE, resume }, { entry });
  expect(await done).toEqual({ state: 'finished' });
  const epochs = readHistory(run).filter((row): row is EpochRow => row.type === 'epoch');
  return {
    engine: openRun(run).engine,
    /** The mean of all steps of each epoch. */
    losses: epochs.map(({ trainLoss }) => trainLoss),
    tests: epochs.map(({ test }) => test),
    state: await valuesOf(run),
  };
}

/** Every number of a run's last checkpoint, by tensor. */
async function valuesOf(run: string): Promise<Map<string, Float32Array>> {
  const { checkpoint } = await loadCheckpoint(run);
  const values = new Map([...checkpoint.tensors].map(([name, tensor]) => [name, tensor.toFloat32()]));
  checkpoint.close();
  return values;
}

/** The same run from its start on one engine. */
const whole = { pjrt: once(() => train('pjrt', 'pjrt')), cpu: once(() => train('cpu', 'cpu')) };

function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let done: Promise<Result> | undefined;
  return () => (done ??= work());
}

/** What `to` makes of the first epoch of `from`. */
async function goOn(from: keyof typeof GPU, to: keyof typeof GPU) {
  await whole[from]();
  const name = `${from}-then-${to}`;
  cpSync(join(folder, from), join(folder, name), { recursive: true });
  const [first] = listCheckpoints(join(folder, name));
  expect(first.epoch).toBe(0);
  return train(to, name, join(checkpointsFolder(join(folder, name)), first.file));
}

describe('a run on a plugin', () => {
  it('learns what TensorFlow does', async () => {
    const [own, other] = [await whole.pjrt(), await whole.cpu()];
    expect(own.engine).toMatch(/^PJRT .* pjrt-cpu$/);
    expect(relativeError(own.losses, other.losses)).toBeLessThan(1e-5);
    expect(own.tests.map(({ acc1 }) => acc1)).toEqual(other.tests.map(({ acc1 }) => acc1));
    expect([...own.state.keys()]).toEqual([...other.state.keys()]);
    const losses = [own, other].map(({ tests }) => tests.map(({ loss }) => loss));
    expect(relativeError(losses[0], losses[1])).toBeLessThan(1e-4);
  });

  it('goes on bit for bit', async () => {
    const [all, parts] = [await whole.pjrt(), await goOn('pjrt', 'pjrt')];
    expect(parts.losses).toEqual(all.losses);
    expect(parts.state.size).toBe(all.state.size);
    for (const [name, values] of all.state) expect(parts.state.get(name), name).toEqual(values);
  });

  it('is forecast by what the compiler says, with the largest batch that fits', async () => {
    await whole.pjrt();
    const { classes } = openRun(join(folder, 'pjrt'));
    const place = { engine: engineFolder(), threads: 2, gpu: { ...GPU.pjrt, devices: [0] } };
    const { done } = spawnJob({ kind: 'forecast', ...place, recipe: RECIPE, classes }, { entry });
    const { device, total, process: own, parameters, optimizer, activations } = await done;
    expect(total).toBe(own);
    expect(device).toMatchObject({ name: 'cpu', limit: totalmem() });
    expect(activations).toBeGreaterThan(0);
    const images = 2 * RECIPE.batchSize * 3 * RECIPE.inputSize ** 2;
    expect(device!.total).toBe(parameters + optimizer + activations + images);
    expect(device!.batch! % 2).toBe(0);
    expect(device!.batch!).toBeGreaterThan(RECIPE.batchSize);
  });

  it.each([
    ['pjrt', 'cpu'],
    ['cpu', 'pjrt'],
  ] as const)('begun on %s goes on on %s', async (from, to) => {
    const [all, moved] = [await whole[to](), await goOn(from, to)];
    expect([...moved.state.keys()]).toEqual([...all.state.keys()]);
    expect(relativeError(moved.losses, all.losses)).toBeLessThan(1e-5);
    const params = { before: (await whole[from]()).engine, now: all.engine };
    const rows = readHistory(join(folder, `${from}-then-${to}`));
    const notes = rows.flatMap((row) => (row.type === 'note' ? row.note : []));
    expect(notes).toContainEqual(expect.objectContaining({ code: 'run.engine-now', params }));
    expect(moved.engine).toBe(all.engine);
  });
});
