import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inspectFolder, listDataset, samplePath } from '../../../src-main/data/layout/folder.ts';
import { stratifiedSplit } from '../../../src-main/data/layout/split.ts';
import { asNobody } from '../../helpers/as-nobody.ts';
import { reason, sayReason } from '../../../src-main/protocol/reasons.ts';

let home: string;
let root: string;
let counter = 0;
beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), 'stillhouse-folder-'))));
afterAll(() => rm(home, { recursive: true, force: true }));
beforeEach(async () => void (await mkdir((root = join(home, String(counter++))))));

/** Makes files (and folders, for names that end in /) under the test's root. */
async function make(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(join(root, name.endsWith('/') ? name : dirname(name)), { recursive: true });
    if (!name.endsWith('/')) await writeFile(join(root, name), '');
  }
}
const codes = (warnings: { code: string }[]): string[] => warnings.map(({ code }) => code);

describe('listDataset', () => {
  it('reads train and val folders as torchvision does', async () => {
    await make('train/b/2.JPG', 'train/b/10.jpeg', 'train/a/x.png', 'train/a/deep/er/y.webp', 'train/a/notes.txt');
    await make('val/a/v.gif', 'val/b/w.PPM', 'readme.md', 'extra/z.png');
    const dataset = await listDataset(root);
    expect(dataset).toEqual({
      path: root,
      set: null,
      layout: 'train-val',
      classes: ['a', 'b'],
      train: [
        { file: 'train/a/x.png', label: 0 },
        { file: 'train/a/deep/er/y.webp', label: 0 },
        { file: 'train/b/10.jpeg', label: 1 },
        { file: 'train/b/2.JPG', label: 1 },
      ],
      val: [
        { file: 'val/a/v.gif', label: 0 },
        { file: 'val/b/w.PPM', label: 1 },
      ],
      splitMade: false,
      warnings: [],
      notes: [
        expect.objectContaining({ code: 'data.beside', params: { folders: 'extra' } }),
        expect.objectContaining({ code: 'data.passed-files', params: { count: 1, kinds: '1 × .txt' } }),
      ],
      excluded: 0,
      archives: null,
    });
    expect(samplePath(dataset, dataset.train[1])).toBe(join(root, 'train', 'a', 'deep', 'er', 'y.webp'));
  });

  it('sets a tenth of each class aside where there is no val', async () => {
    const names = [...Array(40).keys()];
    await make(...names.map((n) => `cat/${n}.jpg`), ...names.slice(0, 4).map((n) => `dog/${n}.jpg`), 'eel/only.jpg');
    const dataset = await listDataset(root);
    expect(dataset).toMatchObject({ layout: 'classes', splitMade: true, classes: ['cat', 'dog', 'eel'] });
    const perClass = (samples: { label: number }[]): number[] =>
      [0, 1, 2].map((label) => samples.filter((sample) => sample.label === label).length);
    expect([perClass(dataset.train), perClass(dataset.val)]).toEqual([
      [36, 3, 1],
      [4, 1, 0],
    ]);
    const both = new Set([...dataset.train, ...dataset.val].map(({ file }) => file));
    expect(both.size).toBe(45);
    expect(await listDataset(root)).toEqual(dataset);
  });

  it('sorts class names by code point', async () => {
    const names = ['b', 'B', 'ü', '\uffee', '😀', 'a b', 'a', '-', '_', 'عربي', 'line\nbreak'];
    await make(...names.map((name) => `train/${name}/1.png`), ...names.map((name) => `val/${name}/1.png`));
    const { classes, train } = await listDataset(root);
    expect(classes).toEqual(['-', 'B', '_', 'a', 'a b', 'b', 'line\nbreak', 'ü', 'عربي', '\uffee', '😀']);
    expect(train.at(-1)).toEqual({ file: 'train/😀/1.png', label: 10 });
  });

  it('follows links and survives those that lead in circles', async () => {
    await make('classes/a/1.png', 'elsewhere/2.png', 'elsewhere/class/3.png');
    root = join(root, 'classes');
    await symlink(join(root, '..', 'elsewhere'), join(root, 'a', 'more'));
    await symlink(root, join(root, 'a', 'up'));
    await symlink(join(root, 'a'), join(root, '..', 'elsewhere', 'back'));
    await symlink(join(root, '..', 'elsewhere', 'class'), join(root, 'b'));
    await symlink(join(root, '..', 'elsewhere', '2.png'), join(root, 'a', 'linked.png'));
    await symlink('nowhere', join(root, 'a', 'broken.jpg'));
    const { train, val, classes } = await listDataset(root);
    expect(classes).toEqual(['a', 'b']);
    const files = [...train, ...val].map(({ file }) => file).sort();
    expect(files).toEqual(['a/1.png', 'a/broken.jpg', 'a/linked.png', 'a/more/2.png', 'a/more/class/3.png', 'b/3.png']);
  });

  it('warns of empty classes and of classes that differ between the splits', async () => {
    await make('train/a/1.png', 'train/b/1.png', 'train/empty/', 'train/.cache/', 'val/a/1.png', 'val/c/1.png');
    const { classes, train, val, warnings } = await listDataset(root);
    expect(classes).toEqual(['a', 'b', 'empty']);
    expect(train).toHaveLength(2);
    expect(val).toEqual([{ file: 'val/a/1.png', label: 0 }]);
    expect(codes(warnings)).toEqual(['data.empty-class', 'data.class-mismatch']);
    expect(warnings[0].params).toEqual({ path: join('train', 'empty') });
    expect(sayReason(warnings[1].params.difference)).toBe(
      'without val images (2): b, empty; only in val, not used (1): c',
    );
  });

  it('takes a folder named train for a class when it is one', async () => {
    await make('train/1.jpg', 'train/2.jpg', 'bus/1.jpg', 'bus/2.jpg');
    expect(await listDataset(root)).toMatchObject({ layout: 'classes', classes: ['bus', 'train'] });
  });

  it('accepts other names of val, and makes a split where there are only loose images', async () => {
    await make('Train/a/1.jpg', 'Train/b/1.jpg', 'Train/b/2.jpg', 'test/loose.jpg');
    const split = await listDataset(root);
    expect(split).toMatchObject({ layout: 'train-val', splitMade: true, val: [{ label: 1 }] });
    expect(sayReason(split.warnings[0].params.difference)).toBe('test holds no class folders');
    await make('validation/a/9.jpg', 'validation/b/9.jpg');
    const given = await listDataset(root);
    expect(given).toMatchObject({
      splitMade: false,
      warnings: [],
      val: [{ file: 'validation/a/9.jpg' }, { label: 1 }],
    });
  });

  it('passes over links that lead nowhere', async () => {
    await make('a/1.png', 'b/1.png');
    await symlink('round', join(root, 'a', 'round'));
    await symlink(join(root, 'gone'), join(root, 'b', 'gone'));
    expect((await listDataset(root)).train.length).toBe(2);
  });

  // Root may read everything.
  it('names a class folder that may not be read and goes on', async () => {
    await make('a/1.png', 'b/1.png');
    for (const folder of [dirname(root), root]) await chmod(folder, 0o755);
    await chmod(join(root, 'b'), 0);
    const { classes, warnings } = await asNobody(() => listDataset(root));
    await chmod(join(root, 'b'), 0o700);
    expect(classes).toEqual(['a', 'b']);
    expect(warnings[0]).toMatchObject({ code: 'data.unreadable', params: { path: 'b', reason: reason('os.denied') } });
  });

  it('says when there is one class only', async () => {
    await make('only/1.png', 'only/2.png');
    expect(codes((await listDataset(root)).warnings)).toEqual(['data.one-class']);
  });

  it('names classes that Windows and macOS take for one', async () => {
    await make('Cat/1.png', 'Cat/2.png', 'cat/1.png', 'cat/2.png', 'dog/1.png', 'dog/2.png');
    const { classes, warnings } = await listDataset(root);
    expect(classes).toEqual(['Cat', 'cat', 'dog']);
    expect(warnings).toMatchObject([{ code: 'data.case-twins', params: { classes: 'Cat, cat' } }]);
  });

  it('lists one class with one image, and says what is missing', async () => {
    await make('only/1.png');
    const dataset = await listDataset(root);
    expect([dataset.train.length, dataset.val.length]).toEqual([1, 0]);
    expect(codes(dataset.warnings)).toEqual(['data.one-class', 'data.no-val']);
  });

  it('refuses what is no data folder', async () => {
    await make('file.txt', 'sub/notes.txt', 'sub/deeper/');
    await expect(listDataset(join(root, 'missing'))).rejects.toMatchObject({ code: 'data.no-folder' });
    await expect(listDataset(join(root, 'file.txt'))).rejects.toMatchObject({ code: 'data.no-folder' });
    await expect(listDataset(root)).rejects.toMatchObject({ code: 'data.no-classes', params: { path: root } });
    await expect(listDataset(join(root, 'sub', 'deeper'))).rejects.toMatchObject({ code: 'data.no-classes' });
  });

  it('lists twenty thousand files while its thread answers', async () => {
    const names = [...Array(20000).keys()].map((n) => join(root, `class-${n % 20}`, `${n}.jpg`));
    for (let label = 0; label < 20; label++) await mkdir(join(root, `class-${label}`));
    for (let at = 0; at < names.length; at += 500)
      await Promise.all(names.slice(at, at + 500).map((name) => writeFile(name, '')));
    let [turns, listing] = [0, true];
    const turn = () => {
      turns++;
      if (listing) setImmediate(turn);
    };
    setImmediate(turn);
    const summary = await inspectFolder(root);
    listing = false;
    expect(summary).toMatchObject({ train: 18000, val: 2000 });
    // Between any thousand files others have had their turn.
    expect(turns).toBeGreaterThan(20);
  });
});

describe('stratifiedSplit', () => {
  it('moves few images when one is added', () => {
    const samples = [...Array(100).keys()].map((n) => ({ file: `a/${n}.png`, label: 0 }));
    const before = new Set(stratifiedSplit(samples).val.map(({ file }) => file));
    const after = stratifiedSplit([...samples, { file: 'a/new.png', label: 0 }]).val;
    expect(after.filter(({ file }) => !before.has(file)).length).toBeLessThanOrEqual(1);
  });
});
