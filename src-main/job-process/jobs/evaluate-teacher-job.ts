import { join } from 'node:path';
import { listDataset, summarise } from '../../data/layout/folder.ts';
import type { LoaderRecipe } from '../../data/batches/loader.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { parseRecipe } from '../../protocol/recipe.ts';
import { archivesFolder, dataNotesFolder } from '../../runs/places.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import { evaluate } from '../../train/evaluate.ts';
import { isFrozen } from '../../train/step.ts';
import { DataNotes } from '../../jobs/data-notes.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { openTeacher, planTeacher, teacherAnswers, teacherLoader } from '../teacher/teacher.ts';
import type { EvaluateTeacherJob, JobResults } from '../../jobs/job-protocol.ts';

/**
 * Scores a teacher of any kind on the validation images of a data set, prepared as its card says.
 * @throws StillhouseError `data.*`, `teacher.*`, `weights.*`, `engine.load`
 */
export async function runEvaluateTeacherJob(
  job: EvaluateTeacherJob,
  context: JobContext,
): Promise<JobResults['evaluate-teacher']> {
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const recipe = parseRecipe(job.settings);
  stage('data');
  const excluded = new DataNotes(dataNotesFolder()).excludedFiles(recipe.dataPath);
  const dataset = await listDataset(recipe.dataPath, {
    excluded,
    splitSeed: recipe.splitSeed,
    reading: recipe.dataReading,
    archiveCache: archivesFolder(),
  });
  const { classes } = dataset;
  if (dataset.val.length === 0) throw new StillhouseError('data.no-classes', { path: join(dataset.path, 'val') });
  const plan = await planTeacher(recipe, classes);
  stage('engine');
  const engine = await openEngine(job);
  const state = engine.newState();
  stage('weights');
  const opened = await openTeacher(plan, { engine, state, classes });
  try {
    const batchSize = Math.min(recipe.batchSize, Math.max(dataset.train.length, 1));
    const newWorkers = (looks: LoaderRecipe) => decodeWorkers(job.engine, engine, looks);
    const loader = teacherLoader(opened, { dataset, recipe, newWorkers, batchSize });
    const answers = await teacherAnswers(opened, { engine, state }, { batchSize });
    state.trim(isFrozen);
    const tell = progressTeller(context, 'evaluate-teacher');
    let scored = 0;
    const scores = await evaluate({
      batches: loader.evalBatches(),
      student: { run: async (images) => ({ head: await answers.run(images), headDist: null }) },
      teacher: null,
      classes: classes.length,
      heads: 'class',
      batchBytes: batchSize * opened.card.inputSize ** 2 * 3,
      stop: context.stop,
      onProgress: (done) => tell((scored = done), loader.val),
    });
    return (
      scores && {
        score: scores.test,
        card: opened.card,
        images: scored,
        dataset: summarise(dataset),
      }
    );
  } finally {
    await opened.close();
    state.dispose();
  }
}
