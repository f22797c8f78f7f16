import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BatchPreview, PreviewImage } from '../../src-main/protocol/data-types.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { decodeImage } from '../../src-main/runtime/images.ts';
import { jobBundle, jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/** The call `dataset.preview` as its job: with real threads. */
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-preview-'));
const SIDE = 48;
let engine: Engine;
beforeAll(async () => {
  const { loadEngine } = await jobBundle();
  engine = await loadEngine(engineFolder(), { threads: 2 });
  makeTinyData(folder, { size: 80 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function preview(changes: Partial<Recipe>, count = 3, batch = 1): Promise<BatchPreview> {
  const plain = {
    model: 'test_deit_patch16_32',
    dataPath: folder,
    inputSize: SIDE,
    batchSize: 12,
    ...WITHOUT_AUGMENTATION,
  };
  const recipe = parseRecipe({ ...plain, ...changes });
  return jobHere({ kind: 'preview', engine: engineFolder(), threads: 2, recipe, excluded: [], epoch: 2, batch, count })
    .done;
}

async function pixelsOf({ image }: PreviewImage): Promise<Uint8Array> {
  const bytes = Buffer.from(image.replace('data:image/jpeg;base64,', ''), 'base64');
  const { width, height, data } = await decodeImage(engine.tensorflow, bytes);
  expect([width, height]).toEqual([SIDE, SIDE]);
  return data;
}

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, at) => sum + Math.abs(value - b[at]), 0) / a.length;
}

test('shows the images of a batch as the student sees them, with what was drawn', async () => {
  // All twelve, so that each partner is there.
  const plain = await preview({}, 12);
  expect(plain).toMatchObject({ epoch: 2, batch: 1, batches: 4 });
  expect(plain.images).toHaveLength(12);
  expect(new Set(plain.images.map(({ file }) => file)).size).toBe(12);
  for (const { file, classes, mix, operations, erased } of plain.images) {
    expect(classes).toEqual([{ name: file.split('/')[1], share: 1 }]);
    expect([mix, operations, erased]).toEqual(['none', [], 0]);
  }
  const own = await Promise.all(plain.images.map(pixelsOf));

  const mixed = await preview({ mixup: 0.8, mixupProb: 1 }, 12);
  // JPEG and rounding cost some grey levels on this noise; another share or partner would cost tens.
  for (const [row, image] of mixed.images.entries()) {
    const { file, classes, partner, mix } = image;
    expect([file, partner, mix]).toEqual([plain.images[row].file, plain.images[11 - row].file, 'mixup']);
    expect(classes[0].share + classes[1].share).toBeCloseTo(1);
    const expected = own[row].map((value, at) => value * classes[0].share + own[11 - row][at] * classes[1].share);
    expect(meanDifference(await pixelsOf(image), expected)).toBeLessThan(8);
  }
  // A few of the batch are the same as when all are shown.
  const few = await preview({ mixup: 0.8, mixupProb: 1 }, 3);
  expect(few.images).toEqual(mixed.images.slice(0, 3));
});

test('tells operations, boxes and rectangles, and takes the last batch where there are fewer', async () => {
  const policy = { aa: 'rand-m9-n2-p1-inc1', cutmix: 1, mixupProb: 1, reprob: 1, mixupMode: 'elem' as const };
  const { batch, images } = await preview(policy, 12, 99);
  expect(batch).toBe(3);
  expect(images.every(({ operations }) => operations.length === 2)).toBe(true);
  expect(images.some(({ mix, classes }) => mix === 'cutmix' && classes.length === 2)).toBe(true);
  expect(images.some(({ erased }) => erased === 1)).toBe(true);
  expect(images.some(({ flipped }) => flipped)).toBe(true);
  for (const { area } of images) expect(area).toBeGreaterThan(0.07);
  await expect(preview({ ...policy, batchSize: 11 })).rejects.toMatchObject({ code: 'recipe.odd-batch' });
});
