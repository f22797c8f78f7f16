import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPictures } from '../../../src-main/data/check.ts';
import type { Decode } from '../../../src-main/data/decode.ts';
import { listDataset, type Dataset } from '../../../src-main/data/folder.ts';
import { createLoader, type Batch, type LoaderOptions, type SkippedPicture } from '../../../src-main/data/loader.ts';
import { encodePng } from '../../../src-main/data/png.ts';
import { ownDecode } from '../../helpers/own-decode.ts';

const SIDE = 16;
const recipe = {
  batchSize: 8,
  inputSize: 40,
  scaleMin: 0.08,
  hflip: 0.5,
  evalCropRatio: 0.875,
  seed: 3,
  numWorkers: 2,
};
let root: string;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'stillhouse-loader-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

/** A data set of small pictures, each of one colour gradient of its own. */
async function makeDataset(name: string, train: number, val: number): Promise<Dataset> {
  for (const [split, count] of Object.entries({ train, val }))
    for (let number = 0; number < count; number++) {
      const folder = join(root, name, split, ['left', 'right'][number % 2]);
      await mkdir(folder, { recursive: true });
      const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) => (at * 3 + number * 7) % 256);
      await writeFile(join(folder, `${number}.png`), encodePng({ width: SIDE, height: SIDE, data }));
    }
  return listDataset(join(root, name));
}

