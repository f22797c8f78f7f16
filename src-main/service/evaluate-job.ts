import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listDataset, summarise } from '../data/folder.ts';
import { createLoader, type LoaderRecipe } from '../data/loader.ts';
import type { SkippedPicture } from '../data/picture-shelf.ts';
import type { Model } from '../model/model.ts';
import { createModel } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseRecipe, type Recipe } from '../protocol/recipe.ts';
import { archivesFolder, dataNotesFolder } from '../runs/places.ts';
import { loadEngine } from '../runtime/engine.ts';
import { State } from '../trace/state.ts';
import { PREFIX } from '../train/variables.ts';
import { DataNotes } from './data-notes.ts';
import { pictureCrew } from './picture-crew.ts';
import { createEvaluator } from './evaluator.ts';
import type { JobContext } from './job-context.ts';
import { evaluationRecipe } from './loader-recipe.ts';
import { openTeacher, planTeacher, teacherLoader, type OpenTeacher } from './teacher.ts';
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
  const excluded = new DataNotes(dataNotesFolder()).excludedFiles(recipe.dataPath);
  const dataset = await listDataset(recipe.dataPath, {
    excluded,
    splitSeed: recipe.splitSeed,
    archiveCache: archivesFolder(),
  });
  if (dataset.val.length === 0) throw new StillhouseError('data.no-classes', { path: join(dataset.path, 'val') });
  stage('engine');
  const engine = await loadEngine(job.engine, { threads: job.threads, gpu: job.gpu });
  const state = new State(engine);
  let opened: OpenTeacher | null = null;
  try {
    stage('weights');
    const student = await loadStudent(state, recipe, path, dataset.classes);
    const plan = hasTeacher(recipe) ? await planTeacher(recipe, dataset.classes) : null;
    opened = plan && (await openTeacher(plan, { engine, state, classes: dataset.classes }));
    // A loader wants a whole batch to train on, whatever it is asked for.
    const batchSize = Math.min(recipe.batchSize, Math.max(dataset.train.length, 1));
    const skipped: SkippedPicture[] = [];
    const newCrew = (recipe: LoaderRecipe) => pictureCrew(job.engine, engine, recipe);
    const looks = { ...evaluationRecipe(recipe), batchSize };
    const loader = createLoader({
      dataset,
      recipe: looks,
      crew: newCrew(looks),
      noiseRows: 0,
      onSkip: (picture) => skipped.push(picture),
    });
    const evaluate = await createEvaluator({
      engine,
      state,
      student,
      teacher: opened && { opened, loader: teacherLoader(opened, { dataset, recipe, newCrew, batchSize }) },
      batchSize,
      heads: recipe.evalHeads,
      loader,
      context,
    });
    const scores = await evaluate(context.stop);
    const pictures = loader.val - skipped.length;
    return scores && { scores, model: recipe.model, pictures, skipped, dataset: summarise(dataset) };
  } finally {
    await opened?.close();
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

async function loadStudent(state: State, recipe: Recipe, path: string, classes: readonly string[]): Promise<Model> {
  const student = createModel(recipe.model, { classes: classes.length, inputSize: recipe.inputSize });
  await loadFrozen(state, PREFIX.model, student, path, classes);
  return student;
}

// The teacher of a finished run may be long gone; without it there is no agreement to tell.
function hasTeacher({ distillationType, teacherPath }: Recipe): boolean {
  return distillationType !== 'none' && teacherPath !== '' && existsSync(teacherPath);
}
