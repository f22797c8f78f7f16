import { createLoader, type Loader, type LoaderOptions } from '../../data/batches/loader.ts';
import type { DecodeWorkers } from '../../data/batches/workers.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Model } from '../../model/model.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { noiseRows } from '../../train/submodels.ts';
import { imageCacheBytes } from './decode-workers.ts';
import { trainingRecipe } from './loader-recipe.ts';

interface Parts {
  dataset: Dataset;
  /** As one rank has it, where several share the images of a step. */
  recipe: Recipe;
  student: Model;
  share?: LoaderOptions['share'];
  /** Hears of each file that cannot be read. */
  onSkip: (skipped: StillhouseError) => void;
}

/** Makes the batches of a training, as its recipe augments them. */
export function trainingLoader(workers: DecodeWorkers, { dataset, recipe, student, share, onSkip }: Parts): Loader {
  return createLoader({
    ...{ dataset, recipe: trainingRecipe(recipe), workers, cacheBytes: imageCacheBytes() },
    ...(share && { share }),
    noiseRows: noiseRows(student, recipe),
    onSkip: ({ file, reason }) => onSkip(new StillhouseError('data.unreadable', { path: file, reason })),
  });
}
