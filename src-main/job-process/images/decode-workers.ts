import { bundlePath } from '../../base/bundle.ts';
import { freeMemory } from '../../base/memory.ts';
import type { DecodeWorkers } from '../../data/batches/workers.ts';
import { threadWorkers } from '../../data/batches/worker-threads.ts';
import type { LoaderRecipe } from '../../data/batches/loader.ts';
import type { Engine } from '../../engines/engine.ts';

/** Data with which a thread decodes through this process's engine. */
export interface DecoderData {
  /** Where the engine lies. */
  folder: string;
  context: bigint;
}

/** Starts the threads that make a recipe's images with the engine that was loaded from `folder`. */
export function decodeWorkers(
  folder: string,
  { tensorflow: { context } }: Pick<Engine, 'tensorflow'>,
  recipe: LoaderRecipe,
): DecodeWorkers {
  const data: DecoderData = { folder, context };
  return threadWorkers({ threads: recipe.numWorkers, script: bundlePath('decode.worker.mjs'), data, recipe });
}

const [LEAST, MOST] = [128 * 2 ** 20, 8 * 2 ** 30];

/** Returns how many bytes of decoded images a training keeps in memory: a quarter of the free memory, at most 8 GiB. */
export function imageCacheBytes(): number {
  return Math.max(LEAST, Math.min(MOST, freeMemory() / 4));
}
