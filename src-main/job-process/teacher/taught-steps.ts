import type { StepBatch, TeacherAnswers, TrainBatch, TrainStep } from '../../train/step-types.ts';
import type { Place } from '../../answers/answer-store.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { TeacherAsker } from './teacher-asker.ts';

/** The pieces that a training with a teacher outside of the step puts between its loader, its step and the loop. */
interface TaughtSteps {
  /** The batches of an epoch from the given one on; the next one is looked at while the step of the one before runs. */
  batches(source: AsyncIterable<TrainBatch>, from: Place): AsyncIterable<TrainBatch>;
  /** The same step, whose batches get the teacher's answers first. */
  step(step: TrainStep): TrainStep;
}

interface TaughtOptions {
  asker: TeacherAsker;
  /** Keeps the answers; null: each batch is asked for. */
  kept: KeptAnswers | null;
  /** It works beside the engine: the next batch is asked for while the student learns from the one before. */
  beside: boolean;
}

/** The answers for a batch, and the step that they are for: erased images are noise that follows from it. */
interface Answered {
  step: number;
  /** Those that were kept. */
  found: TeacherAnswers | null;
  /** Those that were asked for. */
  asked: Promise<TeacherAnswers> | null;
}

/** Has a teacher outside of the step answer each batch, once; what was kept is not asked for again. */
export function taughtSteps({ asker, kept, beside }: TaughtOptions): TaughtSteps {
  const answered = new WeakMap<StepBatch, Answered>();
  const places = new WeakMap<StepBatch, Place>();
  let ahead: (() => Promise<IteratorResult<TrainBatch>>) | null = null;
  const look = (batch: StepBatch, step: number): Answered => {
    const known = answered.get(batch);
    if (known?.step === step) return known;
    const place = places.get(batch);
    const now = { step, found: (place && kept?.find(place, batch, step)) ?? null, asked: null };
    answered.set(batch, now);
    return now;
  };
  const ask = (batch: StepBatch, step: number): Promise<TeacherAnswers> => {
    const now = look(batch, step);
    if (now.found) return Promise.resolve(now.found);
    now.asked ??= askTeacher(batch, step);
    // Whoever waits for them gets the failure.
    now.asked.catch(() => undefined);
    return now.asked;
  };
  const askTeacher = async (batch: StepBatch, step: number): Promise<TeacherAnswers> => {
    const started = performance.now();
    const answers = await asker.ask(batch, step);
    const place = places.get(batch);
    if (place) kept?.keep(place, batch, step, { answers, milliseconds: performance.now() - started });
    return answers;
  };
  // While a step runs, what is next is looked up, or asked for where that takes nothing from the step.
  const prepare = async (step: number): Promise<void> => {
    if (!beside && !kept) return;
    const next = await ahead?.();
    if (!next || next.done) return;
    if (beside) await ask(next.value, step);
    else look(next.value, step);
  };
  return {
    batches: (source, from) => {
      const { iterator, peek } = peekable(placed(source, from, places));
      ahead = peek;
      return { [Symbol.asyncIterator]: () => iterator };
    },
    // Its teacher is asked between steps: none is begun ahead of that.
    step: ({ run }) => ({
      ahead: false,
      run: async (asked, scalars) => {
        const started = performance.now();
        const teacherAnswers = await ask(asked, scalars.step);
        const teacher = performance.now() - started;
        const stepping = run({ ...asked, teacherAnswers }, scalars);
        prepare(scalars.step + 1).catch(() => undefined);
        const result = await stepping;
        const saved = kept?.facts(look(asked, scalars.step).found !== null);
        return { ...result, took: { feed: 0, ...result.took, teacher, ...saved } };
      },
    }),
  };
}

async function* placed(
  source: AsyncIterable<TrainBatch>,
  { epoch, batch: first }: Place,
  places: WeakMap<StepBatch, Place>,
): AsyncGenerator<TrainBatch, void, undefined> {
  let batch = first;
  for await (const one of source) {
    places.set(one, { epoch, batch: batch++ });
    yield one;
  }
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
