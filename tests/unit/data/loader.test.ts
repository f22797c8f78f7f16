import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DecodeNow } from '../../../src-main/data/decode/decode.ts';
import { listDataset, type Dataset } from '../../../src-main/data/layout/folder.ts';
import { createLoader, type Batch, type LoaderOptions } from '../../../src-main/data/batches/loader.ts';
import type { SkippedImage } from '../../../src-main/data/batches/image-cache.ts';
import { encodePng } from '../../../src-main/data/decode/png.ts';
import { ownWorkers, ownDecodeNow } from '../../helpers/own-decode.ts';
import { reason } from '../../../src-main/protocol/reasons.ts';
import { eventually, turns } from '../../helpers/wait.ts';

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

/** A data set of small images, each of one colour gradient of its own. */
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
  const skipped: SkippedImage[] = [];
  const options = {
    dataset,
    recipe,
    noiseRows: 0,
    onSkip: (skip: SkippedImage) => skipped.push(skip),
    ...changes,
  };
  return { loader: createLoader({ workers: ownWorkers(options.recipe), ...options }), skipped };
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe('trainBatches', () => {
  it('gives the same bytes from any batch on, and whatever was seen before', async () => {
    const dataset = await makeDataset('same', 30, 2);
    const run = (from: number, cacheBytes: number): Promise<Batch[]> =>
      collect(loaderOf(dataset, { noiseRows: 3, cacheBytes }).loader.trainBatches(5, from));
    const expected = await run(0, 0);
    expect(expected).toHaveLength(3);
    expect(expected[0].images).toHaveLength(8 * 40 * 40 * 3);
    expect(expected[0].noise).toHaveLength(3 * 8);
    expect(expected[0].noise!.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(expected.flatMap(({ noise }) => [...noise!])).size).toBe(72);
    expect(await run(2, 0)).toEqual(expected.slice(2));
    const { loader } = loaderOf(dataset, { noiseRows: 3 });
    await collect(loader.trainBatches(0));
    expect(await collect(loader.trainBatches(5))).toEqual(expected);
  });

  it('decodes an image once while there is room to keep it', async () => {
    const dataset = await makeDataset('kept', 18, 2);
    let decoded = 0;
    const counting: DecodeNow = (bytes, crop, room) => (decoded++, ownDecodeNow(bytes, crop, room));
    const workers = ownWorkers(recipe, counting);
    const { loader } = loaderOf(dataset, { workers, cacheBytes: 10 * SIDE * SIDE * 3 });
    for (let epoch = 0; epoch < 4; epoch++) await collect(loader.trainBatches(epoch));
    // 16 images an epoch: all at first, then those that found no room.
    expect(decoded).toBeGreaterThan(16 + 3 * 5);
    expect(decoded).toBeLessThan(16 + 3 * 9);
  });

  it.each([1, 3])(
    'deals each epoch out to ranks, the images of a rank drawn as for one (repeats: %i)',
    async (repeats) => {
      const dataset = await makeDataset(`ranks-${repeats}`, 55, 2);
      const own = { ...recipe, batchSize: 4, inputSize: 33, repeatedAug: repeats > 1 };
      const run = (share?: LoaderOptions['share']): Promise<Batch[]> =>
        collect(loaderOf(dataset, { recipe: own, share, noiseRows: 1 }).loader.trainBatches(1));
      const rowsOf = (batches: Batch[]): string[] =>
        batches.flatMap(({ images, files, noise }) =>
          files.map((file, row) => `${file} ${noise![row]} ${images.subarray(row * 3267, (row + 1) * 3267).join()}`),
        );
      const alone = rowsOf(await run());
      const ranks = await Promise.all([0, 1, 2].map(async (rank) => rowsOf(await run({ rank, world: 3 }))));
      const together = ranks[0].flatMap((_, turn) => ranks.map((rows) => rows[turn]));
      expect(together).toHaveLength(48);
      expect(together).toEqual(alone.slice(0, 48));
    },
  );

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
    const expected = await run({});
    expect(await run({}, 1)).toEqual(expected.slice(1));
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

  it('trains on images of one row, one column or one pixel', async () => {
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

  it('shows each image at most once an epoch, with its label, otherwise each epoch', async () => {
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
    await writeFile(join(dataset.path, dataset.train[3].file), 'not an image');
    await rm(join(dataset.path, dataset.train[5].file));
    const { loader, skipped } = loaderOf(dataset);
    const epochs = [await collect(loader.trainBatches(0)), await collect(loader.trainBatches(1))];
    expect(skipped.sort((a, b) => (a.file < b.file ? -1 : 1))).toEqual([
      { file: dataset.train[3].file, reason: reason('image.none') },
      { file: dataset.train[5].file, reason: reason('os.gone') },
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
    const counting: DecodeNow = (bytes, crop, room) => (decoded++, ownDecodeNow(bytes, crop, room));
    const { loader } = loaderOf(dataset, { workers: ownWorkers(recipe, counting) });
    const batches = loader.trainBatches(0);
    await batches.next();
    // The batch that was handed out and two more; it waits for room before it makes another.
    for (let taken = 1; taken <= 5; taken++) {
      await eventually(() => expect(decoded).toBe(8 * (taken + 2)));
      await turns(100);
      expect(decoded).toBe(8 * (taken + 2));
      await batches.next();
    }
    await eventually(() => expect(decoded).toBe(64));
    await batches.return(undefined);
    await loader.close();
    await turns(100);
    expect(decoded).toBe(64);
  });

  it('refuses a data set smaller than a batch', async () => {
    const dataset = await makeDataset('few', 7, 1);
    expect(() => loaderOf(dataset)).toThrowError(expect.objectContaining({ code: 'data.too-few' }));
  });
});

describe('evalBatches', () => {
  it('shows every val image once in order, the last batch shorter, failed ones left out', async () => {
    const dataset = await makeDataset('val', 8, 20);
    await writeFile(join(dataset.path, dataset.val[1].file), '');
    const { loader, skipped } = loaderOf(dataset);
    const batches = await collect(loader.evalBatches());
    expect(batches.map(({ labels }) => labels.length)).toEqual([7, 8, 4]);
    expect(batches.map(({ images }) => images.length / (40 * 40 * 3))).toEqual([7, 8, 4]);
    const expected = dataset.val.filter((_, index) => index !== 1);
    expect(batches.flatMap(({ files }) => files)).toEqual(expected.map(({ file }) => file));
    expect(batches.flatMap(({ labels }) => [...labels])).toEqual(expected.map(({ label }) => label));
    expect(skipped).toEqual([{ file: dataset.val[1].file, reason: reason('file.empty') }]);
    const again = await collect(loader.evalBatches());
    expect(again).toEqual(batches);
  });

  it.each([2, 3])('deals every val image out to one of %d ranks, within the same whole batches', async (world) => {
    const dataset = await makeDataset(`dealt-${world}`, 8 * world, 8 * world + 11);
    const place = (file: string): number => dataset.val.findIndex((one) => one.file === file);
    const seen: number[] = [];
    for (let rank = 0; rank < world; rank++)
      for await (const { files, number } of loaderOf(dataset, { share: { rank, world } }).loader.evalBatches()) {
        expect(new Set(files.map((file) => Math.floor(place(file) / (8 * world))))).toEqual(new Set([number]));
        seen.push(...files.map(place));
      }
    expect(seen.sort((one, other) => one - other)).toEqual([...dataset.val.keys()]);
  });
});
