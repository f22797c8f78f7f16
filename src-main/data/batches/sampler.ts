import { Random, permutation } from '../random.ts';

/**
 * Says which image comes when. An epoch is one global list of places; ranks take every world-th of them. A place's
 * number in that list also names its random draws, so they do not change with the number of ranks.
 */
export interface SamplerOptions {
  /** Images in the training set. */
  count: number;
  seed: number;
  epoch: number;
  /** Times each image comes in a row before the list is dealt out; 1 (default) is plain shuffling, DeiT's is 3. */
  repeats?: number;
  /** Ranks that share the epoch (default 1) and which one this is (default 0). */
  world?: number;
  rank?: number;
}

/** One rank's share of an epoch: image numbers, and the place of each in the global list. */
export interface Order {
  images: Uint32Array;
  places: Uint32Array;
}

// DeiT rounds the length of an epoch with repeats down to a multiple of this, from 256 images on.
const ROUNDING = 256;

/**
 * Deals out an epoch. Without repeats each rank gets ceil(n / world) images, the list being filled up from its front.
 * With repeats R, the list of R·n is dealt out likewise, and of its share a rank uses only the first
 * floor(floor(n / 256)·256 / world), for n below 256 ceil(n / world): about n draws of n / R different images.
 * Unlike DeiT's sampler, the seed counts, and fewer than 256 images make an epoch (timm's rule).
 */
export function epochOrder(options: SamplerOptions): Order {
  const { count, seed, epoch, repeats = 1, world = 1, rank = 0 } = options;
  const shuffled = permutation(count, new Random(seed, 'order', epoch, 0));
  const share = Math.ceil((count * repeats) / world);
  const used = repeats === 1 ? share : Math.min(share, repeatedLength(count, world));
  const places = Uint32Array.from({ length: used }, (_, turn) => rank + turn * world);
  const images = places.map((place) => shuffled[Math.floor((place % (count * repeats)) / repeats)]);
  return { images, places };
}

function repeatedLength(count: number, world: number): number {
  const rounded = Math.floor(count / ROUNDING) * ROUNDING;
  return rounded > 0 ? Math.floor(rounded / world) : Math.ceil(count / world);
}

/** Counts the whole batches in one rank's share of an epoch; the last, partial one is dropped. */
export function stepsPerEpoch(
  options: Omit<SamplerOptions, 'seed' | 'epoch' | 'rank'> & { batchSize: number },
): number {
  const { count, repeats = 1, world = 1, batchSize } = options;
  const share = Math.ceil((count * repeats) / world);
  const used = repeats === 1 ? share : Math.min(share, repeatedLength(count, world));
  return Math.floor(used / batchSize);
}
