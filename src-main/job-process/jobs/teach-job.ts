import { StillhouseError, toPlainError, type PlainError } from '../../protocol/errors.ts';
import type { JobResults, TeachJob } from '../../jobs/job-protocol.ts';
import { totalEpochs } from '../../protocol/recipe.ts';
import { isFrozen } from '../../train/step.ts';
import type { Loader, LoaderRecipe } from '../../data/batches/loader.ts';
import { createDecider } from '../evaluation/evaluator.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { progressTeller, type JobContext } from '../job-context.ts';
import { differenceOfKept } from '../teacher/check-kept.ts';
import { KeptDecisions } from '../teacher/kept-decisions.ts';
import { openKept, walk, type KeepParts } from '../teacher/taught-training.ts';
import { teacherAsker } from '../teacher/teacher-asker.ts';
import { openTeacher, teacherLoader, type OpenTeacher } from '../teacher/teacher.ts';
import { precisionOf } from '../training/precision.ts';
import { openTraining } from './open-training.ts';

/** A training as it begins. */
const START = { epoch: 0, batch: 0, step: 0, lossSum: 0 };

/**
 * Asks a teacher for its answers to every batch of a training, by itself, and keeps them. What is kept already is
 * compared with the teacher in a few batches and not asked for again, so it may be stopped and begun again.
 * null when it was stopped.
 * @throws StillhouseError what would keep the training from starting.
 */
export async function runTeachJob(job: TeachJob, context: JobContext): Promise<JobResults['teach']> {
  const { recipe } = job;
  const notes: PlainError[] = [];
  const onNote = (note: StillhouseError): void => void notes.push(toPlainError(note));
  const opened = await openTraining(job, context, onNote);
  const { engine, dataset, loader, student } = opened;
  const state = engine.newState();
  let teacher: OpenTeacher | null = null;
  try {
    if (!opened.teacher) throw new StillhouseError('teacher.missing');
    teacher = await openTeacher(opened.teacher, { engine, state, classes: dataset.classes });
    context.tell({ tell: 'progress', stage: 'compile', done: 0, total: 0 });
    const precision = precisionOf(recipe, engine);
    const { stop } = context;
    const parts = {
      engine,
      state,
      recipe,
      student,
      teacher,
      precision,
      dataset,
      loader,
      position: START,
      stop,
      onNote,
    };
    const made = await makeAnswers(parts, { teacher, images: validation(job, parts, teacher) }, context);
    return stop.aborted ? null : { ...made, notes };
  } finally {
    await teacher?.close();
    await loader.close();
    state.dispose();
  }
}

/** Makes the validation images as a teacher wants them. */
function validation(
  { engine: folder }: TeachJob,
  { engine, dataset, recipe }: KeepParts,
  teacher: OpenTeacher,
): Loader {
  const newWorkers = (looks: LoaderRecipe) => decodeWorkers(folder, engine, looks);
  return teacherLoader(teacher, { dataset, recipe, newWorkers, batchSize: recipe.batchSize });
}

interface Asked {
  teacher: OpenTeacher;
  /** Its validation images. */
  images: Loader;
}

async function makeAnswers(parts: KeepParts, { teacher, images }: Asked, context: JobContext) {
  const { engine, state, recipe, student, precision, loader, stop, onNote } = parts;
  const kept = await openKept(parts, teacher);
  const batch = { student, recipe, batchSize: recipe.batchSize };
  const asker = await teacherAsker(teacher, { engine, state, batch, precision });
  const compared = {
    opened: teacher,
    loader: images,
    precision,
    kept: () => KeptDecisions.open({ ...parts, teacher }),
  };
  const decide = await createDecider({ ...batch, engine, state, context }, compared);
  state.trim(isFrozen);
  const { stepOf, batchAt } = walk(parts);
  const batches = totalEpochs(recipe) * loader.stepsPerEpoch;
  const tell = progressTeller(context, 'teach');
  try {
    kept.store.check();
    const why = await differenceOfKept({ kept, asker, precision, batchAt, stepOf, stop });
    if (why) kept.store.drop();
    if (why) onNote(new StillhouseError('answers.differ', { path: kept.store.path, reason: why }));
    const gaps = Array.from({ length: totalEpochs(recipe) }, (_, epoch) => kept.store.gaps(epoch, 0, loader.stepsPerEpoch).map(([from, to]) => ({ epoch, from, to }))).flat(); // prettier-ignore
    let done = batches - gaps.reduce((sum, { from, to }) => sum + to - from, 0);
    for (const { epoch, from, to } of gaps) {
      let at = from;
      for await (const asked of loader.trainBatches(epoch, from)) {
        if (stop.aborted || !kept.store.keeps || at >= to) break;
        const place = { epoch, batch: at++ };
        const started = performance.now();
        const answers = await asker.ask(asked, stepOf(place));
        kept.keep(place, asked, stepOf(place), { answers, milliseconds: performance.now() - started });
        tell(++done, batches);
      }
    }
    kept.store.flush();
    if (!stop.aborted && kept.store.keeps) await decide(stop);
    return { path: kept.store.path, batches, kept: kept.store.keeps ? done : keptOf(kept.store.places()) };
  } finally {
    kept.store.close();
    asker.dispose();
    await images.close();
  }
}

function keptOf(places: readonly { epoch: number; batch: number }[]): number {
  return new Set(places.map(({ epoch, batch }) => `${epoch} ${batch}`)).size;
}
