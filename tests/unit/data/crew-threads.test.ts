import { existsSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { threadWorkers } from '../../../src-main/data/batches/worker-threads.ts';
import type { DecodeWorkers } from '../../../src-main/data/batches/workers.ts';
import { listDataset, type Dataset } from '../../../src-main/data/layout/folder.ts';
import { createLoader, type Batch, type LoaderRecipe } from '../../../src-main/data/batches/loader.ts';
import type { SkippedImage } from '../../../src-main/data/batches/image-cache.ts';
import { engineFolder } from '../../../src-main/runs/places.ts';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { encodeJpeg } from '../../../src-main/runtime/images.ts';
import { buildPrograms } from '../../helpers/build.ts';
import { testEngine } from '../../helpers/engine.ts';
import { reason, sayReason } from '../../../src-main/protocol/reasons.ts';
import { eventually } from '../../helpers/wait.ts';

/** The loader with the threads and the decoder that a training has, on disks that fail. */
const recipe: LoaderRecipe = {
  ...{ batchSize: 8, inputSize: 48, scaleMin: 0.08, hflip: 0.5, evalCropRatio: 0.875, seed: 3, numWorkers: 2 },
  ...{ aa: 'rand-m9-mstd0.5-inc1', reprob: 0.25, mixup: 0.8, cutmix: 1 },
};
let root: string;
let engine: Engine;
let script: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse-crew-'));
  engine = await testEngine();
  script = join(await buildPrograms(), 'decode.worker.mjs');
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function makeDataset(name: string, train: number, val: number): Promise<Dataset> {
  for (const [split, count] of Object.entries({ train, val }))
    for (let number = 0; number < count; number++) {
      const folder = join(root, name, split, ['left', 'right'][number % 2]);
      await mkdir(folder, { recursive: true });
      const [width, height] = [90 + (number % 7), 60 + (number % 5)];
      const data = Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * (1 + number) + (at >> 8)) % 256);
      const file = await encodeJpeg(
        engine.tensorflow,
        { width, height, data },
        { quality: 80, fullColour: number % 3 === 0 },
      );
      await writeFile(join(folder, `${number}.jpg`), file);
    }
  return listDataset(join(root, name));
}

function workersOf(changes: Partial<LoaderRecipe> = {}, fileTimeout?: number, runs = script): DecodeWorkers {
  const data = { folder: engineFolder(), context: engine.tensorflow.context };
  const own = { ...recipe, ...changes };
  return threadWorkers({ threads: own.numWorkers, script: runs, data, recipe: own, fileTimeout });
}

