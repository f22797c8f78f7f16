import { expect, it } from 'vitest';
import type { Dataset } from '../../../src-main/data/layout/folder.ts';
import { differenceOf, listingOf } from '../../../src-main/job-process/ranks/listing.ts';
import { sayReason } from '../../../src-main/protocol/reasons.ts';

function dataset(change: (files: string[]) => string[] = (files) => files): Dataset {
  const files = change(Array.from({ length: 300 }, (_, index) => `train/a/${index}.png`));
  const train = files.map((file) => ({ file, label: 0 }));
  const facts = { path: '/data', layout: 'train-val' as const, splitMade: false, set: null, warnings: [], notes: [] };
  return {
    ...facts,
    classes: ['a', 'b'],
    train,
    val: [{ file: 'val/b/0.png', label: 1 }],
    excluded: 0,
    archives: null,
  };
}

const difference = (other: Dataset): string | null => {
  const why = differenceOf(dataset(), listingOf(other));
  return why && sayReason(why);
};

it('finds nothing between equal lists', () => {
  expect(difference(dataset())).toBeNull();
});

it('says how many images there are elsewhere, and where a list differs', () => {
  expect(difference(dataset((files) => files.slice(1)))).toBe('299 training images, not 300');
  const renamed = dataset((files) => files.map((file, index) => (index === 150 ? 'train/a/x.png' : file)));
  expect(difference(renamed)).toBe('the training images differ at train/a/150.png or soon after it');
  expect(difference({ ...dataset(), classes: ['a', 'c'] })).toContain('classes differ at b or soon after it');
});
