import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageFacts } from '../../../src-main/data/decode/image-facts.ts';
import { readableSize, readingOf } from '../../../src-main/data/decode/reading.ts';
import { listDataset, readSample, samplePlace, summarise, type Dataset } from '../../../src-main/data/layout/folder.ts';
import { readNow } from '../../../src-main/data/layout/read-now.ts';
import { parseReading, withReading } from '../../../src-main/protocol/data-reading.ts';

/** What torchvision's own classes read from the miniatures (`tests/fixtures/datasets/make-sets.py`). */
interface Expected {
  classes: string[];
  train: [label: number, pixels: string][];
  val: [label: number, pixels: string][];
}
const sets = fileURLToPath(new URL('../../fixtures/datasets/sets/', import.meta.url));
let outside: Record<string, Expected>;
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'stillhouse-sets-'));
  outside = JSON.parse(await readFile(join(sets, '..', 'sets.json'), 'utf8')) as typeof outside;
});
afterAll(() => rm(home, { recursive: true, force: true }));

let counter = 0;
async function copyOf(...names: string[]): Promise<string> {
  const root = join(home, String(counter++));
  await mkdir(root);
  for (const name of names) await cp(join(sets, name), root, { recursive: true });
  return root;
}

/** Packs a folder as its authors do. */
async function packed(archive: string, home: string, folder: string, ...options: string[]): Promise<void> {
  await mkdir(dirname(archive), { recursive: true });
  execFileSync('tar', [...options, '-czf', archive, '-C', home, folder]);
}

const codes = ({ notes }: Dataset): string[] => notes.map(({ code }) => code);

/** Labels and hashes of pixels, each image read as the loader and as the check read it. */
async function read(dataset: Dataset, split: 'train' | 'val'): Promise<[number, string][]> {
  return Promise.all(
    dataset[split].map(async ({ file, label }): Promise<[number, string]> => {
      const bytes = await readSample(dataset, file, { timeout: 10_000 });
      expect(Buffer.from(readNow(samplePlace(dataset, file))).equals(bytes)).toBe(true);
      const image = readingOf(bytes, readableSize(bytes));
      if (!('data' in image)) throw new Error('it is left to the engine');
      return [label, createHash('sha256').update(image.data).digest('hex').slice(0, 16)];
    }),
  );
}

