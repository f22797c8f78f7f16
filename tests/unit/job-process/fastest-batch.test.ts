import { expect, it } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { fastestBatch } from '../../../src-main/job-process/evaluation/fastest-batch.ts';

const always = () => Promise.resolve(true);
/** A machine that takes a millisecond to begin, and one for each image beyond `lanes`. */
const machine = (lanes: number) => (batch: number) =>
  Promise.resolve((1000 * batch) / (1 + Math.max(1, batch / lanes)));

it('stops when two larger batches are no faster, and takes the fastest', async () => {
  const speeds = new Map([[1, 100], [2, 150], [4, 149], [8, 152.9], [16, 300]]); // prettier-ignore
  const speed = (batch: number) => Promise.resolve(speeds.get(batch)!);
  const found = await fastestBatch({ first: 1, fits: always, speed });
  expect(found).toMatchObject({ batch: 8, imagesPerSecond: 152.9, end: 'no-gain' });
  expect(found!.tried.map(({ batch }) => batch)).toEqual([1, 2, 4, 8]);
  const later = await fastestBatch({ first: 1, fits: always, speed: machine(4) });
  expect(later).toMatchObject({ end: 'no-gain' });
  expect(later!.batch).toBe(512);
});

it('stops where memory ends, by the forecast or by the device', async () => {
  const fits = (batch: number) => Promise.resolve(batch <= 4);
  expect(await fastestBatch({ first: 1, fits, speed: machine(64) })).toMatchObject({ batch: 4, end: 'memory' });
  const full = new StillhouseError('device.out-of-memory', { reason: 'full' });
  const speed = (batch: number) => (batch > 8 ? Promise.reject(full) : machine(64)(batch));
  expect(await fastestBatch({ first: 2, fits: always, speed })).toMatchObject({ batch: 8, end: 'memory' });
  await expect(fastestBatch({ first: 1, fits: always, speed: () => Promise.reject(full) })).rejects.toThrow(full);
});

it('ends with the largest batch, and tells nothing when stopped', async () => {
  const endless = (batch: number) => Promise.resolve(1000 * batch);
  expect(await fastestBatch({ first: 1, fits: always, speed: endless })).toMatchObject({ batch: 4096, end: 'most' });
  expect(await fastestBatch({ first: 1, fits: always, speed: () => Promise.resolve(null) })).toBeNull();
});
