import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { classTitle } from '../../../src-main/data/layout/class-titles.ts';
import { listDataset, readSample, summarise, type Dataset } from '../../../src-main/data/layout/folder.ts';
import { readMatlabStructs } from '../../../src-main/formats/matlab.ts';
import { reason, sayReason } from '../../../src-main/protocol/reasons.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/datasets/', import.meta.url));
/** Synsets of the fixture meta.mat, by ImageNet's numbers from 1. */
const SYNSETS = ['n02119789', 'n02100735', 'n01440764', 'n01443537'];
const SORTED = [...SYNSETS].sort();
let home: string;
let root: string;
let counter = 0;
beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'stillhouse-layouts-'))));
afterAll(() => rm(home, { recursive: true, force: true }));
beforeEach(async () => void (await mkdir((root = join(home, String(counter++))), { recursive: true })));

async function put(file: string, content = file): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), content);
}
const read = async (dataset: Dataset, file: string): Promise<string> =>
  Buffer.from(await readSample(dataset, file, { timeout: 1000 })).toString();
/** Packs a folder of the test's root, which is removed. */
async function pack(folder: string, archive = `${folder}.tar`, inside = '.'): Promise<void> {
  execFileSync('tar', ['-cf', join(root, archive), '-C', join(root, folder), inside]);
  await rm(join(root, folder), { recursive: true });
}
const labelsOf = ({ val, classes }: Dataset): Record<string, string> =>
  Object.fromEntries(val.map(({ file, label }) => [file.replace(/^.*\//, ''), classes[label]]));

/** ImageNet as it is unpacked: train by class, val flat; five val images, numbered as ImageNet's are. */
async function makeImageNet(prefix = ''): Promise<void> {
  for (const synset of SYNSETS)
    for (const number of [1, 2]) await put(`${prefix}train/${synset}/${synset}_${number}.JPEG`);
  for (let number = 1; number <= 5; number++) await put(`${prefix}val/ILSVRC2012_val_0000000${number}.JPEG`);
}
/** Which class each of the five has: by ImageNet's numbers 3, 1, 4, 2, 3. */
const IDS = [3, 1, 4, 2, 3];
const EXPECTED = Object.fromEntries(IDS.map((id, at) => [`ILSVRC2012_val_0000000${at + 1}.JPEG`, SYNSETS[id - 1]]));

describe('a flat val', () => {
  it('is read with the ground truth and meta.mat of the devkit, unpacked', async () => {
    await makeImageNet();
    await put('ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt', `${IDS.join('\n')}\n`);
    await copyFile(join(fixtures, 'meta.mat'), join(root, 'ILSVRC2012_devkit_t12/data/meta.mat'));
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ layout: 'train-val', splitMade: false, classes: SORTED, warnings: [] });
    expect(labelsOf(dataset)).toEqual(EXPECTED);
    expect(summarise(dataset).classes[0]).toMatchObject({
      name: 'n01440764',
      title: { en: 'tench', zh: '丁鱥' },
      val: 2,
    });
  });

  it('is read with the devkit still packed, and with an image missing', async () => {
    await makeImageNet();
    await rm(join(root, 'val/ILSVRC2012_val_00000002.JPEG'));
    await put('ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt', IDS.join('\r\n'));
    await copyFile(join(fixtures, 'meta-plain.mat'), join(root, 'ILSVRC2012_devkit_t12/data/meta.mat'));
    execFileSync('tar', ['-czf', join(root, 'ILSVRC2012_devkit_t12.tar.gz'), '-C', root, 'ILSVRC2012_devkit_t12']);
    await rm(join(root, 'ILSVRC2012_devkit_t12'), { recursive: true });
    const { 'ILSVRC2012_val_00000002.JPEG': _, ...rest } = EXPECTED;
    expect(labelsOf(await listDataset(root))).toEqual(rest);
  });

  it('is read with map_clsloc.txt beside the ground truth', async () => {
    await makeImageNet();
    await put('ILSVRC2015_clsloc_validation_ground_truth.txt', IDS.join('\n'));
    await put('map_clsloc.txt', SYNSETS.map((synset, at) => `${synset} ${at + 1} name_${at}`).join('\n'));
    expect(labelsOf(await listDataset(root))).toEqual(EXPECTED);
  });

  it('is read where Kaggle puts it, with LOC_val_solution.csv', async () => {
    const box = ' 85 1 499 272';
    const lines = Object.entries(EXPECTED).map(([file, synset], at) => {
      return `${file.replace('.JPEG', '')},${synset}${box}${at ? ` ${synset}${box}` : ''} `;
    });
    const csv = ['ImageId,PredictionString', ...lines.reverse()].join('\n');
    await makeImageNet('ILSVRC/Data/CLS-LOC/');
    await put('LOC_val_solution.csv', csv);
    const whole = await listDataset(root);
    expect(labelsOf(whole)).toEqual(EXPECTED);
    expect(await read(whole, whole.val[0].file)).toBe(whole.val[0].file);
    const inner = await listDataset(join(root, 'ILSVRC/Data/CLS-LOC'));
    expect(labelsOf(inner)).toEqual(EXPECTED);
    expect(inner.train[0].file).toBe('train/n01440764/n01440764_1.JPEG');
  });

  it.each([
    ['synsets alone, in order', 'imagenet_2012_validation_synset_labels.txt', (synset: string) => synset],
    ['file and synset', 'val.txt', (synset: string, file: string) => `val/${file} ${synset}`],
    ['file and number from 0', 'val.txt', (synset: string, file: string) => `${file} ${SORTED.indexOf(synset)}`],
    [
      'file and number from 1',
      'val_map.txt',
      (synset: string, file: string) => `${file} ${SORTED.indexOf(synset) + 1}`,
    ],
    ['file, comma, synset', 'val.csv', (synset: string, file: string) => `${file},${synset}`],
    ['tiny ImageNet', 'val/val_annotations.txt', (synset: string, file: string) => `${file}\t${synset}\t0\t32\t44\t62`],
  ])('is read with a list: %s', async (_name, list, line) => {
    await makeImageNet();
    await put(
      list,
      Object.entries(EXPECTED)
        .map(([file, synset]) => line(synset, file))
        .join('\n'),
    );
    const dataset = await listDataset(root);
    expect(dataset.warnings).toEqual([]);
    expect(labelsOf(dataset)).toEqual(EXPECTED);
  });

  it('may lie in a folder of its own, as in tiny ImageNet', async () => {
    for (const name of ['n01440764', 'n01443537']) await put(`train/${name}/images/${name}_0.JPEG`);
    for (const number of [0, 1]) await put(`val/images/val_${number}.JPEG`);
    await put('val/val_annotations.txt', 'val_0.JPEG\tn01443537\t0\t32\nval_1.JPEG\tn01440764\t0\t32\n');
    expect(labelsOf(await listDataset(root))).toEqual({ 'val_0.JPEG': 'n01443537', 'val_1.JPEG': 'n01440764' });
  });

  it('says which images a list does not name, and what is wrong with a list', async () => {
    await makeImageNet();
    await put('val.txt', 'ILSVRC2012_val_00000001.JPEG n01440764\nILSVRC2012_val_00000002.JPEG n99999999\n');
    const partly = await listDataset(root);
    expect(Object.keys(labelsOf(partly))).toEqual(['ILSVRC2012_val_00000001.JPEG']);
    expect(partly.warnings).toMatchObject([
      { code: 'data.unlabelled', params: { count: 3, list: 'val.txt' } },
      { code: 'data.list-unknown', params: { count: 1, labels: '1 × n99999999' } },
    ]);

    await put('ILSVRC2012_validation_ground_truth.txt', IDS.join('\n'));
    const refused = (words: RegExp): object => ({ code: 'data.label-list', message: expect.stringMatching(words) });
    await expect(listDataset(root)).rejects.toMatchObject(refused(/ground_truth\.txt: its numbers need meta\.mat/));
    await put('meta.mat', 'MATLAB 5.0 MAT-file, cut short');
    await expect(listDataset(root)).rejects.toMatchObject(refused(/it is not a MATLAB file/));
  });

  it('without a list leaves the split to Stillhouse', async () => {
    await makeImageNet();
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ splitMade: true, warnings: [{ code: 'data.class-mismatch' }] });
    expect(dataset.train.length + dataset.val.length).toBe(8);
  });
});