function loaderOf(dataset: Dataset, changes: Partial<LoaderRecipe> = {}, cacheBytes = 2 ** 20) {
  const skipped: SkippedImage[] = [];
  const own = { ...recipe, ...changes };
  const loader = createLoader({
    ...{ dataset, recipe: own, noiseRows: 2, workers: workersOf(changes), cacheBytes },
    onSkip: (skip) => skipped.push(skip),
  });
  return { loader, skipped };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe('the images of a run', () => {
  it.each([false, true])(
    'are the same for 1, 2 and 4 threads, and from any batch on (repeats: %s)',
    async (repeatedAug) => {
      const dataset = await makeDataset(`same-${repeatedAug}`, 20, 3);
      const run = async (numWorkers: number, from = 0): Promise<Batch[]> => {
        const { loader, skipped } = loaderOf(dataset, { numWorkers, repeatedAug, batchSize: 4 });
        // An epoch before fills the memory of images with another choice than starting in the middle.
        if (numWorkers === 2) await collect(loader.trainBatches(0));
        const batches = [...(await collect(loader.trainBatches(3, from))), ...(await collect(loader.evalBatches()))];
        expect(skipped).toEqual([]);
        await loader.close();
        return batches;
      };
      const expected = await run(1);
      expect(expected.length).toBeGreaterThan(5);
      expect(await run(2)).toEqual(expected);
      expect(await run(4)).toEqual(expected);
      expect(await run(4, 2)).toEqual(expected.slice(2));
    },
  );
});

describe('a disk that fails in the middle of an epoch', () => {
  it('costs the files that are gone, cut short, forbidden or no files, each told of once', async () => {
    const dataset = await makeDataset('faults', 32, 2);
    const paths = dataset.train.map(({ file }) => join(dataset.path, file));
    const { loader, skipped } = loaderOf(dataset, {}, 0);
    // What is replaced is so before it is read or in one go, or it might be missed in between.
    await rm(paths[4]).then(() => mkdir(paths[4]));
    execFileSync('mkfifo', [`${paths[5]}.fifo`]);
    const batches = loader.trainBatches(0);
    const first = (await batches.next()).value as Batch;
    await rm(paths[1]);
    await truncate(paths[2], 300);
    await truncate(paths[3], 0);
    await rename(`${paths[5]}.fifo`, paths[5]);
    const forbidden = process.getuid?.() !== 0;
    if (forbidden) await chmod(paths[6], 0);
    const rest = [first, ...(await collect(batches)), ...(await collect(loader.trainBatches(1)))];
    expect(rest).toHaveLength(8);
    for (const { files, labels } of rest)
      expect(files.map((file) => Number(file.includes('right')))).toEqual([...labels]);
    const reasons = new Map(skipped.map(({ file, reason }) => [file, sayReason(reason)]));
    expect(reasons.size).toBe(skipped.length);
    expect(reasons.get(dataset.train[1].file)).toBe('the file is gone');
    expect(reasons.get(dataset.train[2].file)).toMatch(/Invalid JPEG|header is damaged/);
    expect(reasons.get(dataset.train[3].file)).toBe('the file is empty');
    expect(reasons.get(dataset.train[4].file)).toBe('it is not a file');
    expect(reasons.get(dataset.train[5].file)).toBe('it is not a file');
    if (forbidden) expect(reasons.get(dataset.train[6].file)).toBe('permission denied');
    await loader.close();
  });

  it('ends the run with a word when the folder is gone', async () => {
    const dataset = await makeDataset('vanishing', 40, 2);
    const { loader } = loaderOf(dataset);
    await loader.trainBatches(0).next();
    await rename(dataset.path, `${dataset.path}-moved`);
    // Those that were kept in memory are still there, the others are not.
    await expect(collect(loader.trainBatches(1))).rejects.toMatchObject({
      code: 'data.vanished',
      params: { path: dataset.path },
    });
    await loader.close();
  });
});

describe('a read that does not return', () => {
  it('is given up with its thread; the others and the rest of its task go on', async () => {
    const dataset = await makeDataset('hangs', 16, 2);
    // In these threads, and nowhere else, opening files of that name takes until the test lets it.
    const slow = join(root, 'slow.mjs');
    const [release, left] = [join(root, 'release'), join(root, 'left')];
    await writeFile(
      slow,
      `import fs from 'node:fs';
       import { syncBuiltinESMExports } from 'node:module';
       const open = fs.openSync;
       const turn = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
       const wait = () => { while (!fs.existsSync(${JSON.stringify(release)})) turn(); };
       fs.openSync = (path, ...rest) => (String(path).endsWith('/4.jpg') && wait(), open(path, ...rest));
       syncBuiltinESMExports();
       process.once('exit', () => fs.existsSync(${JSON.stringify(release)}) && fs.writeFileSync(${JSON.stringify(left)}, ''));
       await import(${JSON.stringify(pathToFileURL(script).href)});`,
    );
    const workers = workersOf({ numWorkers: 1 }, 300, slow);
    const orders = dataset.train.slice(0, 6).map(({ file }, row) => ({
      ...{ place: { path: join(dataset.path, file), offset: 0, size: null }, row, pixels: null, keep: false },
      draw: { epoch: 0, place: row },
    }));
    const hanging = orders.findIndex(({ place }) => place.path.endsWith('/4.jpg'));
    await rm(orders[hanging - 1].place.path);
    const rowBytes = 48 * 48 * 3;
    const images = new Uint8Array(new SharedArrayBuffer(6 * rowBytes)).fill(9);
    const { failed } = await workers.make({ images, rowBytes, orders });
    expect(failed).toEqual([
      { order: hanging - 1, reason: reason('os.gone'), disk: true },
      { order: hanging, reason: reason('os.silent', { seconds: 0.3 }), disk: true },
    ]);
    const rowsLeft = (): number[] =>
      orders
        .map(({ row }) => row)
        .filter((row) => images.subarray(row * rowBytes, (row + 1) * rowBytes).every((v) => v === 9));
    expect(rowsLeft()).toEqual([hanging - 1, hanging]);
    // The thread that was given up wakes, and leaves the batch alone.
    await writeFile(release, '');
    await eventually(() => expect(existsSync(left)).toBe(true));
    expect(rowsLeft()).toEqual([hanging - 1, hanging]);
    await workers.close();
  });

  it('is not what a dead thread looks like: that ends the run', async () => {
    const dataset = await makeDataset('dies', 8, 0);
    const dying = join(root, 'dying.mjs');
    await writeFile(
      dying,
      `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(7));`,
    );
    const workers = workersOf({ numWorkers: 2 }, 5000, dying);
    const loader = createLoader({
      dataset,
      recipe: { ...recipe, batchSize: 2 },
      noiseRows: 0,
      workers,
      onSkip: () => undefined,
    });
    await expect(loader.trainBatches(0).next()).rejects.toThrow('ended with code 7');
    await loader.close();
  });
});
