import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reason } from '../../../src-main/protocol/reasons.ts';
import { listDataset, readSample, samplePlace, type Dataset } from '../../../src-main/data/layout/folder.ts';
import { parseTable } from '../../../src-main/data/layout/label-table.ts';
import { naturalOrder } from '../../../src-main/base/name-order.ts';
import { writeZip, type ZipContent } from '../../../src-main/formats/zip-writer.ts';
import { readNow } from '../../../src-main/data/layout/read-now.ts';
import { parseReading, withReading } from '../../../src-main/protocol/data-reading.ts';
import { splitName } from '../../../src-main/data/layout/split-names.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/datasets/', import.meta.url));
let outside: {
  names: string[];
  order: { torchvision: string[]; timm: string[] };
  files: string[];
  samples: [string, number][];
  tables: { text: string; delimiter: string; rows: string[][] }[];
};
let home: string;
let root: string;
let counter = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'stillhouse-readings-'));
  outside = JSON.parse(await readFile(join(fixtures, 'readings.json'), 'utf8')) as typeof outside;
});
afterAll(() => rm(home, { recursive: true, force: true }));
beforeEach(async () => void (await mkdir((root = join(home, String(counter++))))));

async function put(file: string, content: string | Buffer = ''): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), content);
}
async function make(...files: string[]): Promise<void> {
  for (const file of files) await put(file);
}
/** Files of images 1 to `count` in each of some folders. */
function images(count: number, ...folders: string[]): string[] {
  return folders.flatMap((folder) => Array.from({ length: count }, (_, at) => `${folder}/${at + 1}.jpg`));
}
const codes = ({ notes }: Dataset): string[] => notes.map(({ code }) => code);
const labelled = ({ classes }: Dataset, samples: Dataset['val']): string[] =>
  samples.map(({ file, label }) => `${file} ${classes[label]}`).sort();

