import type { Engine } from '../../engines/engine.ts';
import type { StepBatch, TrainBatch, TrainStep } from '../../train/step-types.ts';
import { drawValues } from '../../train/mix.ts';
import { recordDrawnImages, type DrawnBatch } from '../../train/teacher.ts';
import type { TeacherCard } from '../../protocol/teacher-card.ts';
import type { OpenTeacher } from './teacher.ts';

/** The pieces that a training with a teacher outside of the step puts between its loader, its step and the loop. */
export interface ExternalTeacherSteps {
  /** The same batches; the next one is looked at while the step of the one before runs. */
  batches(source: AsyncIterable<TrainBatch>): AsyncIterable<TrainBatch>;
  /** The same step, whose batches get the teacher's answers first. */
  step(step: TrainStep): TrainStep;
}

/** The answers for a batch, and the step that they are for: erased images are noise that follows from it. */
interface Answered {
  step: number;
  logits: Promise<Float32Array>;
}

/**
 * Compiles what shows a teacher outside of the step the images as the student sees them. It answers the next batch
 * while the student learns from the one before. Nothing is changed for any other teacher.
 */
export async function externalTeacherSteps(
  teacher: OpenTeacher | null,
  engine: Engine,
  batch: DrawnBatch,
): Promise<ExternalTeacherSteps> {
  if (!teacher?.outside) return { batches: (source) => source, step: (step) => step };
  const { card, outside } = teacher;
  const show = await imageShower(engine, batch, card);
  const answered = new WeakMap<StepBatch, Answered>();
  let ahead: (() => Promise<IteratorResult<TrainBatch>>) | null = null;
  const ask = (asked: StepBatch, step: number): Promise<Float32Array> => {
    const known = answered.get(asked);
    if (known?.step === step) return known.logits;
    const logits = show(asked, step).then((images) => outside.ask(images, batch.batchSize));
    answered.set(asked, { step, logits });
    // Whoever asks for them gets the failure.
    logits.catch(() => undefined);
    return logits;
  };
  const askAhead = async (step: number): Promise<void> => {
    const next = await ahead?.();
    if (next && !next.done) await ask(next.value, step);
  };
  return {
    batches: (source) => {
      const { iterator, peek } = peekable(source);
      ahead = peek;
      return { [Symbol.asyncIterator]: () => iterator };
    },
    step: ({ run }) => ({
      run: async (asked, scalars) => {
        const started = performance.now();
        const teacherLogits = await ask(asked, scalars.step);
        const teacher = performance.now() - started;
        askAhead(scalars.step + 1).catch(() => undefined);
        const result = await run({ ...asked, teacherLogits }, scalars);
        return { ...result, took: { feed: 0, ...result.took, teacher } };
      },
    }),
  };
}

/** The images of a batch as the teacher is shown them. */
async function imageShower(engine: Engine, batch: DrawnBatch, card: TeacherCard) {
  const { recipe, batchSize } = batch;
  const compiled = await engine.compile(recordDrawnImages(engine, batch, card), engine.newState());
  return async (asked: StepBatch, step: number): Promise<Float32Array> => {
    const draws = drawValues(recipe, asked, batchSize, step);
    const { images } = await compiled.run({ images: asked.images, ...draws });
    return images as Float32Array;
  };
}

/** An iterator whose next result can be looked at before it is taken. */
function peekable<Item>(source: AsyncIterable<Item>) {
  const inner = source[Symbol.asyncIterator]();
  let waiting: Promise<IteratorResult<Item>> | null = null;
  const peek = (): Promise<IteratorResult<Item>> => (waiting ??= inner.next());
  const iterator: AsyncIterator<Item> = {
    next: () => {
      const result = peek();
      waiting = null;
      return result;
    },
    return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
  };
  return { iterator, peek };
}
