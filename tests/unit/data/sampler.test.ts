import { describe, expect, it } from 'vitest';
import { epochOrder, stepsPerEpoch } from '../../../src-main/data/batches/sampler.ts';

const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const everything = (count: number): number[] => [...Array(count).keys()];

describe('epochOrder', () => {
  it('shows each picture once, in another order each epoch and seed', () => {
    const orders = [
      [0, 0],
      [0, 1],
      [1, 0],
    ].map(([seed, epoch]) => epochOrder({ count: 100, seed: seed, epoch: epoch }));
    for (const { pictures, places } of orders) {
      expect(sorted(pictures)).toEqual(everything(100));
      expect([...places]).toEqual(everything(100));
    }
    expect(new Set(orders.map(({ pictures }) => pictures.join())).size).toBe(3);
    expect(epochOrder({ count: 100, seed: 0, epoch: 1 })).toEqual(orders[1]);
  });

  it.each([2, 3, 8])('deals the same list out to %i ranks, filled up from its front', (world) => {
    const whole = epochOrder({ count: 100, seed: 7, epoch: 2 }).pictures;
    const ranks = everything(world).map((rank) => epochOrder({ count: 100, seed: 7, epoch: 2, world, rank }));
    const share = Math.ceil(100 / world);
    const dealt = everything(share * world).map((place) => ranks[place % world].pictures[Math.floor(place / world)]);
    expect(dealt).toEqual([...whole, ...whole.slice(0, share * world - 100)]);
    expect(sorted(ranks.flatMap(({ places }) => [...places]))).toEqual(everything(share * world));
  });

  it('repeats each picture three times in a row and uses a third of them', () => {
    const { pictures, places } = epochOrder({ count: 1000, seed: 0, epoch: 0, repeats: 3 });
    const shuffled = epochOrder({ count: 1000, seed: 0, epoch: 0 }).pictures;
    expect(pictures).toHaveLength(768);
    expect([...pictures]).toEqual(everything(768).map((place) => shuffled[Math.floor(place / 3)]));
    expect([...places]).toEqual(everything(768));
  });

  it('puts the copies of a picture on different ranks at the same time', () => {
    const ranks = [0, 1, 2].map((rank) => epochOrder({ count: 300, seed: 0, epoch: 0, repeats: 3, world: 3, rank }));
    expect(ranks[0].pictures).toEqual(ranks[1].pictures);
    expect(ranks[1].pictures).toEqual(ranks[2].pictures);
    expect(ranks[0].places[0]).not.toBe(ranks[1].places[0]);
  });

  it('makes an epoch of fewer than 256 pictures with repeats', () => {
    expect(epochOrder({ count: 100, seed: 0, epoch: 0, repeats: 3 }).pictures).toHaveLength(100);
    expect(epochOrder({ count: 100, seed: 0, epoch: 0, repeats: 3, world: 8, rank: 7 }).pictures).toHaveLength(13);
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
