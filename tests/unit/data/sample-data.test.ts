import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listDataset, summarise } from '../../../src-main/data/layout/folder.ts';
import { imageSize } from '../../../src-main/data/decode/image-size.ts';
import {
  buildSample,
  hasSample,
  SAMPLE_BYTES,
  type SampleProgress,
} from '../../../src-main/service/data/sample-data.ts';

let root: string;
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'stillhouse-sample-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

it('stops a download when asked, leaving no half-made data set', async () => {
  const stop = new AbortController();
  const folder = join(root, 'stopped');
  const onProgress = (): void => stop.abort();
  const building = buildSample({ folder, cache: join(root, 'cache'), onProgress, signal: stop.signal });
  await expect(building).rejects.toMatchObject({ code: 'job.cancelled' });
  expect(existsSync(folder)).toBe(false);
});

it('builds thousands of images in nine classes with one drawing style held out', { timeout: 300_000 }, async () => {
  const folder = join(root, 'sample');
  const seen: SampleProgress[] = [];
  await buildSample({ folder, cache: join(root, 'cache'), onProgress: (progress) => seen.push(progress) });
  const dataset = await listDataset(folder);
  const counted = summarise(dataset).classes.map(({ name, train, val }) => `${name} ${train} ${val}`);
  expect(counted).toEqual([
    'activities 181 64',
    'animals-nature 310 108',
    'flags 716 264',
    'food-drink 252 88',
    'objects 565 192',
    'people-body 586 234',
    'smileys-emotion 375 128',
    'symbols 594 204',
    'travel-places 578 199',
  ]);
  expect(dataset).toMatchObject({ layout: 'train-val', splitMade: false, warnings: [] });
  expect(dataset.train.some(({ file }) => file.includes('twemoji'))).toBe(false);
  expect(dataset.val.every(({ file }) => file.endsWith('-twemoji.png'))).toBe(true);
  const sizes = await Promise.all(
    [...dataset.train.slice(0, 50), ...dataset.val.slice(0, 50)].map(async ({ file }) =>
      imageSize(await readFile(join(folder, file))),
    ),
  );
  expect(new Set(sizes.map((size) => JSON.stringify(size)))).toEqual(
    new Set([JSON.stringify({ format: 'png', width: 64, height: 64 })]),
  );
  expect(await readdir(join(folder, 'licences'))).toHaveLength(4);
  expect(await readFile(join(folder, 'SOURCES.txt'), 'utf8')).toContain('Twemoji');
  expect(await readdir(root)).toEqual(['sample']);
  const downloads = seen.filter(({ stage }) => stage === 'download');
  expect(downloads.at(-1)).toEqual({ stage: 'download', done: SAMPLE_BYTES, total: SAMPLE_BYTES, unit: 'bytes' });
  expect(await hasSample(folder)).toBe(true);
});