describe('folders', () => {
  it('give classes and labels as torchvision’s ImageFolder does, and say where timm’s order differs', async () => {
    await make(...outside.files.map((file) => `train/${file}`), 'val/a/1.jpg');
    const { train, notes } = await listDataset(root);
    expect(train.map(({ file, label }) => [file.slice('train/'.length), label])).toEqual(outside.samples);
    expect(notes[0]).toMatchObject({ code: 'data.order', params: { timm: 'a, B, b, c2, c10' } });
    expect(naturalOrder(['a', 'b'])).toBe(null);
  });

  it('are ordered as torchvision and timm order them', async () => {
    await make(...outside.names.map((name) => `${name}/1.png`));
    expect((await listDataset(root)).classes).toEqual(outside.order.torchvision);
    // Python's order of `b` and `B`, equal for timm, is that of a set: any.
    const folded = (names: string[]): string[] => names.map((name) => name.toLowerCase());
    expect(folded(naturalOrder(outside.names)!)).toEqual(folded(outside.order.timm));
  });

  it.each([
    ['Training', 'Testing'],
    ['seg_train', 'seg_test'],
    ['images_train', 'images_val'],
    ['flowers-train', 'flowers-dev'],
    ['训练集', '验证集'],
    ['TrainSet', 'holdout'],
  ])('%s and %s with the same classes are splits, and that is said', async (train, val) => {
    await make(...images(3, `${train}/a`, `${train}/b`), ...images(1, `${val}/a`, `${val}/b`));
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ layout: 'train-val', classes: ['a', 'b'], splitMade: false });
    expect([dataset.train.length, dataset.val.length]).toEqual([6, 2]);
    expect(codes(dataset)).toContain('data.read-names');
    expect(await listDataset(root, { reading: 'classes' })).toMatchObject({ classes: [train, val].sort() });
  });

  it('are read through one that holds all of them, and through one in each split', async () => {
    await make(...images(2, ...['train/a', 'train/b', 'val/a', 'val/b'].map((one) => `wrapped/flowers/${one}`)));
    const wrapped = await listDataset(root);
    expect(wrapped).toMatchObject({ classes: ['a', 'b'], splitMade: false });
    expect(wrapped.notes).toMatchObject([{ code: 'data.read-wrapped', params: { folder: 'wrapped/flowers' } }]);
    root = join(home, String(counter++));
    await make(...images(2, 'seg_train/seg_train/a', 'seg_train/seg_train/b', 'seg_test/seg_test/a', 'seg_test/seg_test/b')); // prettier-ignore
    expect(await listDataset(root)).toMatchObject({ classes: ['a', 'b'], val: { length: 4 } });
  });

  it('keep test out of training: it is left out beside val, and serves as val without', async () => {
    await make(...images(2, 'train/a', 'train/b', 'test/a', 'test/b'));
    const two = await listDataset(root);
    expect(codes(two)).toEqual(['data.test-as-val']);
    expect(two.val.every(({ file }) => file.startsWith('test/'))).toBe(true);
    await make(...images(1, 'valid/a', 'valid/b'));
    const three = await listDataset(root);
    expect(three.notes).toMatchObject([{ code: 'data.left-out', params: { folders: 'test' } }]);
    expect(three.val.every(({ file }) => file.startsWith('valid/'))).toBe(true);
    const said = await listDataset(root, { reading: 'train=train,val=test' });
    expect(said.val.every(({ file }) => file.startsWith('test/'))).toBe(true);
  });

  it('of splits inside of classes are read as such', async () => {
    await make(...images(3, 'cat/train', 'dog/train'), ...images(2, 'cat/val', 'dog/val', 'cat/test', 'dog/test'));
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ classes: ['cat', 'dog'], train: { length: 6 }, val: { length: 4 } });
    expect(codes(dataset)).toEqual(['data.read-inside', 'data.left-out']);
    const said = await listDataset(root, { reading: 'train=*/train,val=*/test' });
    expect(said.val.map(({ file }) => file)).toContain('dog/test/2.jpg');
  });

  it.each<[string, string[], string, string, string, string[]]>([
    ['the same folders in each', images(2, 'one/a', 'one/b', 'two/a', 'two/b'), 'data.splits-or-classes', 'classes', 'train=one,val=two', ['one', 'two']],
    ['names like splits, other classes', images(2, 'Training/a', 'Training/b', 'Testing/c', 'Testing/d'), 'data.names-unclear', 'train=Training,val=Testing', 'classes', ['Testing', 'Training']],
    ['train among folders of images', images(2, 'train/steam', 'train/diesel', 'bus'), 'data.train-or-class', 'train=train', 'classes', ['bus', 'train']],
    ['two for training', images(2, 'training/a', 'training/b', 'train_images/a', 'train_images/b'), 'data.several-train', 'train=train_images', 'train=training', []],
    ['none for training', images(2, 'val/a', 'val/b', 'test/a', 'test/b'), 'data.no-train', 'train=val', 'classes', ['test', 'val']],
    ['a split beside its classes', images(2, 'a', 'b', 'test/a', 'test/b'), 'data.split-beside', 'train=.,val=test', 'classes', ['a', 'b', 'test']],
  ])('that can be read in two ways are refused with both: %s', async (_name, files, code, first, second, classes) => {
    await make(...files);
    await expect(listDataset(root)).rejects.toMatchObject({ code, params: { first, second } });
    for (const reading of [first, second]) {
      const dataset = await listDataset(root, { reading });
      expect(dataset.train.length).toBeGreaterThan(0);
      if (reading === 'classes') expect(dataset.classes).toEqual(classes);
    }
  }); // prettier-ignore

  it('may hold classes with folders of their own', async () => {
    await make(...images(10, 'cat/images', 'dog/images'));
    expect(await listDataset(root)).toMatchObject({ layout: 'classes', classes: ['cat', 'dog'], notes: [] });
  });

  it('pass over what other programs leave, and say so with what is not read', async () => {
    await make('a/1.jpg', 'a/2.jpg', 'b/1.jpg', 'a/.ipynb_checkpoints/1-checkpoint.jpg', '__MACOSX/a/._1.jpg');
    await make('a/._1.jpg', 'b/@eaDir/1.jpg/thumb.jpg', '$RECYCLE.BIN/x/1.jpg', '.Trashes/1.jpg', 'b/Thumbs.db');
    await make(
      'a/3.heic',
      'a/4.HEIC',
      'b/5.avif',
      'b/6.tiff',
      'b/notes.txt',
      'lost+found/1.jpg',
      '.git/x/1.png',
      'loose.jpg',
    );
    const dataset = await listDataset(root);
    expect([...dataset.train, ...dataset.val].map(({ file }) => file).sort()).toEqual(['a/1.jpg', 'a/2.jpg', 'b/1.jpg']); // prettier-ignore
    const params = Object.fromEntries(dataset.notes.map((note) => [note.code, note.params]));
    expect(params).toMatchObject({
      'data.passed-images': { count: 4, kinds: '2 × .heic, 1 × .avif, 1 × .tiff' },
      'data.passed-files': { count: 1, kinds: '1 × .txt' },
      'data.passed-loose': { count: 1, folder: '.' },
    });
    expect(params['data.passed-junk']).toMatchObject({ names: expect.stringMatching(/1 × \.ipynb_checkpoints/) as string, count: 9 }); // prettier-ignore
  });

  it('match class folders that differ in their Unicode form', async () => {
    await make(...images(2, 'train/café', 'train/zebra', `val/${'café'.normalize('NFD')}`, 'val/zebra'));
    const dataset = await listDataset(root);
    expect(dataset.warnings).toEqual([]);
    expect(dataset.val.map(({ label }) => label)).toEqual([0, 0, 1, 1]);
    expect(dataset.val[0].file).toContain('é'.normalize('NFD'));
    expect(dataset.notes[0]).toMatchObject({ code: 'data.unicode-forms', params: { count: 1, folder: 'val' } });
  });

  it('that hold nothing that is read say what they hold', async () => {
    await make('a/1.heic', 'b/2.heic');
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.only-others', params: { kinds: '2 × .heic' } });
    for (const [file, code] of [
      ['x.tar.gz', 'data.compressed-tar'],
      ['x.7z', 'data.packed'],
      ['x.parquet', 'data.table-file'],
    ] as const) {
      root = join(home, String(counter++));
      await make(file);
      await expect(listDataset(join(root, file))).rejects.toMatchObject({ code });
      await expect(listDataset(root)).rejects.toMatchObject({ code });
    }
  });
});

