import { stat } from 'node:fs/promises';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { ReasonError, reason, type Reason } from '../../protocol/reasons.ts';
import { byteCache } from './byte-cache.ts';
import type { DecodeWorkers, FailedOrder, ImageOrder } from './workers.ts';
import type { Pixels } from '../decode/pixels.ts';
import type { Sample } from '../layout/sample.ts';
import type { BytesPlace } from '../layout/read-now.ts';

/** The image that a row of a batch shows. */
export interface Wanted {
  sample: Sample;
  row: number;
  /** Seed of its draws; null: as evaluation sees it. */
  draw: ImageOrder['draw'];
}

/** An image that was to be used and could not. */
export interface SkippedImage {
  /** Relative to the data folder. */
  file: string;
  reason: Reason;
}

/** Has images made by a crew, and remembers those it has seen while there is room. */
export interface ImageCache {
  /**
   * Fills rows of `images`. Returns the rows that failed; each failing file is reported once.
   * Rejects with StillhouseError `data.vanished` when the data folder is gone or does not answer.
   */
  fill<One extends Wanted>(images: Uint8Array, wanted: readonly One[]): Promise<One[]>;
  /** Why the last image that failed did. */
  lastReason(): Reason;
}

export interface ImageCacheOptions {
  workers: DecodeWorkers;
  recipe: { inputSize: number };
  /** The data folder. */
  path: string;
  place(file: string): BytesPlace;
  onSkip(skipped: SkippedImage): void;
  cacheBytes?: number;
  folderTimeout?: number;
}

export function imageCache(options: ImageCacheOptions): ImageCache {
  const { workers, cacheBytes = 256 * 2 ** 20 } = options;
  const rowBytes = options.recipe.inputSize ** 2 * 3;
  const decoded = byteCache<Pixels>(cacheBytes);
  const evaluated = byteCache<Uint8Array>(cacheBytes);
  const told = new Set<string>();
  let last = reason('file.empty');
  const orderOf = ({ sample: { file }, row, draw }: Wanted): ImageOrder => {
    const pixels = decoded.get(file) ?? null;
    return { place: options.place(file), row, draw, pixels, keep: draw !== null && !pixels && decoded.hasRoom() };
  };
  const skip = async ({ sample: { file } }: Wanted, failure: FailedOrder): Promise<void> => {
    // One file missing is an accident, the whole folder missing is the end.
    if (failure.disk) await assertFolder(options.path, options.folderTimeout);
    last = reason('file.within', { file, why: failure.reason });
    if (!told.has(file)) options.onSkip({ file, reason: failure.reason });
    told.add(file);
  };
  return {
    fill: async (images, wanted) => {
      const rowOf = ({ row }: Wanted): Uint8Array => images.subarray(row * rowBytes, (row + 1) * rowBytes);
      const unknown = wanted.filter((one) => {
        const known = one.draw ? undefined : evaluated.get(one.sample.file);
        if (known) rowOf(one).set(known);
        return !known;
      });
      if (unknown.length === 0) return [];
      const { failed, kept } = await workers.make({ images, rowBytes, orders: unknown.map(orderOf) });
      for (const [order, pixels] of kept) decoded.keep(unknown[order].sample.file, pixels, pixels.data.byteLength);
      for (const failure of failed) await skip(unknown[failure.order], failure);
      const lost = new Set(failed.map(({ order }) => unknown[order]));
      for (const one of unknown)
        if (!one.draw && !lost.has(one) && evaluated.hasRoom())
          evaluated.keep(one.sample.file, rowOf(one).slice(), rowBytes);
      return [...lost];
    },
    lastReason: () => last,
  };
}

async function assertFolder(path: string, timeout = 30_000): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ReasonError(reason('os.silent', { seconds: timeout / 1000 }))), timeout);
  });
  try {
    await Promise.race([stat(path), late]);
  } catch (cause) {
    throw new StillhouseError('data.vanished', { path, reason: reasonOf(cause) }, { cause });
  } finally {
    clearTimeout(timer);
  }
}