describe('CIFAR', () => {
  it.each([
    ['cifar10', 'cifar10', 'CIFAR10'],
    ['cifar10-binary', 'cifar10', 'CIFAR10'],
    ['cifar100', 'cifar100', 'CIFAR100'],
    ['cifar100-binary', 'cifar100', 'CIFAR100'],
  ])('%s is recognised and gives the labels and pixels of torchvision', async (name, oracle, set) => {
    const dataset = await listDataset(join(sets, name));
    const { classes, train, val } = outside[oracle];
    expect(dataset).toMatchObject({ set, classes, layout: 'train-val', splitMade: false, warnings: [] });
    expect(await read(dataset, 'train')).toEqual(train);
    expect(await read(dataset, 'val')).toEqual(val);
    expect(dataset.notes.at(-1)).toMatchObject({
      code: 'data.read-set',
      params: { train: train.length, val: val.length, instead: 'set=IMNET' },
    });
    expect(codes(dataset).includes('data.set-fine')).toBe(set === 'CIFAR100');
  });

  it('is read from its own folder, and by the names of DeiT', async () => {
    const folder = join(sets, 'cifar100', 'cifar-100-python');
    for (const reading of ['', 'set=CIFAR', 'set=cifar100'])
      expect(await listDataset(folder, { reading })).toMatchObject({ set: 'CIFAR100' });
    await expect(listDataset(folder, { reading: 'set=CIFAR10' })).rejects.toMatchObject({
      code: 'data.set-missing',
      params: { set: 'CIFAR-10', wanted: 'cifar-10-batches-py/data_batch_1' },
    });
    await expect(listDataset(folder, { reading: 'set=IMNET' })).rejects.toMatchObject({ code: 'data.no-classes' });
  });

  it('is read from a tar archive, which has lost only its compression', async () => {
    const root = await copyOf();
    const archive = join(root, 'cifar-10-python.tar');
    execFileSync('tar', ['cf', archive, '-C', join(sets, 'cifar10'), 'cifar-10-batches-py']);
    for (const path of [root, archive]) {
      const dataset = await listDataset(path);
      expect(dataset).toMatchObject({ set: 'CIFAR10', path });
      expect(await read(dataset, 'train')).toEqual(outside.cifar10.train);
    }
  });

  it.each([
    ['cifar10', 'cifar-10-batches-py', 'cifar-10-python.tar.gz'],
    ['cifar10-binary', 'cifar-10-batches-bin', 'cifar-10-binary.tar.gz'],
    ['cifar100', 'cifar-100-python', 'cifar-100-python.tar.gz'],
    ['cifar100-binary', 'cifar-100-binary', 'cifar-100-binary.tar.gz'],
  ])('%s is read from the archive as it was downloaded', async (name, folder, archive) => {
    const root = await copyOf();
    const archiveCache = join(root, 'cache');
    const path = join(root, 'data', archive);
    await packed(path, join(sets, name), folder);
    const { classes, train, val } = outside[name.replace('-binary', '')];
    for (const data of [join(root, 'data'), path]) {
      const dataset = await listDataset(data, { archiveCache });
      expect(dataset).toMatchObject({ classes, warnings: [] });
      expect([await read(dataset, 'train'), await read(dataset, 'val')]).toEqual([train, val]);
      expect(dataset.notes[0]).toMatchObject({ code: 'data.unpacked' });
    }
    // A copy of an earlier state goes; a person's folder is never written to.
    const before = await readdir(archiveCache);
    await packed(path, join(sets, name), folder, '--mtime=2001-01-01');
    await listDataset(path, { archiveCache });
    const after = await readdir(archiveCache);
    expect([after.length, after[0] === before[0]]).toEqual([1, false]);
    expect(await readdir(join(root, 'data'))).toEqual([archive]);
  });

  it('in an archive that arrived in part or is none is named', async () => {
    const root = await copyOf();
    const archiveCache = join(root, 'cache');
    const path = join(root, 'cifar-10-python.tar.gz');
    await packed(path, join(sets, 'cifar10'), 'cifar-10-batches-py');
    const bytes = await readFile(path);
    for (const [damaged, code] of [
      [bytes.subarray(0, bytes.length / 2), 'file.archive-short'],
      ['<html>', 'file.archive-damaged'],
    ] as const) {
      // prettier-ignore
      await writeFile(path, damaged);
      for (const reading of ['', 'set=CIFAR10'])
        await expect(listDataset(root, { archiveCache, reading })).rejects.toMatchObject({
          code: 'data.set-file',
          params: { file: 'cifar-10-python.tar.gz', reason: { code } },
        });
    }
    expect(await readdir(archiveCache)).toEqual([]);
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.compressed-tar', params: { path } });
  });

  it('in the archives of both is refused until one is named', async () => {
    const root = await copyOf();
    await packed(join(root, 'cifar-10-python.tar.gz'), join(sets, 'cifar10'), 'cifar-10-batches-py');
    await packed(join(root, 'cifar-100-python.tar.gz'), join(sets, 'cifar100'), 'cifar-100-python');
    const archiveCache = join(home, 'cache-of-both');
    await expect(listDataset(root, { archiveCache })).rejects.toMatchObject({ code: 'data.set-several' });
    expect(await listDataset(root, { archiveCache, reading: 'set=CIFAR10' })).toMatchObject({ set: 'CIFAR10' });
  });

  it('leaves out what the list of excluded images holds', async () => {
    const root = join(sets, 'cifar10');
    const [{ file }] = (await listDataset(root)).train;
    expect(file).toBe('cifar-10-batches-py/data_batch_1/00000');
    const dataset = await listDataset(root, { excluded: new Set([file]) });
    expect([dataset.train.length, dataset.excluded]).toEqual([9, 1]);
  });

  it('has images without faults', async () => {
    const dataset = await listDataset(join(sets, 'cifar10'));
    const [{ file }] = dataset.train;
    const facts = imageFacts(await readSample(dataset, file, { timeout: 10_000 }), file);
    expect(facts).toMatchObject({ size: { width: 32, height: 32 }, oddities: [], cutShort: false });
  });

  it.each(['3', '4', '5'])('reads batches that Python 3 has pickled anew by protocol %s', async (protocol) => {
    const root = await copyOf('cifar10');
    await cp(join(sets, 'pickles', `protocol-${protocol}`), join(root, 'cifar-10-batches-py', 'data_batch_1'));
    expect(await read(await listDataset(root), 'train')).toEqual(outside.cifar10.train);
  });

  it('beside another data set is refused until one is named, and the second edition is only noted', async () => {
    const both = await copyOf('cifar10', 'cifar100');
    await expect(listDataset(both)).rejects.toMatchObject({
      code: 'data.set-several',
      params: { first: 'set=CIFAR10', second: 'set=CIFAR100' },
    });
    expect(await listDataset(both, { reading: 'set=CIFAR100' })).toMatchObject({ set: 'CIFAR100' });
    const twice = await listDataset(await copyOf('cifar10', 'cifar10-binary'));
    expect(codes(twice)).toContain('data.set-same');
    expect(twice.train).toHaveLength(10);
  });

  it('beside class folders is refused until one is named', async () => {
    const root = await copyOf('cifar10');
    for (const name of ['a', 'b']) {
      await mkdir(join(root, 'train', name), { recursive: true });
      await writeFile(join(root, 'train', name, '1.jpg'), '');
      await writeFile(join(root, 'train', name, '2.jpg'), '');
    }
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.set-or-folders',
      params: { first: 'set=CIFAR10', second: 'set=IMNET' },
    });
    expect(await listDataset(root, { reading: 'set=IMNET' })).toMatchObject({ set: null, classes: ['a', 'b'] });
    expect(await listDataset(root, { reading: 'set=CIFAR10' })).toMatchObject({ set: 'CIFAR10' });
  });
});