describe('lists', () => {
  const flowers = async (...names: string[]): Promise<void> => {
    await make(...images(2, ...names.map((name) => `train/${name}`)));
    await make(...images(4, 'val'));
  };

  it('are parted as Python’s csv parts them', () => {
    for (const { text, delimiter, rows } of outside.tables) {
      const table = parseTable(text, 'list.csv');
      expect(table.delimiter).toBe(delimiter);
      expect(table.rows.map(({ cells }) => cells)).toEqual(rows);
    }
  });

  it.each([
    [
      'val.csv',
      '"image","label"\r\n"1.jpg","red rose"\r\n"2.jpg","tulip"\r\n"3.jpg","red rose"\r\n"4.jpg","tulip"\r\n',
    ],
    ['val.txt', 'val/1.jpg red rose\nval/2.jpg tulip\n3.jpg red rose\n4 tulip\n'],
    ['labels.csv', '\ufeffid;species;colour\n1;red rose;3\n2;tulip;1\n3;red rose;3\n4;tulip;0\n'],
    ['val.tsv', 'label\tfile\nred rose\t1.jpg\ntulip\t2.jpg\nred rose\t3.jpg\ntulip\t4.jpg\n'],
  ])('of names with blanks and quotes are read whole: %s', async (name, text) => {
    await flowers('red rose', 'tulip');
    await put(name, text);
    const dataset = await listDataset(root);
    expect(labelled(dataset, dataset.val)).toEqual(['val/1.jpg red rose', 'val/2.jpg tulip', 'val/3.jpg red rose', 'val/4.jpg tulip']); // prettier-ignore
    expect(dataset.notes[0]).toMatchObject({ code: 'data.read-list', params: { list: name, count: 4, total: 4 } });
  });

  const [dog, cat] = ['größe', 'été'];

  it.each([
    ['val.csv', Buffer.from(`\ufefffile;class\r\n1.jpg;${dog}\r\n2.jpg;${cat}\r\n3.jpg;${dog}\r\n4.jpg;${cat}\r\n`, 'utf16le')], // prettier-ignore
    ['val.txt', Buffer.from(`1 ${dog}\n2 ${cat}\n3 ${dog}\n4 ${cat}\n`.normalize('NFD'))],
  ])('are read in UTF-16 and in any Unicode form: %s', async (name, bytes) => {
    await flowers(dog, cat);
    await put(name, bytes);
    const dataset = await listDataset(root);
    expect(labelled(dataset, dataset.val)).toEqual([`val/1.jpg ${dog}`, `val/3.jpg ${dog}`, `val/2.jpg ${cat}`, `val/4.jpg ${cat}`].sort()); // prettier-ignore
  });

  it.each(['val.csv', 'classes.txt'])('of another encoding are refused: %s', async (name) => {
    await flowers(dog, cat);
    await put(name, Buffer.from(`1.jpg,${dog}\n2.jpg,${cat}\n3.jpg,${dog}\n4.jpg,${cat}\n`, 'latin1'));
    const why = reason('file.within', { file: join(root, name), why: reason('file.not-utf8') });
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.label-list', params: { reason: why } });
  });

  it('need not be what a text in another encoding is', async () => {
    await flowers(dog, cat);
    await put('README.txt', Buffer.from('Größe, été', 'latin1'));
    expect((await listDataset(root)).splitMade).toBe(true);
  });

  it.each([
    ['1 a\n2 b\n3 0\n', 'data.list-unknown', null],
    ['1,0\n2,1\n3,2\n4,0\n', 'data.read-numbered-list', 0],
    ['1,1\n2,2\n3,3\n4,1\n', 'data.read-numbered-list', 1],
  ])('number classes by evidence: %j', async (text, code, from) => {
    await flowers('a', 'b', 'c');
    await put('val.txt', text);
    const dataset = await listDataset(root);
    const said = [...dataset.notes, ...dataset.warnings].find((one) => one.code === code);
    expect(said).toBeDefined();
    if (from !== null) expect(said?.params.from).toBe(from);
    if (from !== null) expect(labelled(dataset, dataset.val)).toContain('val/2.jpg b');
  });

  it('that may count from 0 or 1 are refused until a person says', async () => {
    await flowers('a', 'b', 'c');
    await put('val.csv', 'file,label\n1.jpg,1\n2.jpg,2\n3.jpg,1\n4.jpg,2\n');
    await expect(listDataset(root)).rejects.toMatchObject({
      code: 'data.list-base',
      params: { list: 'val.csv', lowest: 1, highest: 2, classes: 3, first: 'labels=0', second: 'labels=1' },
    });
    const [zero, one] = await Promise.all(['labels=0', 'labels=1'].map((reading) => listDataset(root, { reading })));
    expect([labelled(zero, zero.val)[0], labelled(one, one.val)[0]]).toEqual(['val/1.jpg b', 'val/1.jpg a']);
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['"1.jpg,a\n2.jpg,b\n', 'data.list-line', { list: 'val.csv' }],
    ['1.jpg,a\n2.jpg,\n', 'data.list-line', { line: 2, reason: reason('list.no-label') }],
    ['1.jpg,a\n2.jpg,b\n1.jpg,b\n', 'data.list-twice', { line: 3 }],
    ['1.jpg,0\n2.jpg,7\n', 'data.list-range', { line: 2, got: '7' }],
    ['1.jpg,5,6\n2.jpg,6,5\n', 'data.list-columns', { columns: '2, 3' }],
  ])('that cannot be used are an error, not passed over: %j', async (text, code, params) => {
    await flowers('a', 'b');
    await put('val.csv', text);
    await expect(listDataset(root)).rejects.toMatchObject({ code, params });
  });

  it('that differ are refused until a person says which counts', async () => {
    await flowers('a', 'b');
    await put('val.csv', '1.jpg,a\n2.jpg,b\n');
    await put('labels.csv', '1.jpg,b\n2.jpg,b\n');
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.lists-differ' });
    const dataset = await listDataset(root, { reading: 'list=labels.csv' });
    expect(labelled(dataset, dataset.val)).toEqual(['val/1.jpg b', 'val/2.jpg b']);
  });

  it('that name no image, or are no table, are named beside the one that counts', async () => {
    await flowers('a', 'b');
    await put('val.csv', '1.jpg,a\n2.jpg,b\n');
    await put('prices.csv', 'x,1\ny,2\n');
    await put('broken.csv', '1.jpg,a\n1.jpg,b\n');
    const dataset = await listDataset(root);
    expect(labelled(dataset, dataset.val)).toEqual(['val/1.jpg a', 'val/2.jpg b']);
    const [note] = dataset.notes.filter(({ code }) => code === 'data.lists-unused');
    expect(note.params.lists).toMatch(/^broken\.csv \(.*line 2.*another class.*\), prices\.csv$/);
  });

  it('give the classes of flat training images; test without labels is not used', async () => {
    await make(...images(30, 'train'), ...images(5, 'test'));
    const refused = { code: 'data.flat', params: { folder: 'train', count: 30 } };
    await expect(listDataset(root)).rejects.toMatchObject(refused);
    const lines = Array.from({ length: 30 }, (_, at) => `${at + 1},${at % 2 ? 'setter' : 'beagle'}`);
    await put('labels.csv', `id,breed\n${lines.join('\n')}\n`);
    await put('sample_submission.csv', 'id,breed\n1,beagle\n2,beagle\n');
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ classes: ['beagle', 'setter'], splitMade: true });
    expect([...dataset.train, ...dataset.val].every(({ file }) => file.startsWith('train/'))).toBe(true);
    expect(dataset.train.length + dataset.val.length).toBe(30);
  });
});