describe('an archive', () => {
  it('of archives, as ImageNet is downloaded, is read in place and never unpacked', async () => {
    await makeImageNet();
    for (const synset of SYNSETS) await pack(`train/${synset}`);
    await pack('train', 'ILSVRC2012_img_train.tar');
    await pack('val', 'ILSVRC2012_img_val.tar');
    await put('ILSVRC2012_validation_ground_truth.txt', IDS.join('\n'));
    await copyFile(join(fixtures, 'meta.mat'), join(root, 'meta.mat'));
    const before = await stateOf(root);
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ layout: 'train-val', classes: SORTED, warnings: [], splitMade: false });
    expect(dataset.train.map(({ file }) => file).slice(0, 3)).toEqual([
      'ILSVRC2012_img_train.tar/n01440764.tar/n01440764_1.JPEG',
      'ILSVRC2012_img_train.tar/n01440764.tar/n01440764_2.JPEG',
      'ILSVRC2012_img_train.tar/n01443537.tar/n01443537_1.JPEG',
    ]);
    expect(labelsOf(dataset)).toEqual(EXPECTED);
    for (const { file } of [...dataset.train, ...dataset.val])
      expect(await read(dataset, file)).toMatch(new RegExp(`/${file.replace(/^.*\//, '')}$`));
    expect(await stateOf(root)).toEqual(before);
  });

  it('for each class is a class, and folders beside them go first', async () => {
    for (const name of ['cat', 'dog']) {
      for (let at = 0; at < 12; at++) await put(`${name}/${at}.png`);
      await pack(name);
    }
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ layout: 'classes', classes: ['cat', 'dog'], splitMade: true });
    expect([dataset.train.length, dataset.val.length]).toEqual([22, 2]);
    expect(await read(dataset, 'dog.tar/3.png')).toBe('dog/3.png');
    await put('cat/unpacked.png');
    expect(await listDataset(root)).toMatchObject({ classes: ['cat'], archives: null });
  });

  it('may be the data set itself, named or alone in its folder', async () => {
    for (const split of ['train', 'val']) for (const name of ['a b', '😀']) await put(`flowers/${split}/${name}/1.png`);
    await put('other/README', 'x');
    execFileSync('tar', ['-cf', join(root, 'other', 'flowers.tar'), '-C', root, 'flowers']);
    const named = await listDataset(join(root, 'other', 'flowers.tar'));
    expect(named).toMatchObject({ layout: 'train-val', classes: ['a b', '😀'], splitMade: false });
    expect(await read(named, named.val[1].file)).toBe('flowers/val/😀/1.png');
    const alone = await listDataset(join(root, 'other'));
    expect(alone.train.map(({ file }) => file)).toEqual([
      'flowers.tar/flowers/train/a b/1.png',
      'flowers.tar/flowers/train/😀/1.png',
    ]);
    expect(await read(alone, alone.train[1].file)).toBe('flowers/train/😀/1.png');
  });

  it('is looked through once, until it changes', async () => {
    const cache = join(root, 'cache');
    const options = { archiveCache: cache };
    const folder = join(root, 'data');
    for (const name of ['a', 'b']) await put(`data/${name}/1.png`);
    await put('data/a/nested\nname 😀.png');
    execFileSync('tar', ['-cf', join(root, 'data', 'x.tar'), '-C', folder, 'a', 'b']);
    for (const name of ['a', 'b']) await rm(join(folder, name), { recursive: true });
    const first = await listDataset(folder, options);
    const [kept] = await readdir(cache);
    expect(await listDataset(folder, options)).toEqual(first);
    expect(await read(first, first.train[0].file)).toMatch(/^data\/a\//);

    // What is kept is believed, but only while it is whole.
    const text = await readFile(join(cache, kept), 'utf8');
    await writeFile(join(cache, kept), text.replaceAll('1.png', '7.png'));
    expect((await listDataset(folder, options)).val.concat(first.train)).not.toEqual(first.val.concat(first.train));
    await writeFile(join(cache, kept), text.slice(0, -3));
    expect(await listDataset(folder, options)).toEqual(first);
    execFileSync('tar', ['-rf', join(folder, 'x.tar'), '-C', fixtures, 'meta.mat', '--transform=s|.*|b/2.png|']);
    expect((await listDataset(folder, options)).train.length).toBe(first.train.length);
    expect((await listDataset(folder, options)).val.length).toBe(first.val.length + 1);
  });

  it('that is cut short gives what is whole, and says so', async () => {
    for (let at = 0; at < 10; at++) await put(`cat/${at}.png`, 'x'.repeat(2000));
    await put('dog/1.png');
    await pack('cat');
    await pack('dog');
    await truncate(join(root, 'cat.tar'), 9000);
    const { train, val, warnings } = await listDataset(root);
    const cats = [...train, ...val].filter(({ label }) => label === 0);
    expect(cats.length).toBe(3);
    expect(warnings).toMatchObject([
      { code: 'data.unreadable', params: { path: 'cat.tar', reason: reason('file.archive-short') } },
    ]);
    await writeFile(join(root, 'cat.tar'), 'this is no archive '.repeat(100));
    expect((await listDataset(root)).warnings[0].params.reason).toEqual(reason('file.archive-damaged'));
  });

  it('that has become shorter is told when it is read', async () => {
    for (const name of ['a', 'b']) {
      await put(`${name}/1.png`, 'x'.repeat(3000));
      await pack(name);
    }
    const dataset = await listDataset(root);
    await truncate(join(root, 'a.tar'), 2000);
    await expect(read(dataset, 'a.tar/1.png')).rejects.toThrow('ends early');
    await rm(join(root, 'a.tar'));
    await expect(read(dataset, 'a.tar/1.png')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('cannot name a place outside of it', async () => {
    await put('x/1.png', 'inside');
    await put('y/2.png', 'inside');
    for (const [name, to] of [
      ['x', '../../../etc/1.png'],
      ['y', '/etc/2.png'],
    ]) {
      const file = await readdir(join(root, name));
      execFileSync('tar', [
        '-cPf',
        join(root, `${name}.tar`),
        '-C',
        join(root, name),
        `--transform=s|.*|${to}|`,
        file[0],
      ]);
      await rm(join(root, name), { recursive: true });
    }
    const dataset = await listDataset(root);
    expect([...dataset.train, ...dataset.val].map(({ file }) => file)).toEqual(['x.tar/etc/1.png', 'y.tar/etc/2.png']);
    expect(await read(dataset, 'x.tar/etc/1.png')).toBe('inside');
  });
});

/** Everything in a folder, with sizes and times. */
async function stateOf(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const states = await Promise.all(names.map(async (name) => ({ name, ...(await stat(join(folder, name))) })));
  return states.map(({ name, size, mtimeMs }) => `${name} ${size} ${mtimeMs}`).sort();
}

describe('listing', () => {
  it('leaves out what is excluded, without moving the split', async () => {
    for (const name of ['a', 'b']) for (let at = 0; at < 20; at++) await put(`${name}/${at}.png`);
    const whole = await listDataset(root);
    const [gone, lost] = [whole.train[3].file, whole.val[0].file];
    const left = await listDataset(root, { excluded: new Set([gone, lost, 'not/there.png']) });
    expect(left.excluded).toBe(2);
    expect(left.train).toEqual(whole.train.filter(({ file }) => file !== gone));
    expect(left.val).toEqual(whole.val.filter(({ file }) => file !== lost));
    const seeded = await listDataset(root, { splitSeed: 1 });
    expect(seeded.val.length).toBe(whole.val.length);
    expect(seeded.val).not.toEqual(whole.val);
    expect(await listDataset(root, { splitSeed: 1 })).toEqual(seeded);
  });

  it('passes over pipes, sockets and devices without opening them', async () => {
    for (const file of ['a/1.png', 'a/2.png', 'b/1.png']) await put(file);
    execFileSync('mkfifo', [join(root, 'a', 'pipe.png')]);
    if (process.getuid?.() === 0) execFileSync('mknod', [join(root, 'b', 'zero.jpg'), 'c', '1', '5']);
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'b', 'socket.png'), resolve));
    const { train, val, warnings } = await listDataset(root);
    await new Promise((resolve) => server.close(resolve));
    expect([...train, ...val].map(({ file }) => file).sort()).toEqual(['a/1.png', 'a/2.png', 'b/1.png']);
    expect(warnings.map(({ params }) => params.path)).toEqual(expect.arrayContaining(['a/pipe.png', 'b/socket.png']));
    expect(warnings.every(({ params }) => sayReason(params.reason) === 'it is not a file')).toBe(true);
  });

  it('tells of hundreds of faults in a few words', async () => {
    for (const file of ['a/1.png', 'a/2.png', 'b/1.png']) await put(file);
    for (let at = 0; at < 200; at++) await mkdir(join(root, `empty-${at}`));
    const { warnings } = await listDataset(root);
    expect(warnings).toHaveLength(51);
    expect(warnings.at(-1)).toMatchObject({
      code: 'data.more-warnings',
      params: { code: 'data.empty-class', count: 150 },
    });
  });
});

