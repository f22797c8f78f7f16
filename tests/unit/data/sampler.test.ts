import { describe, expect, it } from 'vitest';
import { epochOrder, stepsPerEpoch } from '../../../src-main/data/batches/sampler.ts';

const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const everything = (count: number): number[] => [...Array(count).keys()];

describe('epochOrder', () => {
  it('shows each image once, in another order each epoch and seed', () => {
    const orders = [
      [0, 0],
      [0, 1],
      [1, 0],
    ].map(([seed, epoch]) => epochOrder({ count: 100, seed: seed, epoch: epoch }));
    for (const { images, places } of orders) {
      expect(sorted(images)).toEqual(everything(100));
      expect([...places]).toEqual(everything(100));
    }
    expect(new Set(orders.map(({ images }) => images.join())).size).toBe(3);
    expect(epochOrder({ count: 100, seed: 0, epoch: 1 })).toEqual(orders[1]);
  });

  it.each([2, 3, 8])('deals the same list out to %i ranks, filled up from its front', (world) => {
    const whole = epochOrder({ count: 100, seed: 7, epoch: 2 }).images;
    const ranks = everything(world).map((rank) => epochOrder({ count: 100, seed: 7, epoch: 2, world, rank }));
    const share = Math.ceil(100 / world);
    const dealt = everything(share * world).map((place) => ranks[place % world].images[Math.floor(place / world)]);
    expect(dealt).toEqual([...whole, ...whole.slice(0, share * world - 100)]);
    expect(sorted(ranks.flatMap(({ places }) => [...places]))).toEqual(everything(share * world));
  });

  it('repeats each image three times in a row and uses a third of them', () => {
    const { images, places } = epochOrder({ count: 1000, seed: 0, epoch: 0, repeats: 3 });
    const shuffled = epochOrder({ count: 1000, seed: 0, epoch: 0 }).images;
    expect(images).toHaveLength(768);
    expect([...images]).toEqual(everything(768).map((place) => shuffled[Math.floor(place / 3)]));
    expect([...places]).toEqual(everything(768));
  });

  it('puts the copies of an image on different ranks at the same time', () => {
    const ranks = [0, 1, 2].map((rank) => epochOrder({ count: 300, seed: 0, epoch: 0, repeats: 3, world: 3, rank }));
    expect(ranks[0].images).toEqual(ranks[1].images);
    expect(ranks[1].images).toEqual(ranks[2].images);
    expect(ranks[0].places[0]).not.toBe(ranks[1].places[0]);
  });

  it('makes an epoch of fewer than 256 images with repeats', () => {
    expect(epochOrder({ count: 100, seed: 0, epoch: 0, repeats: 3 }).images).toHaveLength(100);
    expect(epochOrder({ count: 100, seed: 0, epoch: 0, repeats: 3, world: 8, rank: 7 }).images).toHaveLength(13);
  });
});

describe('stepsPerEpoch', () => {
  it('drops the last partial batch', () => {
    expect(stepsPerEpoch({ count: 100, batchSize: 32 })).toBe(3);
    expect(stepsPerEpoch({ count: 31, batchSize: 32 })).toBe(0);
  });

  it("has DeiT's lengths for ImageNet", () => {
    const imageNet = { count: 1281167, repeats: 3 };
    expect(stepsPerEpoch({ ...imageNet, batchSize: 1 })).toBe(1281024);
    expect(stepsPerEpoch({ ...imageNet, world: 4, batchSize: 1 })).toBe(320256);
    expect(stepsPerEpoch({ ...imageNet, world: 8, batchSize: 1 })).toBe(160128);
    expect(stepsPerEpoch({ ...imageNet, world: 16, batchSize: 1 })).toBe(80064);
    expect(stepsPerEpoch({ ...imageNet, world: 4, batchSize: 256 })).toBe(1251);
  });
});
