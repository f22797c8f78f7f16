import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StillhouseError } from '../../src-main/protocol/errors.ts';
import { parseRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { lighterSettings, tellsOfMemory } from '../../src-main/jobs/out-of-memory.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeDataset } from '../helpers/images.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { partSize } from '../../src-main/train/parts.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-memory-'));
const group = ownGroup();
let entry: string;

beforeAll(async () => {
  // Code that is made in a moment and runs slower.
  process.env.XLA_FLAGS = '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true';
  makeDataset(join(folder, 'data'), { train: 8, val: 2, side: 32 });
  entry = join(await buildPrograms(), 'job.process.mjs');
});
afterAll(() => {
  delete process.env.XLA_FLAGS;
  rmSync(folder, { recursive: true, force: true });
  if (group && existsSync(group.path)) rmdirSync(group.path);
});

const recipe = parseRecipe({
  ...{ model: 'deit_tiny_patch16_224', dataPath: join(folder, 'data'), inputSize: 32, batchSize: 8, numWorkers: 2 },
  ...{ epochs: 400, warmupEpochs: 0, lr: 1e-3, unscaleLr: true, ...WITHOUT_AUGMENTATION },
});

/** A control group whose memory this test may limit; null without root or where the system is set up in another way. */
function ownGroup(): { path: string; limit: string } | null {
  const name = `stillhouse-${process.pid}`;
  for (const [parent, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ]) {
    const path = join(parent, name);
    try {
      mkdirSync(path);
      if (existsSync(join(path, limit))) return { path, limit };
      rmdirSync(path);
    } catch {
      continue;
    }
  }
  return null;
}

describe('a training whose system has no more memory', () => {
  it.skipIf(!group)('is ended by the kernel, and says so with what to change', async () => {
    const node = join(folder, 'limited-node');
    writeFileSync(node, `#!/bin/sh\necho $$ > ${group!.path}/cgroup.procs\nexec ${process.execPath} "$@"\n`);
    chmodSync(node, 0o755);
    // More than the engine needs, and less than the activations of the whole batch at once.
    writeFileSync(join(group!.path, group!.limit), String(600 << 20));
    const run = join(folder, 'run');
    const greedy = { ...recipe, inputSize: 224, batchSize: 24, microBatch: 24 };
    const job = { kind: 'train', engine: engineFolder(), threads: 2, run, recipe: greedy, resume: 'new' } as const;
    const { done } = spawnJob(job, { entry, node });
    await expect(done).rejects.toMatchObject({
      code: 'run.out-of-memory',
      message: expect.stringContaining('the system ended it'),
      params: {
        settings: '--micro-batch 12 --recompute --num-workers 1, or --batch-size 12',
      },
    });
  });
});

describe('a training whose accelerator has no more memory', () => {
  // What attention between 4,097 tokens takes is one piece of memory for XLA, of 9 GB here: more than the process may have.
  const greedy = { ...recipe, model: 'test_deit_narrow_patch16_48', inputSize: 1024, batchSize: 16, epochs: 1 };
  const gpu = { plugin: 'pjrt-cpu' as const, folder: engineFolder('pjrt-cpu'), devices: [0] };

  it('ends alone, and says which batch fits', async () => {
    const node = join(folder, 'bounded-node');
    // Of memory that it may write to; what is only reserved does not count.
    writeFileSync(node, `#!/bin/sh\nulimit -d ${6 * 2 ** 20}\nexec ${process.execPath} "$@"\n`);
    chmodSync(node, 0o755);
    const run = join(folder, 'on-plugin');
    const place = { engine: engineFolder(), threads: 2, gpu: { ...gpu }, run };
    const { done } = spawnJob({ kind: 'train', ...place, recipe: greedy, resume: 'new' }, { entry, node });
    const error = await done.then(() => null, (thrown: unknown) => thrown as StillhouseError); // prettier-ignore
    expect(error).toMatchObject({ code: 'run.out-of-memory', params: { reason: { code: 'device.memory-says' } } });
    expect(error?.message).toContain('RESOURCE_EXHAUSTED');
    const [, batch] = /^--batch-size (\d+)$/.exec(error?.params.settings as string) ?? [];
    expect(Number(batch)).toBeGreaterThan(0);
    expect(Number(batch)).toBeLessThan(greedy.batchSize);
    // Whoever started it goes on, and so does the plugin.
    const verify = { kind: 'verify-engine', engine: gpu.folder, plugin: gpu.plugin } as const;
    await expect(spawnJob(verify, { entry }).done).resolves.toMatchObject({ sight: { gpus: 1 } });
  });
});

it('is known by what TensorFlow, C++ and V8 say', () => {
  for (const text of [
    'TensorFlow refused train step: OOM when allocating tensor with shape[8,3,32,32] (RESOURCE_EXHAUSTED)',
    "terminate called after throwing an instance of 'std::bad_alloc'",
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    'Array buffer allocation failed',
  ])
    expect(tellsOfMemory(text), text).toBe(true);
  expect(tellsOfMemory('the disk is full')).toBe(false);
});

describe('what to change', () => {
  it('asks for smaller parts than the program takes by itself', () => {
    const base = { ...recipe, model: 'deit_base_patch16_224', inputSize: 224, batchSize: 64, microBatch: 0 };
    const own = partSize(createModel(base.model, { classes: 9, inputSize: 224 }), 64, availableParallelism(), 0);
    expect(lighterSettings(base)).toContain(`--micro-batch ${own / 2} `);
  });

  it('goes on from what the recipe has', () => {
    expect(lighterSettings({ ...recipe, batchSize: 64, microBatch: 32, recompute: true, numWorkers: 1 })).toBe(
      '--micro-batch 16, or --batch-size 32',
    );
    expect(lighterSettings({ ...recipe, batchSize: 2, microBatch: 2, recompute: true, numWorkers: 1 })).toBe(
      '--input-size 128',
    );
  });
});