describe('a damaged CIFAR', () => {
  const fault = (reason: object, file: string) => ({
    code: 'data.set-file',
    params: { file: expect.stringContaining(file) as string, reason: expect.objectContaining(reason) as object },
  });

  it.each([
    ['cut', async (file: string) => truncate(file, 5000), { code: 'pickle.cut' }],
    ['of another sort', async (file: string) => writeFile(file, 'no pickle'), { code: 'pickle.is' }],
    ['without images', (file: string) => writeFile(file, '(dp0\nS\'labels\'\np1\n(lp2\ns.'), { code: 'set.key' }], // prettier-ignore
    ['that acts', (file: string) => writeFile(file, "cos\nsystem\n(S'ls'\ntR."), { code: 'pickle.is' }],
    [
      'with pixels as text',
      (file: string) => cp(join(sets, 'pickles', 'protocol-2'), file),
      { code: 'numpy.elsewhere' },
    ],
  ])('batch %s is named', async (_, damage, reason) => {
    const root = await copyOf('cifar10');
    await damage(join(root, 'cifar-10-batches-py', 'data_batch_3'));
    await expect(listDataset(root)).rejects.toMatchObject(fault(reason, 'data_batch_3'));
  });

  it('binary batch is named, by its length and by a class that there is not', async () => {
    const root = await copyOf('cifar10-binary');
    const file = join(root, 'cifar-10-batches-bin', 'test_batch.bin');
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(1));
    await expect(listDataset(root)).rejects.toMatchObject(fault({ code: 'set.bytes' }, 'test_batch.bin'));
    bytes[3073] = 10;
    await writeFile(file, bytes);
    await expect(listDataset(root)).rejects.toMatchObject(
      fault({ code: 'set.label', params: { row: 1, label: 10, last: 9 } }, 'test_batch.bin'),
    );
  });

  it('list of classes that is short, and a batch that is missing, are named', async () => {
    const root = await copyOf('cifar100-binary');
    const names = join(root, 'cifar-100-binary', 'fine_label_names.txt');
    await writeFile(names, 'apple\n');
    await expect(listDataset(root)).rejects.toMatchObject(
      fault({ code: 'set.names', params: { expected: 100, got: 1 } }, basename(names)),
    );
    const other = await copyOf('cifar10');
    await rename(join(other, 'cifar-10-batches-py', 'data_batch_4'), join(other, 'elsewhere'));
    await expect(listDataset(other)).rejects.toMatchObject({
      code: 'data.set-missing',
      params: { wanted: 'data_batch_4', path: join(other, 'cifar-10-batches-py') },
    });
  });
});

