import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listDataset, summarise } from '../data/folder.ts';
import { createLoader, type SkippedPicture } from '../data/loader.ts';
import type { Model } from '../model/model.ts';
import { createModel } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseRecipe, type Recipe } from '../protocol/recipe.ts';
import { loadEngine } from '../runtime/engine.ts';
import { State } from '../trace/state.ts';
import { PREFIX } from '../train/variables.ts';
import { engineDecode } from './engine-decode.ts';
import { createEvaluator } from './evaluator.ts';
import type { JobContext } from './job-context.ts';
import { evaluationRecipe } from './loader-recipe.ts';
import { loadFrozen } from './train-state.ts';
import type { EvaluateJob, TrainerResults } from './trainer-protocol.ts';
import { withWeights } from './weights.ts';

/**
 * Scores weights on the validation pictures of a data set.
 * @throws StillhouseError `data.*`, `weights.*`, `teacher.*`, `engine.load`, `recipe.*`.
 */
export async function runEvaluateJob(job: EvaluateJob, context: JobContext): Promise<TrainerResults['evaluate']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const { path, recipe } = await recipeOf(job);
  stage('data');
  const dataset = await listDataset(recipe.dataPath);
  if (dataset.val.length === 0) throw new StillhouseError('data.no-classes', { path: join(dataset.path, 'val') });
  stage('engine');
  const engine = await loadEngine(job.engine, { threads: job.threads, gpu: job.gpu });
  const state = new State(engine);
  try {
    stage('weights');
    const { student, teacher } = await loadModels(state, recipe, path, dataset.classes);
    // A loader wants a whole batch to train on, whatever it is asked for.
    const batchSize = Math.min(recipe.batchSize, Math.max(dataset.train.length, 1));
    const skipped: SkippedPicture[] = [];
    const loader = createLoader({
      dataset,
      recipe: { ...evaluationRecipe(recipe), batchSize },
      decode: engineDecode(engine),
      noiseRows: 0,
      onSkip: (picture) => skipped.push(picture),
    });
    const evaluate = await createEvaluator({
      engine,
      state,
      student,
      teacher,
      batchSize,
      heads: recipe.evalHeads,
      loader,
      context,
    });
    const scores = await evaluate(context.stop);
    const pictures = loader.val - skipped.length;
    return scores && { scores, model: recipe.model, pictures, skipped, dataset: summarise(dataset) };
  } finally {
    state.dispose();
  }
}

/** What was asked, over what the file says of itself, over the defaults; and the file to read. */
function recipeOf({ weights, settings }: EvaluateJob): Promise<{ path: string; recipe: Recipe }> {
  return withWeights(weights, (file) => ({
    path: file.path,
    recipe: parseRecipe({ ...file.settings, ...settings }),
  }));
}

async function loadModels(
  state: State,
  recipe: Recipe,
  path: string,
  classes: readonly string[],
): Promise<{ student: Model; teacher: Model | null }> {
  const options = { classes: classes.length, inputSize: recipe.inputSize };
  const student = createModel(recipe.model, options);
  await loadFrozen(state, PREFIX.model, student, path, classes);
  if (!hasTeacher(recipe)) return { student, teacher: null };
  const teacher = createModel(recipe.teacherModel, options);
  await loadFrozen(state, PREFIX.teacher, teacher, recipe.teacherPath, classes);
  return { student, teacher };
}

// The teacher of a finished run may be long gone; without it there is no agreement to tell.
function hasTeacher({ distillationType, teacherPath }: Recipe): boolean {
  return distillationType !== 'none' && teacherPath !== '' && existsSync(teacherPath);
}