function loaderOf(dataset: Dataset, changes: Partial<LoaderOptions> = {}) {
  const skipped: SkippedPicture[] = [];
  const options = {
    dataset,
    recipe,
    decode: ownDecode,
    noiseRows: 0,
    onSkip: (skip: SkippedPicture) => skipped.push(skip),
  };
  return { loader: createLoader({ ...options, ...changes }), skipped };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe('trainBatches', () => {
  it('gives the same bytes for 1, 2 and 4 decoders, whatever finishes first, and from any batch on', async () => {
    const dataset = await makeDataset('same', 30, 2);
    const uneven: Decode = async (bytes, order) => {
      await new Promise((resolve) => setTimeout(resolve, bytes[40] % 7));
      return ownDecode(bytes, order);
    };
    const run = (numWorkers: number, decode: Decode, from: number): Promise<Batch[]> =>
      collect(
        loaderOf(dataset, { recipe: { ...recipe, numWorkers }, decode, noiseRows: 3 }).loader.trainBatches(5, from),
      );
    const expected = await run(1, ownDecode, 0);
    expect(expected).toHaveLength(3);
    expect(expected[0].images).toHaveLength(8 * 40 * 40 * 3);
    expect(expected[0].noise).toHaveLength(3 * 8);
    expect(expected[0].noise!.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(expected.flatMap(({ noise }) => [...noise!])).size).toBe(72);
    for (const workers of [1, 2, 4]) expect(await run(workers, uneven, 0)).toEqual(expected);
    expect(await run(4, uneven, 2)).toEqual(expected.slice(2));
  });

  it('draws every augmentation from seed, epoch and place alone', async () => {
    const dataset = await makeDataset('augmented', 36, 2);
    const full = {
      ...recipe,
      ...({ aa: 'rand-m9-mstd0.5-inc1', trainInterpolation: 'random', repeatedAug: true } as const),
      ...({
        reprob: 0.5,
        recount: 2,
        mixup: 0.8,
        cutmix: 1,
        mixupProb: 1,
        mixupSwitchProb: 0.5,
        mixupMode: 'elem',
      } as const),
    };
    const run = (changes: object, from = 0): Promise<Batch[]> =>
      collect(loaderOf(dataset, { recipe: { ...full, ...changes } }).loader.trainBatches(2, from));
    const expected = await run({ numWorkers: 1 });
    expect(await run({ numWorkers: 4 })).toEqual(expected);
    expect(await run({ numWorkers: 2 }, 1)).toEqual(expected.slice(1));
    expect(await run({ seed: 4 })).not.toEqual(expected);
    const [{ files, mix, erase }] = expected as [Batch];
    expect(files[0]).toBe(files[2]);
    expect(new Set(files).size).toBe(3);
    expect(mix).toHaveLength(8);
    expect(mix!.some(({ box }) => box !== null)).toBe(true);
    expect(erase!.some((boxes) => boxes.length > 0)).toBe(true);
    expect(() => loaderOf(dataset, { recipe: { ...full, batchSize: 7 } })).toThrowError(
      expect.objectContaining({ code: 'recipe.odd-batch', params: { batch: 7 } }),
    );
    expect(() => loaderOf(dataset, { recipe: { ...recipe, aa: 'rand-q3' } })).toThrowError(
      expect.objectContaining({ code: 'recipe.invalid' }),
    );
  });

  it('trains on pictures of one row, one column or one pixel', async () => {
    const dataset = await makeDataset('thin', 8, 2);
    const shapes = [
      [1, 1],
      [200, 1],
      [1, 200],
      [3, 2],
    ];
    for (const [index, { file }] of dataset.train.entries()) {
      const [width, height] = shapes[index % 4] as [number, number];
      const data = new Uint8Array(width * height * 3).fill(90);
      await writeFile(join(dataset.path, file), encodePng({ width, height, data }));
    }
    for (const inputSize of [32, 40]) {
      const { loader, skipped } = loaderOf(dataset, { recipe: { ...recipe, inputSize, batchSize: 4 } });
      const [batch] = await collect(loader.trainBatches(0));
      expect(skipped).toEqual([]);
      expect(Math.max(...batch.images)).toBe(90);
    }
  });

  it('shows each picture at most once an epoch, with its label, otherwise each epoch', async () => {
    const dataset = await makeDataset('labels', 24, 0);
    const { loader } = loaderOf(dataset);
    expect(loader).toMatchObject({ stepsPerEpoch: Math.floor(loader.train / 8), train: 22 });
    const [first, second] = [await collect(loader.trainBatches(0)), await collect(loader.trainBatches(1))];
    const files = first.flatMap((batch) => batch.files);
    expect(new Set(files).size).toBe(16);
    const labels = first.flatMap((batch) => [...batch.labels]);
    expect(labels).toEqual(files.map((file) => Number(file.includes('right'))));
    expect(second.flatMap((batch) => batch.files)).not.toEqual(files);
  });

  it('replaces a file that fails, tells of it once and keeps the rest of the epoch', async () => {
    const dataset = await makeDataset('broken', 16, 2);
    await writeFile(join(dataset.path, dataset.train[3].file), 'not a picture');
    await rm(join(dataset.path, dataset.train[5].file));
    const { loader, skipped } = loaderOf(dataset);
    const epochs = [await collect(loader.trainBatches(0)), await collect(loader.trainBatches(1))];
    expect(skipped.sort((a, b) => (a.file < b.file ? -1 : 1))).toEqual([
      { file: dataset.train[3].file, reason: 'it is not a picture, or its header is damaged' },
      { file: dataset.train[5].file, reason: 'the file is gone' },
    ]);
    for (const batches of epochs) {
      const files = batches.flatMap((batch) => batch.files);
      expect(files).toHaveLength(16);
      expect(files).not.toContain(dataset.train[3].file);
    }
    const whole = loaderOf(dataset, { excluded: new Set(skipped.map(({ file }) => file)) });
    expect(whole.loader).toMatchObject({ train: 14, stepsPerEpoch: 1 });
    await collect(whole.loader.trainBatches(0));
    expect(whole.skipped).toEqual([]);
  });

  it('gives up on a disk that does not answer, and goes on', async () => {
    const dataset = await makeDataset('slow', 16, 2);
    const slow = join(dataset.path, dataset.train[4].file);
    await rm(slow);
    // Opening a named pipe waits until somebody writes to it.
    execFileSync('mkfifo', [slow]);
    const { loader, skipped } = loaderOf(dataset, { fileTimeout: 100 });
    expect(await collect(loader.trainBatches(0))).toHaveLength(2);
    expect(skipped).toEqual([{ file: dataset.train[4].file, reason: 'the disk did not answer within 0.1 s' }]);
    await (await open(slow, 'w')).close();
  });

  it('says that the folder has vanished', async () => {
    const dataset = await makeDataset('vanishing', 32, 2);
    const { loader } = loaderOf(dataset);
    const batches = loader.trainBatches(0);
    await batches.next();
    await rename(dataset.path, `${dataset.path}-moved`);
    const rest = collect(loader.trainBatches(1));
    await expect(rest).rejects.toMatchObject({ code: 'data.vanished', params: { path: dataset.path } });
  });

  it('keeps few batches in memory and stops decoding when the iteration ends', async () => {
    const dataset = await makeDataset('bounded', 80, 0);
    let decoded = 0;
    const counting: Decode = (bytes, order) => (decoded++, ownDecode(bytes, order));
    const { loader } = loaderOf(dataset, { decode: counting });
    const batches = loader.trainBatches(0);
    await batches.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(decoded).toBe(24);
    await batches.return(undefined);
    await loader.idle();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(decoded).toBe(24);
  });

  it('refuses a data set smaller than a batch', async () => {
    const dataset = await makeDataset('few', 7, 1);
    expect(() => loaderOf(dataset)).toThrowError(expect.objectContaining({ code: 'data.too-few' }));
  });
});

describe('evalBatches', () => {
  it('shows every val picture once in order, the last batch shorter, failed ones left out', async () => {
    const dataset = await makeDataset('val', 8, 20);
    await writeFile(join(dataset.path, dataset.val[1].file), '');
    const { loader, skipped } = loaderOf(dataset);
    const batches = await collect(loader.evalBatches());
    expect(batches.map(({ labels }) => labels.length)).toEqual([7, 8, 4]);
    expect(batches.map(({ images }) => images.length / (40 * 40 * 3))).toEqual([7, 8, 4]);
    const expected = dataset.val.filter((_, index) => index !== 1);
    expect(batches.flatMap(({ files }) => files)).toEqual(expected.map(({ file }) => file));
    expect(batches.flatMap(({ labels }) => [...labels])).toEqual(expected.map(({ label }) => label));
    expect(skipped).toEqual([{ file: dataset.val[1].file, reason: 'the file is empty' }]);
    const again = await collect(loader.evalBatches());
    expect(again).toEqual(batches);
  });
});

describe('checkPictures', () => {
  it('names every file that cannot be read, in order, and can be cancelled', async () => {
    const dataset = await makeDataset('checked', 10, 4);
    const bad = [dataset.train[2], dataset.train[7], dataset.val[0]].map(({ file }) => file);
    for (const file of bad) await writeFile(join(dataset.path, file), 'text');
    const seen: number[] = [];
    const report = await checkPictures(dataset, ownDecode, { onProgress: (checked) => seen.push(checked) });
    expect(report).toMatchObject({ path: dataset.path, checked: 14 });
    expect(report.unreadable.map(({ file }) => file)).toEqual(bad);
    expect(seen.at(-1)).toBe(14);
    const stopped = checkPictures(dataset, ownDecode, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'job.cancelled' });
    await rename(dataset.path, `${dataset.path}-moved`);
    await expect(checkPictures(dataset, ownDecode)).rejects.toMatchObject({ code: 'data.vanished' });
  });
});