describe('a zip archive', () => {
  it('is read in place, stored, deflated or zip64; what cannot be read is said', async () => {
    await copyFile(join(fixtures, 'mixed.zip'), join(root, 'flowers.zip'));
    const cache = join(root, 'cache');
    const dataset = await listDataset(join(root, 'flowers.zip'), { archiveCache: cache });
    expect(await listDataset(join(root, 'flowers.zip'), { archiveCache: cache })).toEqual(dataset);
    expect(dataset.classes).toEqual(['rose', '郁金香']);
    expect(dataset.warnings).toMatchObject([{ code: 'data.unreadable', params: { path: 'flowers/rose/bzip2.png' } }]);
    expect(dataset.notes.map(({ code }) => code)).toEqual([
      'data.read-wrapped',
      'data.passed-images',
      'data.passed-junk',
    ]);
    const contents = [...dataset.train, ...dataset.val].map(({ file }) => readNow(samplePlace(dataset, file)));
    const texts = contents.map((bytes) => Buffer.from(bytes).toString());
    expect(texts.map((text) => text.slice(0, 11)).sort()).toEqual(['deflated ro', 'outside', 'stored rose', 'zip64 tulip']); // prettier-ignore
    const whole = await readSample(dataset, 'flowers/rose/deflated.png', { timeout: 5000 });
    expect(Buffer.from(whole).toString()).toBe('deflated rose '.repeat(500));
  });

  it('may hold archives of classes, tar or zip, stored as they are', async () => {
    const image = (text: string): ZipContent => ({ name: `${text}.png`, size: text.length, content: () => Buffer.from(text) }); // prettier-ignore
    const stored = (name: string, bytes: Buffer): ZipContent => ({ name, size: bytes.length, content: () => bytes });
    const zip = (...files: ZipContent[]): Buffer => Buffer.concat([...writeZip(files)]);
    await put('owl/owl.png', 'owl');
    execFileSync('tar', ['-cf', join(root, 'owl.tar'), '-C', join(root, 'owl'), 'owl.png']);
    const tar = await readFile(join(root, 'owl.tar'));
    const train = [stored('train/cat.zip', zip(image('cat'))), stored('train/owl.tar', tar)];
    const val = [stored('val/cat.zip', zip(image('kitten'))), stored('val/owl.tar', tar)];
    await put('deep/all.zip');
    await writeFile(join(root, 'deep/all.zip'), zip(...train, ...val));
    const dataset = await listDataset(join(root, 'deep/all.zip'));
    expect(labelled(dataset, dataset.val)).toEqual(['val/cat.zip/kitten.png cat', 'val/owl.tar/owl.png owl']);
    const texts = [...dataset.train, ...dataset.val].map(({ file }) =>
      Buffer.from(readNow(samplePlace(dataset, file))),
    );
    expect(texts.map(String).sort()).toEqual(['cat', 'kitten', 'owl', 'owl']);
  });

  it('that is damaged says so, and cannot inflate to more than it states', async () => {
    const bytes = await readFile(join(fixtures, 'mixed.zip'));
    for (let length = 0; length < bytes.length; length += 97) {
      await writeFile(join(root, 'cut.zip'), bytes.subarray(0, length));
      await expect(listDataset(join(root, 'cut.zip'))).rejects.toMatchObject({ code: 'data.no-classes' });
    }
    await copyFile(join(fixtures, 'mixed.zip'), join(root, 'whole.zip'));
    const dataset = await listDataset(join(root, 'whole.zip'));
    const place = samplePlace(dataset, 'flowers/rose/deflated.png');
    expect(() => readNow({ ...place, inflated: 100 })).toThrow('damaged');
    expect(() => readNow({ ...place, inflated: 10_000 })).toThrow('damaged');
    expect(() => readNow({ ...place, inflated: 2 ** 40 })).toThrow('larger than 1 GiB');
  });
});