/** Labels and files as torchvision's classes have them. */
const listed = ({ train, val }: Dataset): [number, string][][] =>
  [train, val].map((samples) => samples.map(({ file, label }): [number, string] => [label, file]));

describe('Flowers-102', () => {
  it('is recognised and gives the labels, names and splits of torchvision, and says what DeiT takes', async () => {
    const { classes, train, val } = outside.flowers;
    for (const root of [join(sets, 'flowers'), join(sets, 'flowers', 'flowers-102')]) {
      const dataset = await listDataset(root);
      expect(dataset).toMatchObject({ set: 'FLOWERS', classes, warnings: [], splitMade: false });
      const [trained, validated] = listed(dataset).map((samples) =>
        samples.map(([label, file]) => [label, `flowers-102/${file.replace('flowers-102/', '')}`]),
      );
      expect([trained, validated]).toEqual([train, val]);
      expect(dataset.notes[0]).toMatchObject({
        code: 'data.set-splits',
        params: { count: 4, instead: 'train=trnid+valid,val=tstid' },
      });
      expect(summarise(dataset).classes[73]).toMatchObject({ name: 'rose', title: { zh: '蔷薇' } });
    }
  });

  it('is split as a person says', async () => {
    const { train, val, test } = outside.flowers as Expected & { test: Expected['val'] };
    const root = join(sets, 'flowers');
    for (const set of ['', 'set=FLOWERS,']) {
      const dataset = await listDataset(root, { reading: `${set}train=trnid+valid,val=tstid` });
      expect(listed(dataset)).toEqual([[...train, ...val], test]);
      expect(codes(dataset)).toEqual(['data.read-set']);
    }
    for (const wrong of ['train=trnid,val=trnid', 'train=images,val=tstid'])
      await expect(listDataset(root, { reading: `set=FLOWERS,${wrong}` })).rejects.toMatchObject({
        code: 'recipe.invalid',
        params: { key: 'dataReading' },
      });
  });

  it('is read from the archive of images, which has lost only its compression', async () => {
    const root = await copyOf('flowers');
    const folder = join(root, 'flowers-102');
    execFileSync('tar', ['cf', join(folder, '102flowers.tar'), '-C', folder, 'jpg']);
    await rm(join(folder, 'jpg'), { recursive: true });
    const dataset = await listDataset(root);
    expect(dataset.train.map(({ label }) => label)).toEqual(outside.flowers.train.map(([label]) => label));
    const [{ file }] = dataset.train;
    expect(file).toBe('flowers-102/102flowers.tar/jpg/image_00006.jpg');
    const original = await readFile(join(sets, 'flowers/flowers-102/jpg/image_00006.jpg'));
    expect(Buffer.from(readNow(samplePlace(dataset, file))).equals(original)).toBe(true);
    await rm(join(folder, '102flowers.tar'));
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.set-missing', params: { wanted: 'jpg/' } });
  });

  it('is read as it was downloaded: the archive of images and the two lists', async () => {
    const root = await copyOf('flowers/flowers-102');
    await packed(join(root, '102flowers.tgz'), root, 'jpg');
    await rm(join(root, 'jpg'), { recursive: true });
    const dataset = await listDataset(root, { archiveCache: join(home, 'cache-of-flowers') });
    expect(dataset.train.map(({ label }) => label)).toEqual(outside.flowers.train.map(([label]) => label));
    const original = await readFile(join(sets, 'flowers/flowers-102/jpg/image_00006.jpg'));
    expect(Buffer.from(readNow(samplePlace(dataset, dataset.train[0].file))).equals(original)).toBe(true);
    for (const list of ['imagelabels.mat', 'setid.mat']) await rm(join(root, list));
    const fault = { code: 'data.set-missing', params: { wanted: 'imagelabels.mat' } };
    for (const path of [root, join(root, '102flowers.tgz')])
      await expect(listDataset(path)).rejects.toMatchObject(fault);
  });

  it('without some images counts them', async () => {
    const root = await copyOf('flowers');
    await rm(join(root, 'flowers-102', 'jpg', 'image_00001.jpg'));
    const dataset = await listDataset(root);
    expect(dataset.warnings).toMatchObject([
      { code: 'data.set-absent', params: { count: 1, file: 'image_00001.jpg' } },
    ]);
    expect([dataset.train.length, dataset.val.length]).toEqual([2, 2]);
  });

  it('with damaged or missing lists names them', async () => {
    const root = await copyOf('flowers');
    const labels = join(root, 'flowers-102', 'imagelabels.mat');
    const bytes = await readFile(labels);
    bytes.fill(7, 150, 160);
    for (const damaged of [bytes, Buffer.from('<html>'), bytes.subarray(0, 130)]) {
      await writeFile(labels, damaged);
      await expect(listDataset(root)).rejects.toMatchObject({
        code: 'data.set-file',
        params: { file: 'flowers-102/imagelabels.mat', reason: { code: expect.stringMatching(/^matlab/) as string } },
      });
    }
    await cp(join(sets, 'flowers/flowers-102/setid.mat'), labels);
    await expect(listDataset(root)).rejects.toMatchObject({ params: { reason: { code: 'matlab.no-variable' } } });
    await rm(labels);
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.set-missing',
      params: { wanted: 'imagelabels.mat' },
    });
  });
});

