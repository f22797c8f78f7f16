import { reasonOf } from '../../protocol/errors.ts';
import type { Reason } from '../../protocol/reasons.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Pixels } from '../decode/pixels.ts';
import type { Look, ImageMaker } from '../decode/image.ts';
import { Random } from '../random.ts';
import { readNow, type BytesPlace } from '../layout/read-now.ts';

/**
 * Who makes the images of batches: this thread, or threads of their own (`crew-threads.ts`). Both carry out the same
 * orders by {@link carryOut}, so that it does not matter to an image who makes it.
 */

/** One row of a batch to fill. */
export interface ImageOrder {
  place: BytesPlace;
  /** The row of the batch. */
  row: number;
  /** Seed of the draws of a training image: its epoch and place; null: as evaluation sees it. */
  draw: { epoch: number; place: number } | null;
  /** The decoded image, where it is in memory already. */
  pixels: Pixels | null;
  /** Whether the decoded image is wanted back, to be kept. */
  keep: boolean;
}

/** Orders for one batch, whose rows of `rowBytes` bytes lie in memory that threads share. */
export interface WorkersTask {
  images: Uint8Array;
  rowBytes: number;
  orders: ImageOrder[];
}

/** An order that could not be carried out. */
export interface FailedOrder {
  /** Its place among the orders. */
  order: number;
  reason: Reason;
  /** Whether it was the disk that failed, not the decoder. */
  disk: boolean;
}

/** The result of a task. Rows of orders that failed hold anything. */
export interface WorkersResult {
  failed: FailedOrder[];
  /** Decoded images that were wanted back, by the place of the order. */
  kept: [order: number, pixels: Pixels][];
}

export interface DecodeWorkers {
  /** Tasks that may be under way together without waiting for each other. */
  readonly size: number;
  /** Rejects only when the crew itself breaks. */
  make(task: WorkersTask): Promise<WorkersResult>;
  /** Ends it; what is under way never settles. */
  close(): Promise<void>;
}

/** Told what is being read, so that a disk that hangs can be noticed from outside. */
export interface ReadWatch {
  /** Order number `order` is about to be read. */
  reading(order: number): void;
  /** It was read. @returns false when nobody waits for it any more: then no row may be written. */
  read(order: number): boolean;
}

/**
 * Makes the rows of a task one after the other and yields what came of each file. Images that follow each other are
 * read once.
 */
export function* carryOut(
  maker: ImageMaker,
  seed: number,
  { images, rowBytes, orders }: WorkersTask,
  watch: ReadWatch,
): Generator<WorkersResult, void, undefined> {
  for (let first = 0, end = 0; first < orders.length; first = end) {
    const { place, pixels, keep } = orders[first];
    end = sameFileUntil(orders, first);
    const looks = orders.slice(first, end).map(({ row, draw }): [Look, Uint8Array] => {
      const look = draw ? { draws: new Random(seed, 'augment', draw.epoch, draw.place) } : 'eval';
      return [look, images.subarray(row * rowBytes, (row + 1) * rowBytes)];
    });
    try {
      let whole: Pixels | null = null;
      if (pixels) maker.fromPixels(pixels, looks);
      else {
        watch.reading(first);
        const bytes = readNow(place);
        if (!watch.read(first)) return;
        whole = maker.fromFile(bytes, looks, keep);
      }
      yield { failed: [], kept: whole ? [[first, whole]] : [] };
    } catch (error) {
      if (!watch.read(first)) return;
      const disk = error instanceof Error && 'syscall' in error;
      yield { failed: failures(first, end, reasonOf(error), disk), kept: [] };
    }
  }
}

/** Finds the first order after `first` that belongs to another file. */
export function sameFileUntil(orders: readonly ImageOrder[], first: number): number {
  const { path, offset } = orders[first].place;
  let end = first + 1;
  while (end < orders.length && orders[end].place.path === path && orders[end].place.offset === offset) end++;
  return end;
}

/** Reports the same failure for the orders from `first` up to below `end`. */
export function failures(first: number, end: number, reason: Reason, disk: boolean): FailedOrder[] {
  return Array.from({ length: end - first }, (_, at) => ({ order: first + at, reason, disk }));
}

/** Makes a decode worker out of this thread, which lets other work run after each file. */
export function soloWorkers(maker: ImageMaker, seed: number): DecodeWorkers {
  let closed = false;
  return {
    size: 1,
    make: async (task) => {
      const result: WorkersResult = { failed: [], kept: [] };
      for (const { failed, kept } of carryOut(maker, seed, task, { reading: () => undefined, read: () => true })) {
        result.failed.push(...failed);
        result.kept.push(...kept);
        await nextTurn();
        if (closed) return new Promise(() => undefined);
      }
      return result;
    },
    close: async () => void (closed = true),
  };
}
