import { lrAt } from '../../train/schedule.ts';
import { isFrozen } from '../../train/step.ts';
import type { JobContext } from '../job-context.ts';
import { measuredStep } from '../training/timed-step.ts';
import { teach } from '../teacher/taught-training.ts';
import { openTeacher, type OpenTeacher } from '../teacher/teacher.ts';
import { precisionOf } from '../training/precision.ts';
import { startFresh } from '../training/train-state.ts';
import { openTraining } from './open-training.ts';
import type { MeasureJob, JobResults } from '../../jobs/job-protocol.ts';

/** Steps that are timed, after one that is not: the first warms caches, allocators and kernels. */
const TIMED = 2;

/**
 * Makes the first steps of a training as it would be, on its own images and with its teacher, and times them. The
 * teacher is asked for each, whatever is kept of its answers. Nothing is written. null when it was stopped.
 * @throws StillhouseError what would keep the training from starting.
 */
export async function runMeasureJob(job: MeasureJob, context: JobContext): Promise<JobResults['measure']> {
  const { recipe } = job;
  const { dataset, student, teacher: planned, engine, loader } = await openTraining(job, context);
  const state = engine.newState();
  let teacher: OpenTeacher | null = null;
  try {
    // The time of a step does not depend on what its weights are.
    startFresh(state, student, recipe);
    teacher = planned && (await openTeacher(planned, { engine, state, classes: dataset.classes }));
    context.tell({ tell: 'progress', stage: 'compile', done: 0, total: 0 });
    const { batchSize } = recipe;
    const precision = precisionOf(recipe, engine);
    const taught = await teach({ engine, state, recipe, student, teacher, precision }, null);
    const parts = { student, teacher: taught.teacher, recipe, batchSize, precision };
    const step = taught.step(await measuredStep(engine, state, parts, null));
    state.trim(isFrozen);
    let [started, done, asked] = [0, 0, 0];
    for (let epoch = 0; done <= TIMED; epoch++) {
      for await (const batch of taught.batches(loader.trainBatches(epoch, 0), { epoch, batch: 0 })) {
        if (context.stop.aborted) return null;
        const { took } = await step.run(batch, { lr: lrAt(recipe, 0), step: done + 1 });
        context.tell({ tell: 'progress', stage: 'measure', done: ++done, total: TIMED + 1 });
        if (done === 1) started = performance.now();
        else asked += took?.teacher ?? 0;
        if (done > TIMED) break;
      }
    }
    const imagesPerSecond = (1000 * batchSize * TIMED) / (performance.now() - started);
    return { imagesPerSecond, teacher: teacher ? asked / TIMED : null };
  } finally {
    await teacher?.close();
    await loader.close();
    state.dispose();
  }
}