describe('Stanford Cars', () => {
  it('is recognised and gives the labels and names of torchvision', async () => {
    const { classes, train, test } = outside.cars as Expected & { test: Expected['val'] };
    const dataset = await listDataset(join(sets, 'cars'));
    expect(dataset).toMatchObject({ set: 'CARS', classes, warnings: [] });
    expect(listed(dataset)).toEqual([train, test]);
    expect(codes(dataset)).toEqual(['data.read-set']);
    const home = await listDataset(join(sets, 'cars', 'stanford_cars'), { reading: 'set=CARS' });
    expect(home.train[0]).toEqual({ file: 'cars_train/00001.jpg', label: 2 });
    await expect(listDataset(join(sets, 'cars'), { reading: 'set=CARS,train=a' })).rejects.toMatchObject({
      code: 'recipe.invalid',
    });
  });

  it('is read as it was downloaded: three archives and the labels of the test', async () => {
    const root = await copyOf('cars/stanford_cars');
    for (const [name, folder] of [
      ['cars_train', 'cars_train'],
      ['cars_test', 'cars_test'],
      ['car_devkit', 'devkit'],
    ] as const) {
      // prettier-ignore
      await packed(join(root, `${name}.tgz`), root, folder);
      await rm(join(root, folder), { recursive: true });
    }
    const { train, test } = outside.cars as Expected & { test: Expected['val'] };
    const dataset = await listDataset(root, { archiveCache: join(home, 'cache-of-cars') });
    expect(listed(dataset).map((samples) => samples.map(([label]) => label))).toEqual(
      [train, test].map((samples) => samples.map(([label]) => label)),
    );
    expect(dataset.train[0].file).toBe('cars_train.tgz/cars_train/00001.jpg');
    expect(codes(dataset).filter((code) => code === 'data.unpacked')).toHaveLength(3);
  });

  it('is read as Kaggle has it, with folders in folders', async () => {
    const root = await copyOf('cars/stanford_cars');
    for (const split of ['cars_train', 'cars_test']) {
      await rename(join(root, split), join(root, 'held'));
      await mkdir(join(root, split));
      await rename(join(root, 'held'), join(root, split, split));
    }
    await mkdir(join(root, 'car_devkit'));
    await rename(join(root, 'devkit'), join(root, 'car_devkit', 'devkit'));
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ set: 'CARS', classes: outside.cars.classes });
    expect(dataset.train.map(({ label }) => label)).toEqual(outside.cars.train.map(([label]) => label));
  });

  it('without labels of the test names what is missing, and a damaged list', async () => {
    const root = await copyOf('cars/stanford_cars');
    const test = join(root, 'cars_test_annos_withlabels.mat');
    await cp(join(root, 'devkit', 'cars_meta.mat'), test);
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.set-file',
      params: { file: 'cars_test_annos_withlabels.mat', reason: { code: 'matlab.no-variable' } },
    });
    await rm(test);
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.set-missing',
      params: { wanted: 'cars_test_annos_withlabels.mat' },
    });
  });
});

