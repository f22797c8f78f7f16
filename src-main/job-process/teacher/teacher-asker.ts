import type { Engine, State } from '../../engines/engine.ts';
import type { Precision } from '../../trace/narrow.ts';
import { answerKind } from '../../train/losses.ts';
import { decisions } from '../../train/metrics.ts';
import { drawValues } from '../../train/mix.ts';
import { isFrozen } from '../../train/step.ts';
import type { StepBatch, TeacherAnswers } from '../../train/step-types.ts';
import { recordDrawnImages, recordTeacherAnswers, type DrawnBatch, type StepTeacher } from '../../train/teacher.ts';
import type { ExternalTeacher } from './external-teacher.ts';
import type { OpenTeacher } from './teacher.ts';

/** Answers the batches of a training, with what was drawn for them, outside of its step. */
export interface TeacherAsker {
  /** @param step of which the noise of erased images follows. @returns what the recipe learns from. */
  ask(batch: StepBatch, step: number): Promise<TeacherAnswers>;
  dispose(): void;
}

/** Of whom the answers are, and how they are computed. */
interface AskerParts {
  engine: Engine;
  /** Holds the parameters of a network. */
  state: State;
  batch: DrawnBatch;
  /** Of a network's matrix products. */
  precision: Precision;
}

/** Compiles what asks a teacher: its network by itself, or what shows its images to an ONNX file or a SavedModel. */
export function teacherAsker(teacher: OpenTeacher, parts: AskerParts): Promise<TeacherAsker> {
  const { network, outside } = teacher;
  return network ? networkAsker(network, parts) : externalAsker(teacher, outside!, parts);
}

/**
 * Lets an asker go whose answers are all kept. The first batch that it is asked for all the same wakes another.
 * @param wake makes it again
 */
export function sleepingAsker(asker: TeacherAsker, wake: () => Promise<TeacherAsker>): TeacherAsker {
  asker.dispose();
  let woken: Promise<TeacherAsker> | null = null;
  return {
    ask: async (batch, step) => (await (woken ??= wake())).ask(batch, step),
    dispose: () => {
      woken?.then((one) => one.dispose()).catch(() => undefined);
    },
  };
}

async function networkAsker(
  network: StepTeacher,
  { engine, state, batch, precision }: AskerParts,
): Promise<TeacherAsker> {
  const compiled = await engine.compile(recordTeacherAnswers(engine, batch, network), state, { precision, isFrozen });
  return {
    ask: async (asked, step) => {
      const draws = drawValues(batch.recipe, asked, batch.batchSize, step, batch.ranks);
      const { answers } = await compiled.run({ images: asked.images, ...draws });
      return answers as TeacherAnswers;
    },
    dispose: () => compiled.dispose(),
  };
}

async function externalAsker(
  { card }: OpenTeacher,
  outside: ExternalTeacher,
  { engine, batch }: AskerParts,
): Promise<TeacherAsker> {
  const { recipe, batchSize, student, ranks } = batch;
  const compiled = await engine.compile(recordDrawnImages(engine, batch, card), engine.newState());
  return {
    ask: async (asked, step) => {
      const draws = drawValues(recipe, asked, batchSize, step, ranks);
      const { images } = await compiled.run({ images: asked.images, ...draws });
      const logits = await outside.ask(images as Float32Array, batchSize);
      return answerKind(recipe) === 'decisions' ? decisions(logits, batchSize, student.classes) : logits;
    },
    dispose: () => compiled.dispose(),
  };
}
