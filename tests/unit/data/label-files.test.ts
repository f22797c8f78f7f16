import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { imagenetSynsets, readClassIndex, readRealLabels } from '../../../src-main/data/layout/label-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-labels-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(value: unknown): string {
  const path = join(folder, 'labels.json');
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

const synsets = imagenetSynsets();
const image = (number: number): string => `val/n01440764/ILSVRC2012_val_${String(number).padStart(8, '0')}.JPEG`;

describe('real.json', () => {
  it('goes by the numbers of the images and the order of ImageNet', async () => {
    // The data may have fewer classes, in their own places.
    const classes = [synsets[5], synsets[0]];
    const path = written([[0, 5], [], [7], [0]]);
    const found = await readRealLabels(path, [image(1), image(2), image(3), 'val/x/other.png'], classes);
    expect([...found.get(image(1))!]).toEqual([1, 0]);
    expect(found.get(image(2))!.size).toBe(0);
    expect([...found.get(image(3))!]).toEqual([-1]);
    expect(found.has('val/x/other.png')).toBe(false);
  });

  it.each([
    ['{', 'it is not JSON'],
    [{ a: 1 }, 'a list of lists'],
    [[0], 'list 1 holds 0'],
    [[[1000]], 'from 0 to 999'],
    [[['dog']], 'list 1 holds ["dog"]'],
    [[], 'there is image 1'],
  ])('that is %j is refused with what is wrong', async (value, reason) => {
    const wrong = readRealLabels(written(value), [image(1)], synsets);
    await expect(wrong).rejects.toMatchObject({ code: 'evaluation.real', message: expect.stringContaining(reason) }); // prettier-ignore
  });

  it('is refused for images and classes that are not of ImageNet', async () => {
    await expect(readRealLabels(written([[1]]), ['val/a.png'], synsets)).rejects.toMatchObject({
      message: expect.stringContaining('ILSVRC2012_val_00000001.JPEG'),
    });
    await expect(readRealLabels(written([[1]]), [image(1)], ['cat'])).rejects.toMatchObject({
      message: expect.stringContaining('not those of ImageNet'),
    });
    await expect(readRealLabels(join(folder, 'gone.json'), [image(1)], synsets)).rejects.toMatchObject({
      code: 'file.missing',
    });
  });
});

describe('a class index', () => {
  it('is read as Keras, ImageNet-V2 and plain lists have it', async () => {
    const names = ['n01440764', 'n01443537'];
    expect(await readClassIndex(written({ 1: ['n01443537', 'goldfish'], 0: ['n01440764', 'tench'] }))).toEqual(names);
    const own = [{ cid: 1, wnid: 'n01443537', synset: ['goldfish'] }, { cid: 0, wnid: 'n01440764' }]; // prettier-ignore
    expect(await readClassIndex(written(own))).toEqual(names);
    expect(await readClassIndex(written(names))).toEqual(names);
  });

  it.each([
    [{ 0: ['a'], 2: ['b'] }, 'without a gap'],
    [{ a: ['b'] }, 'names no number and class'],
    [[{ cid: 0, wnid: 'a' }, { cid: 0, wnid: 'b' }], 'number 0 is there twice'], // prettier-ignore
    ['7', 'an object or a list'],
  ])('that is %j is refused with what is wrong', async (value, reason) => {
    await expect(readClassIndex(written(value))).rejects.toMatchObject({
      code: 'evaluation.class-index',
      message: expect.stringContaining(reason),
    });
  });
});
