import type { Loader } from '../../data/batches/loader.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Place } from '../../answers/answer-store.ts';
import type { Engine, State } from '../../engines/engine.ts';
import type { Model } from '../../model/model.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { totalEpochs, type Recipe } from '../../protocol/recipe.ts';
import { answersFolder } from '../../runs/places.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { Ranks } from '../../train/mix.ts';
import type { Position } from '../../train/position.ts';
import { isFrozen } from '../../train/step.ts';
import type { TrainBatch, TrainStep } from '../../train/step-types.ts';
import type { StepTeacher } from '../../train/teacher.ts';
import { PREFIX } from '../../train/variables.ts';
import { loadFrozen } from '../training/train-state.ts';
import { differenceOfKept } from './check-kept.ts';
import { answerPlace, KeptAnswers } from './kept-answers.ts';
import { taughtSteps } from './taught-steps.ts';
import { sleepingAsker, teacherAsker, type TeacherAsker } from './teacher-asker.ts';
import { stepTeacher, type OpenTeacher } from './teacher.ts';

/** A training and its teacher. */
interface TaughtParts {
  engine: Engine;
  /** Holds the parameters of a teacher's network. */
  state: State;
  recipe: Recipe;
  student: Model;
  teacher: OpenTeacher | null;
  precision: Precision;
  ranks?: Ranks;
}

/** Says how a training is taught: the teacher that its step has inside, and what stands between loader and loop. */
export interface Taught {
  teacher: StepTeacher | 'outside' | null;
  /** Whether all answers are kept, and the teacher's network is let go when it has answered the validation images. */
  rests: boolean;
  /** The batches of an epoch from the given one on. */
  batches(source: AsyncIterable<TrainBatch>, from: Place): AsyncIterable<TrainBatch>;
  step(step: TrainStep): TrainStep;
  /** Writes what is still to be kept. */
  close(): void;
}

/** Tells whether the step of a recipe takes its teacher's answers as an input. */
export function asksOutside(recipe: Recipe, { network }: Pick<OpenTeacher, 'network'>): boolean {
  return recipe.teachOnce || network === null;
}

/** Prepares how a training is taught; what the teacher answers is kept where `kept` is given. */
export async function teach(parts: TaughtParts, kept: KeptAnswers | null, known?: TeacherAsker): Promise<Taught> {
  const { engine, state, recipe, student, teacher, precision } = parts;
  if (!teacher || !asksOutside(recipe, teacher)) {
    const teacherInside = stepTeacher(teacher);
    return {
      teacher: teacherInside,
      rests: false,
      batches: (source) => source,
      step: (step) => step,
      close: () => undefined,
    };
  }
  const { batchSize } = recipe;
  const batch = { student, recipe, batchSize, ranks: parts.ranks };
  const asker = known ?? (await teacherAsker(teacher, { engine, state, batch, precision }));
  const steps = taughtSteps({ asker, kept, beside: teacher.outside !== null });
  const close = (): void => {
    kept?.store.close();
    asker.dispose();
  };
  return { teacher: 'outside', rests: false, ...steps, close };
}

export interface KeepParts extends TaughtParts {
  dataset: Dataset;
  loader: Loader;
  position: Position;
  stop: AbortSignal;
  onNote(note: StillhouseError): void;
}

/**
 * Prepares a training as {@link teach} does, with the answers that are kept of its teacher where the recipe wants it
 * taught once. A few of them are compared with the teacher first; where it answers otherwise, all are dropped.
 */
export async function teachKeeping(parts: KeepParts): Promise<Taught> {
  const { recipe, teacher, student, engine, state, precision, onNote } = parts;
  if (!teacher || !recipe.teachOnce) return teach(parts, null);
  const batch = { student, recipe, batchSize: recipe.batchSize };
  const kept = await openKept(parts, teacher);
  const asker = await teacherAsker(teacher, { engine, state, batch, precision });
  try {
    const why = await differenceOfKept({ ...parts, kept, asker, ...walk(parts) });
    if (why) {
      kept.store.drop();
      onNote(new StillhouseError('answers.differ', { path: kept.store.path, reason: why }));
    }
    const { kept: found, batches } = extentOf(kept, parts);
    if (found > 0) onNote(new StillhouseError('answers.found', { path: kept.store.path, kept: found, batches }));
    const rests = found === batches && teacher.network !== null;
    const taught = await teach(
      parts,
      kept,
      rests ? sleepingAsker(asker, () => wakeTeacher(parts, teacher, kept)) : asker,
    );
    return { ...taught, rests };
  } catch (error) {
    kept.store.close();
    asker.dispose();
    throw error;
  }
}

/**
 * Takes a teacher's network from its file again.
 * @throws StillhouseError `answers.other-teacher` where that is another one by now; as `loadFrozen`.
 */
async function wakeTeacher(parts: KeepParts, teacher: OpenTeacher, kept: KeptAnswers): Promise<TeacherAsker> {
  const { engine, state, recipe, student, precision } = parts;
  const { card, network } = teacher;
  const { id } = await placeOf(parts, teacher);
  if (id !== kept.id) throw new StillhouseError('answers.other-teacher', { path: card.path });
  await loadFrozen(state, PREFIX.teacher, network!, card);
  const batch = { student, recipe, batchSize: recipe.batchSize };
  const asker = await teacherAsker(teacher, { engine, state, batch, precision });
  state.trim(isFrozen);
  return asker;
}

/** Opens what is kept of a teacher's answers to a training. */
export async function openKept(parts: Omit<KeepParts, 'stop'>, teacher: OpenTeacher): Promise<KeptAnswers> {
  const { recipe, student, onNote } = parts;
  const batch = { student, recipe, batchSize: recipe.batchSize };
  const place = await placeOf(parts, teacher);
  return new KeptAnswers({ root: answersFolder(), place, batch, onNote });
}

function placeOf(parts: Omit<KeepParts, 'stop'>, teacher: OpenTeacher): ReturnType<typeof answerPlace> {
  const { recipe, student, dataset, precision } = parts;
  return answerPlace({ recipe, dataset, student, teacher, precision, ahead: aheadOf(parts) });
}

/** Tells which optimizer step a place is of, and makes its batch. */
export function walk(parts: Pick<KeepParts, 'loader' | 'position'>) {
  const { loader } = parts;
  const stepOf = ({ epoch, batch }: Place): number => epoch * loader.stepsPerEpoch + batch + 1 + aheadOf(parts);
  const batchAt = async ({ epoch, batch }: Place): Promise<TrainBatch> => {
    for await (const one of loader.trainBatches(epoch, batch)) return one;
    throw new Error(`walk: epoch ${epoch} has no batch ${batch}`);
  };
  return { stepOf, batchAt };
}

/** Steps by which a training is ahead of its place in the data: 0 but where its batch size has been changed. */
function aheadOf({ loader, position }: Pick<KeepParts, 'loader' | 'position'>): number {
  return position.step - (position.epoch * loader.stepsPerEpoch + position.batch);
}

/** Counts the batches that a training still has, and those whose answers are kept. */
function extentOf(kept: KeptAnswers, { recipe, loader, position }: KeepParts): { kept: number; batches: number } {
  let [missing, batches] = [0, 0];
  for (let { epoch, batch } = position; epoch < totalEpochs(recipe); epoch++, batch = 0) {
    batches += loader.stepsPerEpoch - batch;
    for (const [from, to] of kept.store.gaps(epoch, batch, loader.stepsPerEpoch)) missing += to - from;
  }
  return { kept: batches - missing, batches };
}
