import { existsSync } from 'node:fs';
import { listDataset, summarise } from '../data/folder.ts';
import { createLoader } from '../data/loader.ts';
import { createModel } from '../model/zoo.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { parseRecipe, type Recipe } from '../protocol/recipe.ts';
import { loadEngine } from '../runtime/engine.ts';
import { State } from '../trace/state.ts';
import { deciderOf, evaluate } from '../train/evaluate.ts';
import { createEvalStep, PREFIX } from '../train/step.ts';
import { engineDecode } from './engine-decode.ts';
import { digest } from './digest.ts';
import type { JobContext } from './job-context.ts';
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
  stage('engine');
  const engine = await loadEngine(job.engine, { threads: job.threads });
  const state = new State(engine);
  try {
    stage('weights');
    const { classes } = dataset;
    const options = { classes: classes.length, inputSize: recipe.inputSize };
    const batchSize = Math.min(recipe.batchSize, Math.max(dataset.train.length, 1));
    const stepOf = async (name: string, prefix: string, file: string) => {
      const model = createModel(name, options);
      await loadFrozen(state, prefix, model, file, classes);
      return createEvalStep(engine, state, { model, prefix, batchSize });
    };
    const student = await stepOf(recipe.model, PREFIX.model, path);
    const teacher = hasTeacher(recipe) ? await stepOf(recipe.teacherModel, PREFIX.teacher, recipe.teacherPath) : null;
    const skipped: { file: string; reason: string }[] = [];
    const loader = createLoader({
      dataset,
      recipe: { ...recipe, batchSize },
      decode: engineDecode(engine),
      noiseRows: 0,
      onSkip: (picture) => skipped.push(picture),
    });
    if (loader.val === 0) throw new StillhouseError('data.no-classes', { path: `${dataset.path}/val` });
    const scores = await evaluate({
      batches: loader.evalBatches(),
      student,
      teacher: teacher && deciderOf(teacher, classes.length, digest),
      classes: classes.length,
      batchBytes: batchSize * recipe.inputSize ** 2 * 3,
      stop: context.stop,
      onProgress: (done) => context.tell({ tell: 'progress', stage: 'evaluate', done, total: loader.val }),
    });
    const pictures = loader.val - skipped.length;
    return scores && { scores, model: recipe.model, pictures, skipped, dataset: summarise(dataset) };
  } finally {
    state.dispose();
  }
}

/** What was asked, over what a checkpoint was trained with, over the defaults; and the file to read. */
function recipeOf({ weights, settings }: EvaluateJob): Promise<{ path: string; recipe: Recipe }> {
  return withWeights(weights, (file) => ({
    path: file.path,
    recipe: parseRecipe({ ...file.settings, ...settings }),
  }));
}

// The teacher of a finished run may be long gone; without it there is no agreement to tell.
function hasTeacher({ distillationType, teacherPath }: Recipe): boolean {
  return distillationType !== 'none' && teacherPath !== '' && existsSync(teacherPath);
}
