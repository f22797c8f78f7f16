import { listDataset } from '../../data/layout/folder.ts';
import { createLoader } from '../../data/batches/loader.ts';
import { archivesFolder } from '../../runs/places.ts';
import { loadEngine } from '../../engines/load.ts';
import { threadingOf } from '../../train/parts.ts';
import { noiseRows } from '../../train/submodels.ts';
import { lrAt } from '../../train/schedule.ts';
import type { JobContext } from '../job-context.ts';
import { trainingRecipe } from '../images/loader-recipe.ts';
import { measuredStep } from '../training/timed-step.ts';
import { imageCacheBytes, decodeWorkers } from '../images/decode-workers.ts';
import { externalTeacherSteps } from '../teacher/external-teacher-step.ts';
import { openTeacher, stepTeacher, type OpenTeacher } from '../teacher/teacher.ts';
import { createModels, precisionOf } from './train-job.ts';
import { startFresh } from '../training/train-state.ts';
import type { MeasureJob, JobResults } from '../../jobs/job-protocol.ts';

/** Steps that are timed, after one that is not: the first warms caches, allocators and kernels. */
const TIMED = 2;

/**
 * Makes the first steps of a training as it would be, on its own images and with its teacher, and times them.
 * Nothing is written. null when it was stopped.
 * @throws StillhouseError what would keep the training from starting.
 */
export async function runMeasureJob(job: MeasureJob, context: JobContext): Promise<JobResults['measure']> {
  const { recipe } = job;
  const stage = (name: string): void => context.tell({ tell: 'progress', stage: name, done: 0, total: 0 });
  stage('data');
  const excluded = new Set(job.excluded);
  const { splitSeed, dataPath, dataReading: reading } = recipe;
  const dataset = await listDataset(dataPath, { excluded, splitSeed, reading, archiveCache: archivesFolder() });
  const models = await createModels(recipe, dataset.classes);
  stage('engine');
  const { student } = models;
  const engine = await loadEngine(job.engine, { threads: job.threads, gpu: job.gpu, threading: threadingOf(student) });
  const state = engine.newState();
  const own = trainingRecipe(recipe);
  const loader = createLoader({
    ...{ dataset, recipe: own, workers: decodeWorkers(job.engine, engine, own), cacheBytes: imageCacheBytes() },
    noiseRows: noiseRows(student, recipe),
    onSkip: () => undefined,
  });
  let teacher: OpenTeacher | null = null;
  try {
    stage('weights');
    // The time of a step does not depend on what its weights are.
    startFresh(state, student, recipe);
    teacher = models.teacher && (await openTeacher(models.teacher, { engine, state, classes: dataset.classes }));
    stage('compile');
    const { batchSize } = recipe;
    const precision = precisionOf(recipe, engine);
    const parts = { student, teacher: stepTeacher(teacher), recipe, batchSize, precision };
    const taught = await externalTeacherSteps(teacher, engine, parts);
    const step = taught.step(await measuredStep(engine, state, parts, null));
    let [started, done] = [0, 0];
    for (let epoch = 0; done <= TIMED; epoch++) {
      for await (const batch of taught.batches(loader.trainBatches(epoch, 0))) {
        if (context.stop.aborted) return null;
        await step.run(batch, { lr: lrAt(recipe, 0), step: done + 1 });
        context.tell({ tell: 'progress', stage: 'measure', done: ++done, total: TIMED + 1 });
        if (done === 1) started = performance.now();
        if (done > TIMED) break;
      }
    }
    return { imagesPerSecond: (1000 * batchSize * TIMED) / (performance.now() - started) };
  } finally {
    await teacher?.close();
    await loader.close();
    state.dispose();
  }
}