describe('withReading', () => {
  it.each([
    ['', 'classes', 'classes'],
    ['classes', 'train=a,val=b', 'train=a,val=b'],
    ['train=a,val=b,labels=1', 'train=c', 'train=c,labels=1'],
    ['train=a,val=b', 'classes', 'classes'],
    ['list=a.csv,labels=0', 'labels=1', 'list=a.csv,labels=1'],
    ['classes', 'list=a,b.csv', 'classes,list=a,b.csv'],
  ])('adds to "%s" what "%s" says', (said, added, both) => expect(withReading(said, added)).toBe(both));
});

describe('parseReading', () => {
  it('takes names with commas, and refuses what it does not know', () => {
    expect(parseReading('train=a,b,val=c, labels=1')).toMatchObject({ train: 'a,b', val: 'c', labels: 1 });
    expect(parseReading('auto')).toEqual(parseReading(''));
    for (const text of ['nonsense', 'labels=2', 'val=x', 'train=', 'classes,train=a'])
      expect(() => parseReading(text)).toThrow('expected classes');
  });
});

describe('splitName', () => {
  it.each([
    ['train', 'train', true, ''],
    ['Training Set', 'train', false, ''],
    ['train2017', 'train', false, ''],
    ['imagesVal', 'val', false, ''],
    ['hold-out', 'val', false, ''],
    ['测试', 'test', false, ''],
    ['flowers_test', 'test', false, 'flowers'],
  ])('reads %s', (name, role, exact, rest) => expect(splitName(name)).toEqual({ role, exact, rest }));
  it.each(['trained', 'invalid', 'strain', 'protest', 'train_test', 'devil'])('finds no split in %s', (name) =>
    expect(splitName(name)).toBe(null),
  );
});