describe('class names', () => {
  it('are there for all of ImageNet-1k, in both languages', async () => {
    const table = JSON.parse(
      await readFile(fileURLToPath(new URL('../../../resources/classes/imagenet.json', import.meta.url)), 'utf8'),
    ) as { classes: string[] };
    const titles = table.classes.map((line) => classTitle(line.slice(0, 9))?.title);
    expect(titles).toHaveLength(1000);
    expect(titles.every((title) => title && /[a-z]/i.test(title.en) && /\p{Script=Han}|iPod/u.test(title.zh))).toBe(
      true,
    );
    expect(new Set(titles.map((title) => title?.en)).size).toBe(1000);
    expect(new Set(titles.map((title) => title?.zh)).size).toBe(1000);
    expect(classTitle('n02123045')?.title).toEqual({ en: 'tabby', zh: '虎斑猫' });
    expect([classTitle('n99999999'), classTitle('cat'), classTitle('__proto__')]).toEqual([null, null, null]);
  });
});

describe('readMatlabStructs', () => {
  it.each(['meta.mat', 'meta-plain.mat'])('reads %s', async (name) => {
    const rows = readMatlabStructs(await readFile(join(fixtures, name)), 'synsets');
    expect(rows).toHaveLength(6);
    expect(rows[2]).toMatchObject({ ILSVRC2012_ID: [3], WNID: 'n01440764', words: 'tench, Tinca tinca', children: [] });
    expect(rows[5]).toMatchObject({ words: 'artifact, artefact — größe', children: [1, 2, 1002] });
  });

  it('refuses what is cut short or damaged, in little time', async () => {
    const bytes = await readFile(join(fixtures, 'meta-plain.mat'));
    expect(() => readMatlabStructs(bytes, 'missing')).toThrow('no variable missing');
    for (let length = 0; length < bytes.length; length += 7)
      expect(() => readMatlabStructs(bytes.subarray(0, length), 'synsets')).toThrow(Error);
    for (let at = 128; at < bytes.length; at += 3) {
      const damaged = Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 0xff : byte));
      try {
        readMatlabStructs(damaged, 'synsets');
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });
});