describe('iNaturalist', () => {
  /** By field of the categories, what DeiT's INatDataset reads. */
  const deit = (home: string) =>
    outside[home] as unknown as Record<string, { count: number; train: [number, string][]; val: [number, string][] }>;
  /** Labels, and files without the folders that DeiT leaves out. */
  const short = (dataset: Dataset): [number, string][][] =>
    listed(dataset).map((samples) =>
      samples.map(([label, file]): [number, string] => [label, file.split('/').slice(-2).join('/')]),
    );

  it.each([
    ['inat2018', 'INAT18', 'INAT'],
    ['inat2019', 'INAT19', 'INAT19'],
  ])('%s is recognised and numbered as DeiT numbers it, by every field', async (home, set, word) => {
    const recognised = await listDataset(join(sets, home));
    expect(recognised).toMatchObject({ set, warnings: [], splitMade: false });
    expect(short(recognised)).toEqual([deit(home).name.train, deit(home).name.val]);
    expect(codes(recognised)).toEqual(['data.set-classes', 'data.read-set']);
    for (const [category, { count, train, val }] of Object.entries(deit(home))) {
      const dataset = await listDataset(join(sets, home), { reading: `set=${word},category=${category}` });
      expect(short(dataset)).toEqual([train, val]);
      expect(dataset.classes).toHaveLength(count);
      expect(dataset.classes[dataset.train[0].label]).toBe(`${category} ${7 % count}`);
    }
  });

  it('is found where the archive and where DeiT have the images', async () => {
    const root = await copyOf('inat2018');
    const images = join(root, 'train_val2018');
    expect((await listDataset(root)).train[0].file).toBe('train_val2018/Group 1/7/train00.jpg');
    for (const group of ['Group 0', 'Group 1', 'Group 2']) {
      await cp(join(images, group), images, { recursive: true });
      await rm(join(images, group), { recursive: true });
    }
    const dataset = await listDataset(root);
    expect(dataset.train[0].file).toBe('train_val2018/7/train00.jpg');
    expect(short(dataset)).toEqual([deit('inat2018').name.train, deit('inat2018').name.val]);
  });

  it('in archives is not unpacked unasked: the commands are named', async () => {
    const root = await copyOf('inat2018');
    const archiveCache = join(home, 'cache-of-inat');
    await packed(join(root, 'train_val2018.tar.gz'), root, 'train_val2018');
    await rm(join(root, 'train_val2018'), { recursive: true });
    const one = `tar -xzf ${join(root, 'train_val2018.tar.gz')} -C ${root}`;
    const refused = (command: string) => ({ code: 'data.set-packed', params: { command } });
    for (const path of [root, join(root, 'train_val2018.tar.gz')])
      await expect(listDataset(path, { archiveCache })).rejects.toMatchObject(refused(one));
    for (const name of ['train2018.json', 'val2018.json', 'categories.json']) await rm(join(root, name));
    await writeFile(join(root, 'train2018.json.tar.gz'), '');
    const both = `tar -xzf ${join(root, 'train2018.json.tar.gz')} -C ${root} && ${one}`;
    for (const reading of ['', 'set=INAT18'])
      await expect(listDataset(root, { archiveCache, reading })).rejects.toMatchObject(refused(both));
  });

  it('beside the other year is refused until one is named', async () => {
    const root = await copyOf('inat2018', 'inat2019');
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.set-several' });
    expect(await listDataset(root, { reading: 'set=INAT19' })).toMatchObject({ set: 'INAT19' });
  });

  it('warns of images that are not there, and of other categories in the annotations', async () => {
    const root = await copyOf('inat2019');
    await rm(join(root, 'train_val2019', 'Group 1', '7', 'train00.jpg'));
    const file = join(root, 'train2019.json');
    const whole = JSON.parse(await readFile(file, 'utf8')) as { annotations: { image_id: number; category_id: number }[] }; // prettier-ignore
    whole.annotations.find((one) => one.image_id === 1)!.category_id = 4;
    await writeFile(file, JSON.stringify(whole));
    expect((await listDataset(root)).warnings).toMatchObject([
      { code: 'data.set-absent', params: { count: 1, file: '7/train00.jpg' } },
      { code: 'data.set-labels', params: { count: 1, file: '3/train01.jpg' } },
    ]);
  });

  it.each([
    ['val2018.json', '{"images": [{"id": 0, "file_name": "train_val2018/Group/5', 'json.cut'],
    ['val2018.json', '{"images": [{"id": 0, "file_name": "a/5/b.jpg"}]}', 'set.file-name'],
    ['val2018.json', '{"images": [{"id": 0, "file_name": "train_val2018/Group/50/b.jpg"}]}', 'set.no-category'],
    ['val2018.json', '{"annotations": []}', 'set.key'],
    ['train2018.json', '{"images": [{"id": 0, "file_name": "a/b/5/c.jpg"}], "annotations": [{"category_id": 4}]}', 'set.unseen'], // prettier-ignore
    ['categories.json', '[{"id": 1, "name": "a"}]', 'set.category-id'],
    ['categories.json', '[{"id": 0}]', 'set.no-field'],
    ['categories.json', '{}', 'set.no-list'],
    ['categories.json', '<html>', 'file.not-json'],
  ])('with a wrong %s (%s) names it', async (name, content, code) => {
    const root = await copyOf('inat2018');
    await writeFile(join(root, name), content);
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.set-file',
      params: { file: name, reason: { code } },
    });
    await rm(join(root, name));
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.set-missing', params: { wanted: name } });
  });

  it('alone has categories: of another set they say nothing', async () => {
    const dataset = await listDataset(join(sets, 'cifar10'), { reading: 'category=family' });
    expect(codes(dataset)).toEqual(['data.set-category', 'data.read-set']);
  });
});

describe('a reading', () => {
  it('names a data set, and what its classes are', () => {
    expect(parseReading('set=INAT,category=family')).toMatchObject({ set: 'INAT18', category: 'family' });
    for (const text of ['set=MNIST', 'category=size', 'set=CIFAR,classes', 'set=CIFAR,labels=1'])
      expect(() => parseReading(text)).toThrow('expected classes');
  });

  it.each([
    ['set=INAT19,category=family', 'category=genus', 'set=INAT19,category=genus'],
    ['set=INAT19,category=family', 'set=CIFAR', 'set=CIFAR100'],
    ['set=FLOWERS', 'train=trnid+valid,val=tstid', 'set=FLOWERS,train=trnid+valid,val=tstid'],
    ['set=FLOWERS,train=trnid+valid', 'set=IMNET', 'set=IMNET'],
    ['set=CIFAR10', 'classes', 'classes'],
    ['labels=1', 'set=IMNET', 'set=IMNET,labels=1'],
    ['', 'set=IMNET', 'set=IMNET'],
  ])('"%s" with "%s" added is "%s"', (said, added, both) => expect(withReading(said, added)).toBe(both));
});
