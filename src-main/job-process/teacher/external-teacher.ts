import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import type { TeacherCard } from '../../protocol/teacher-card.ts';
import type { Engine } from '../../engines/engine.ts';
import { SavedModel } from '../../runtime/saved-model.ts';
import { cardAsAnswered, requireProbabilities } from './answer-kind.ts';
import { inParts, sideBySide, wholePixels, type Answers } from './batch-parts.ts';
import { savedModelTensors } from '../../weights/foreign-model.ts';
import { OnnxTeacher } from './onnx-teacher.ts';
import { classColumns } from '../../weights/teacher-classes.ts';

/** A teacher that is not part of the recorded step: an ONNX file on a thread of its own, or a SavedModel. */
export interface ExternalTeacher {
  /** Its card, with what its first answers show. */
  card: TeacherCard;
  /**
   * @param images normalised, as its card wants them; their memory is handed over.
   * @returns logits [count, K], in the order of the data's classes
   * @throws StillhouseError `teacher.run`, `teacher.interface` when it answers in another shape
   */
  ask(images: Float32Array, count: number): Promise<Float32Array>;
  /** Ends it; what is still asked fails. */
  close(): Promise<void>;
}

export interface ExternalTeacherOptions {
  engine: Engine;
  /** Class names of the data, in order. */
  classes: readonly string[];
  /** Which of its outputs stands for each class; null: they are the same; left out: as its card says. */
  columns?: readonly number[] | null;
  /** The bundle of the ONNX thread, where it is not beside this one. */
  onnxEntry?: string;
}

interface Source {
  ask(images: Float32Array, count: number): Promise<Answers>;
  close(): Promise<void>;
}

/**
 * Loads the teacher of a card and shows it a black image and one of noise: what does not work, or is not as the card
 * says, is known before a run begins.
 * @throws StillhouseError `teacher.*`
 */
export async function openExternal(given: TeacherCard, options: ExternalTeacherOptions): Promise<ExternalTeacher> {
  const { columns = classColumns(given, options.classes) } = options;
  const width = given.classes?.length ?? options.classes.length;
  const source = given.kind === 'onnx' ? await openOnnx(given, options) : await openSavedModel(given, options.engine);
  const answersTo = async (images: Float32Array, count: number): Promise<Float32Array> => {
    const answer = await source.ask(images, count);
    requireShape(given, answer, count, width);
    return answer.values;
  };
  try {
    const first = [
      await answersTo(
        trialImage(given, () => 0),
        1,
      ),
      await answersTo(trialImage(given, noise()), 1),
    ];
    const card = cardAsAnswered(given, first);
    const ask = async (images: Float32Array, count: number): Promise<Float32Array> => {
      const values = await answersTo(images, count);
      if (card.output === 'probabilities') requireProbabilities(card, values, width);
      return logitsOf(values, { count, width, columns, output: card.output });
    };
    return { card, ask, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** An image whose pixels, in [0, 1], are drawn one by one, normalised as the card says. */
function trialImage({ inputSize, layout, mean, std }: TeacherCard, draw: () => number): Float32Array {
  const places = inputSize ** 2;
  return Float32Array.from({ length: 3 * places }, (_, at) => {
    const channel = layout === 'NCHW' ? Math.floor(at / places) : at % 3;
    return (draw() - mean[channel]) / std[channel];
  });
}

/** Numbers in [0, 1) that look random and are always the same: a linear congruential generator. */
function noise(): () => number {
  let state = 1;
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

function imageShape({ inputSize, layout }: TeacherCard): number[] {
  return layout === 'NCHW' ? [3, inputSize, inputSize] : [inputSize, inputSize, 3];
}

function openOnnx(card: TeacherCard, { engine, onnxEntry }: ExternalTeacherOptions): Promise<Source> {
  const { path, inputName, outputName, inputType, batch } = card;
  const order = { path, inputName, outputName, inputType, batch, threads: engine.threads, shape: imageShape(card) };
  return OnnxTeacher.open(order, onnxEntry);
}

async function openSavedModel(card: TeacherCard, engine: Engine): Promise<Source> {
  const { path } = card;
  const { input, output } = savedModelTensors(card);
  const told = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw new StillhouseError('teacher.run', { path, reason: reasonOf(error) }, { cause: error });
    }
  };
  const model = await told(() => SavedModel.load(engine.tensorflow, path, input, output));
  const run = async (values: Float32Array, count: number): Promise<Answers> => {
    const fed = card.inputType === 'uint8' ? wholePixels(values) : values;
    const answer = await model.run({ shape: [count, ...imageShape(card)], dtype: card.inputType, values: fed });
    return { values: answer.values as Float32Array, shape: answer.shape };
  };
  // The engine gives each op one thread where it works in lanes.
  const parted = (images: Float32Array, count: number): Promise<Answers> =>
    card.batch === null ? sideBySide(images, count, engine.lanes, run) : inParts(images, count, card.batch, run);
  // One after another, so that nothing runs when it is closed.
  let before: Promise<unknown> = Promise.resolve();
  const ask = (images: Float32Array, count: number): Promise<Answers> => {
    const now = before.then(() => told(() => parted(images, count)));
    before = now.catch(() => undefined);
    return now;
  };
  return { ask, close: () => before.then(() => model.dispose()) };
}

function requireShape({ path }: TeacherCard, { shape }: Answers, count: number, width: number): void {
  if (shape.length === 2 && shape[0] === count && shape[1] === width) return;
  const expected = reason('value.scores', { count, width, images: count });
  throw new StillhouseError('teacher.interface', { path, expected, got: `[${shape.join(', ')}]` });
}

/** The least probability whose logarithm is taken: float32's smallest normal number. */
const LEAST = 2 ** -126;

function logitsOf(
  answers: Float32Array,
  {
    count,
    width,
    columns,
    output,
  }: Pick<TeacherCard, 'output'> & {
    count: number;
    width: number;
    columns: readonly number[] | null;
  },
): Float32Array {
  const asLogits = output === 'logits' ? answers : answers.map((probability) => Math.log(Math.max(probability, LEAST)));
  if (!columns) return asLogits;
  const picked = new Float32Array(count * columns.length);
  for (let row = 0; row < count; row++)
    columns.forEach((column, place) => (picked[row * columns.length + place] = asLogits[row * width + column]));
  return picked;
}
