import type { Loader } from '../../data/batches/loader.ts';
import { listDataset, type Dataset } from '../../data/layout/folder.ts';
import type { EngineChoice } from '../../jobs/job-protocol.ts';
import type { Model } from '../../model/model.ts';
import type { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { archivesFolder } from '../../runs/places.ts';
import type { Engine } from '../../engines/engine.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { threadingOf } from '../../train/parts.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { trainingRecipe } from '../images/loader-recipe.ts';
import { trainingLoader } from '../images/training-loader.ts';
import type { JobContext } from '../job-context.ts';
import type { Teacher } from '../teacher/teacher.ts';
import { createModels } from './models.ts';

/** What a job opens that goes through the batches of a training without training. */
interface OpenedTraining {
  dataset: Dataset;
  student: Model;
  teacher: Teacher | null;
  engine: Engine;
  /** The caller closes it. */
  loader: Loader;
}

/** Lists the images of a recipe as its training has them. */
export function listImages(recipe: Recipe, excluded: readonly string[]): Promise<Dataset> {
  const { splitSeed, dataPath, dataReading: reading } = recipe;
  const options = { excluded: new Set(excluded), splitSeed, reading, archiveCache: archivesFolder() };
  return listDataset(dataPath, options);
}

/**
 * Lists the images of a recipe, makes its networks, loads the engine and opens its batches.
 * @throws StillhouseError what would keep the training from starting.
 */
export async function openTraining(
  job: EngineChoice & { recipe: Recipe; excluded: readonly string[] },
  context: JobContext,
  onSkip: (skipped: StillhouseError) => void = () => undefined,
): Promise<OpenedTraining> {
  const { recipe } = job;
  const stage = (name: string): void => context.tell({ tell: 'progress', stage: name, done: 0, total: 0 });
  stage('data');
  const dataset = await listImages(recipe, job.excluded);
  const { student, teacher } = await createModels(recipe, dataset.classes);
  stage('engine');
  const engine = await openEngine(job, threadingOf(student));
  const workers = decodeWorkers(job.engine, engine, trainingRecipe(recipe));
  const loader = trainingLoader(workers, { dataset, recipe, student, onSkip });
  stage('weights');
  return { dataset, student, teacher, engine, loader };
}
