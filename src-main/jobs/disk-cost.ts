import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DiskCost } from '../protocol/data-types.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { totalEpochs, type Recipe } from '../protocol/recipe.ts';
import { readableBytes } from '../base/bytes.ts';
import { listCheckpoints } from '../runs/checkpoint.ts';

/**
 * Counts the bytes that checkpoints of a recipe take: those that are kept (the newest, the best, and the best of the
 * moving average) and the one that is being written, because the oldest goes only when a new one is whole. Pinned ones
 * come on top.
 * @param bytes of one checkpoint.
 */
export function checkpointCost(recipe: Recipe, bytes: number): Pick<DiskCost, 'checkpoint' | 'kept' | 'total'> {
  const { keepCheckpoints, modelEma, saveEvery, saveMinutes } = recipe;
  const most = keepCheckpoints + (modelEma ? 2 : 1);
  const written = saveMinutes > 0 ? Infinity : Math.ceil(totalEpochs(recipe) / Math.max(1, saveEvery));
  const kept = Math.min(most, written);
  return { checkpoint: bytes, kept, total: bytes * (kept + (written > kept ? 1 : 0)) };
}

/**
 * Compares the bytes of a recipe's checkpoints with the free bytes on the disk of its run; null while its model is not
 * known.
 * @param path the folder of its run, or the one that runs go to.
 * @param freeOf counts the free bytes on the disk of a folder.
 */
export async function diskCost(
  recipe: Recipe,
  bytes: number,
  path: string,
  freeOf = freeBytes,
): Promise<DiskCost | null> {
  if (bytes === 0) return null;
  const held = listCheckpoints(path).reduce((sum, info) => sum + info.bytes, 0);
  return { ...checkpointCost(recipe, bytes), held, free: await freeOf(path), path };
}

/** Returns the note that checkpoints have no room; null when they have. */
export function tooLittleDisk({ total, held, free, path }: DiskCost): StillhouseError | null {
  const needed = total - held;
  if (needed <= free) return null;
  return new StillhouseError('disk.reserve', { path, needed: readableBytes(needed), free: readableBytes(free) });
}

/** Counts the free bytes on the disk of a folder that exists or will. */
export async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? 0 : freeBytes(parent);
  }
}
