import type { DecodeWorkers } from '../../data/batches/workers.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import { createLoader, type Loader, type LoaderOptions, type LoaderRecipe } from '../../data/batches/loader.ts';
import { createModel } from '../../model/zoo.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { CardValues, TeacherCard } from '../../protocol/teacher-card.ts';
import type { Engine } from '../../engines/engine.ts';
import type { State } from '../../engines/engine.ts';
import type { Precision } from '../../trace/narrow.ts';
import { fuse } from '../../train/metrics.ts';
import { createEvalStep } from '../../train/step.ts';
import { recordPlainImages, type StepTeacher } from '../../train/teacher.ts';
import { PREFIX } from '../../train/variables.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { openExternal, type ExternalTeacher } from './external-teacher.ts';
import { readTeacherCard } from '../../weights/teacher-card.ts';
import { classColumns, orderNotes } from '../../weights/teacher-classes.ts';
import { loadFrozen } from '../training/train-state.ts';

/** The teacher of a run: what its card says, and how it is asked. */
export interface Teacher {
  card: TeacherCard;
  /** Which of its outputs stands for each class of the data; null: they are the same. */
  columns: readonly number[] | null;
  /** Its network, where the step has it inside; null for an ONNX file or a SavedModel. */
  network: StepTeacher | null;
}

/** A teacher that can be asked. */
export interface OpenTeacher extends Teacher {
  /** null for a network inside the step, whose parameters are in the state. */
  outside: ExternalTeacher | null;
  close(): Promise<void>;
}

/**
 * Reads the card of a teacher and finds the classes of the data among its own.
 * @param kept what a run that is resumed took of it before.
 * @param folders the same classes in the order of their folders, which outputs without names are taken for.
 * @throws StillhouseError `file.missing`, `weights.*`, `teacher.*`, `argument.invalid`
 */
export async function planTeacher(
  { teacherModel, teacherPath }: Pick<Recipe, 'teacherModel' | 'teacherPath'>,
  classes: readonly string[],
  { kept, folders = classes }: { kept?: CardValues; folders?: readonly string[] } = {},
): Promise<Teacher> {
  const read = await readTeacherCard(teacherPath, teacherModel, kept);
  const { outputs } = read;
  const named = read.classes ?? (outputs === null || outputs === folders.length ? folders : null);
  const columns = classColumns({ ...read, classes: named && [...named] }, classes);
  const card = { ...read, notes: [...read.notes, ...orderNotes(read, named ?? classes)] };
  if (card.kind !== 'timm') return { card, columns, network: null };
  const { inputSize, mean, std, cropRatio, interpolation } = card;
  const model = createModel(teacherModel, { classes: card.outputs ?? classes.length, inputSize });
  return { card, columns, network: { ...model, mean, std, cropRatio, interpolation, columns } };
}

/** Returns the teacher as the training step takes it: its network, `outside` for answers that come as an input, or null. */
export function stepTeacher(teacher: Teacher | null): StepTeacher | 'outside' | null {
  return teacher && (teacher.network ?? 'outside');
}

export interface TeacherPlace {
  engine: Engine;
  /** Gets the parameters of a network. */
  state: State;
  classes: readonly string[];
}

/**
 * Loads a teacher. The caller closes it.
 * @throws StillhouseError `weights.*`, `teacher.*`
 */
export async function openTeacher(teacher: Teacher, { engine, state, classes }: TeacherPlace): Promise<OpenTeacher> {
  const { card, network } = teacher;
  if (network) {
    await loadFrozen(state, PREFIX.teacher, network, card);
    return { ...teacher, outside: null, close: async () => undefined };
  }
  const outside = await openExternal(card, { engine, classes, columns: teacher.columns });
  return { ...teacher, card: outside.card, outside, close: () => outside.close() };
}

/** Answers images that were prepared as the card says. */
export interface TeacherAnswers {
  /** @param images [B, T, T, 3] RGB. @returns logits of the data's classes, row-major [B·K]. */
  run(images: Uint8Array): Promise<Float32Array>;
  dispose(): void;
}

/** Compiles what answers whole batches of evaluation images; its products are float32 where no precision is given. */
export async function teacherAnswers(
  teacher: OpenTeacher,
  { engine, state }: Pick<TeacherPlace, 'engine' | 'state'>,
  { batchSize, precision }: { batchSize: number; precision?: Precision },
): Promise<TeacherAnswers> {
  const { card, network, outside, columns } = teacher;
  if (network) {
    const step = await createEvalStep(engine, state, {
      model: network,
      prefix: PREFIX.teacher,
      batchSize,
      precision,
      frozen: true,
    });
    return {
      run: async (images) => {
        const { head, headDist } = await step.run(images);
        return picked(headDist ? fuse(head, headDist) : head, network.classes, columns);
      },
      dispose: () => step.dispose(),
    };
  }
  const compiled = await engine.compile(recordPlainImages(engine, batchSize, card), engine.newState());
  return {
    run: async (images) => {
      const shown = await compiled.run({ images });
      return outside!.ask(shown.images as Float32Array, batchSize);
    },
    dispose: () => compiled.dispose(),
  };
}

function picked(logits: Float32Array, width: number, columns: readonly number[] | null): Float32Array {
  if (!columns) return logits;
  const rows = logits.length / width;
  return Float32Array.from({ length: rows * columns.length }, (_, index) => {
    const [row, place] = [Math.floor(index / columns.length), index % columns.length];
    return logits[row * width + columns[place]];
  });
}

/** Opens the validation images as a teacher's card wants them. */
export function teacherLoader(
  { card }: Teacher,
  {
    dataset,
    recipe,
    newWorkers,
    batchSize,
    share,
  }: {
    dataset: Dataset;
    recipe: Recipe;
    newWorkers: (recipe: LoaderRecipe) => DecodeWorkers;
    batchSize: number;
    /** As of LoaderOptions. */
    share?: LoaderOptions['share'];
  },
): Loader {
  const { inputSize, cropRatio, interpolation } = card;
  const own = { inputSize, evalCropRatio: cropRatio, evalInterpolation: interpolation, batchSize };
  // The student's loader reports files that cannot be read.
  const onSkip = (): void => undefined;
  const looks = { ...evaluationRecipe(recipe), ...own };
  return createLoader({
    dataset,
    recipe: looks,
    workers: newWorkers(looks),
    noiseRows: 0,
    onSkip,
    ...(share && { share }),
  });
}
