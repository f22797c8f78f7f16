import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { classTitle } from '../../data/layout/class-titles.ts';
import { imagenetSynsets } from '../../data/layout/label-files.ts';
import { imageMaker, type ImageMaker, type ViewOptions } from '../../data/decode/image.ts';
import type { Model } from '../../model/model.ts';
import { rollout, rolloutShape } from '../../model/rollout.ts';
import { createModel } from '../../model/zoo.ts';
import { StillhouseError, toPlainError, reasonOf, type PlainError } from '../../protocol/errors.ts';
import { KEPT_ANSWERS, type Answering, type PhotoAnswer, type TokenAttention } from '../../protocol/evaluation.ts';
import { ReasonError } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { Engine } from '../../engines/engine.ts';
import { loadEngine } from '../../engines/load.ts';
import { encodeJpeg } from '../../runtime/images.ts';
import type { State } from '../../engines/engine.ts';
import { AnswerRecorder } from '../../train/answers.ts';
import { deciding } from '../../train/metrics.ts';
import { createEvalStep, isFrozen } from '../../train/step.ts';
import { normaliseImages } from '../../train/teacher.ts';
import { PREFIX } from '../../train/variables.ts';
import { engineDecodeNow } from '../images/engine-decode.ts';
import type { JobContext } from '../job-context.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { openTeacher, planTeacher, teacherAnswers } from '../teacher/teacher.ts';
import { copyParams } from '../training/train-state.ts';
import type { PredictFilesJob, PredictJob } from '../../jobs/job-protocol.ts';
import { readClassNames } from '../../weights/class-names.ts';
import { chooseNetwork } from '../../weights/network.ts';
import { headClasses, requireClasses, withWeights, type Weights } from '../../weights/weights.ts';

const QUALITY = 92;

/**
 * Answers images one at a time, prepared as an evaluation prepares them, until it is stopped. A training beside it is
 * not to notice: one thread, and the lowest priority that the system has.
 * @throws StillhouseError `weights.*`, `teacher.*`, `engine.load`.
 */
export async function runPredictJob(job: PredictJob, context: JobContext): Promise<null> {
  yieldToOthers();
  const pending: [question: number, image: Uint8Array][] = [];
  let wake: () => void = () => undefined;
  context.onAsk((question, image) => {
    pending.push([question, image]);
    wake();
  });
  context.stop.addEventListener('abort', () => wake());
  const engine = await loadEngine(job.engine, { threads: 1 });
  const state = engine.newState();
  const oracle = await openOracle(job, engine, state);
  try {
    while (!context.stop.aborted) {
      const next = pending.shift();
      if (next) await answer(oracle, next, context);
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    return null;
  } finally {
    await oracle.close();
    state.dispose();
  }
}

function yieldToOthers(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {
    // Where it is not allowed, one thread has to do.
  }
}

async function answer(oracle: Oracle, [question, image]: [number, Uint8Array], { tell }: JobContext): Promise<void> {
  try {
    tell({ tell: 'answer', question, answer: await oracle.look(image) });
  } catch (error) {
    tell({ tell: 'refused', question, error: toPlainError(error) });
  }
}

interface Oracle {
  look(image: Uint8Array): Promise<PhotoAnswer>;
  close(): Promise<void>;
}

/** Logits of one image by head. */
type Logits = [Answering, Float32Array | null][];

async function openOracle(job: PredictJob, engine: Engine, state: State): Promise<Oracle> {
  const { recipe, classes, student, interpolation } = await loadNetwork(job, state);
  const step = await createEvalStep(engine, state, {
    model: student,
    prefix: PREFIX.model,
    batchSize: 1,
    frozen: true,
  });
  const maker = imageMaker(
    { ...evaluationRecipe(recipe), evalInterpolation: interpolation },
    engineDecodeNow(engine.tensorflow),
  );
  const teacher = await openAdviser(recipe, classes, engine, state);
  // Attention is computed from the parameters themselves.
  state.trim((name) => isFrozen(name) || !rolloutShape(student));
  const look = async (image: Uint8Array): Promise<PhotoAnswer> => {
    const started = performance.now();
    const images = viewOf(maker, image, recipe.inputSize);
    const { head, headDist } = await step.run(images);
    const test = deciding(recipe.evalHeads, { head, headDist }, classes.length);
    const apart: Logits = headDist ? [['class', head], ['distillation', headDist]] : []; // prettier-ignore
    const logits: Logits = [['test', test], ...apart, ['teacher', teacher && (await teacher.ask(image))]];
    const square = { width: recipe.inputSize, height: recipe.inputSize, data: images };
    const jpeg = await encodeJpeg(engine.tensorflow, square, { quality: QUALITY });
    return {
      model: recipe.model,
      average: job.average,
      seen: `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`,
      inputSize: recipe.inputSize,
      heads: logits.flatMap(([head, values]) => (values ? [{ head, top: topOf(values, classes) }] : [])),
      attention: await attentionOf(student, state, images),
      milliseconds: performance.now() - started,
    };
  };
  return {
    look,
    close: async () => {
      step.dispose();
      await teacher?.close();
    },
  };
}

/** Loads the network of a weight file, by what the file says of itself and by `settings`. */
export async function loadNetwork(
  job: Pick<PredictFilesJob, 'weights' | 'average' | 'settings' | 'entry' | 'classNames'>,
  state: State,
) {
  const given = job.classNames ? readClassNames(job.classNames) : null;
  const load = (weights: Weights) => {
    const { recipe, prepared, notes } = chooseNetwork(weights, job.settings);
    const { classes, assumed } = classesOf(weights, given);
    const network = createModel(recipe.model, { classes: classes.length, inputSize: recipe.inputSize });
    const { mean, std, interpolation } = prepared;
    const student = { ...network, mean, std };
    copyParams(state, PREFIX.model, student, weights);
    return { recipe, classes, student, interpolation, notes: [...notes, ...assumed] };
  };
  return withWeights(job.weights, load, job);
}

/** The names of outputs: those that are given, else those that the file tells, else ImageNet's or their numbers. */
function classesOf(weights: Weights, given: string[] | null): { classes: string[]; assumed: PlainError[] } {
  const names = given ?? weights.classes;
  if (names) return { classes: requireClasses(weights, names), assumed: [] };
  const count = headClasses(weights);
  const imagenet = count === 1000;
  const code = imagenet ? 'weights.class-thousand' : 'weights.class-numbers';
  const note = toPlainError(new StillhouseError(code, { path: weights.path, count }));
  return { classes: imagenet ? imagenetSynsets() : numbers(count), assumed: [note] };
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, number) => String(number));
}

/** The teacher of the run, where its file is still there. */
async function openAdviser(recipe: Recipe, classes: readonly string[], engine: Engine, state: State) {
  const { distillationType, teacherPath } = recipe;
  if (distillationType === 'none' || teacherPath === '' || !existsSync(teacherPath)) return null;
  const opened = await openTeacher(await planTeacher(recipe, classes), { engine, state, classes });
  const answers = await teacherAnswers(opened, { engine, state }, { batchSize: 1 });
  const { inputSize, cropRatio, interpolation } = opened.card;
  const own: ViewOptions = { ...evaluationRecipe(recipe), inputSize, evalCropRatio: cropRatio, evalInterpolation: interpolation }; // prettier-ignore
  const maker = imageMaker(own, engineDecodeNow(engine.tensorflow));
  return {
    ask: (image: Uint8Array) => answers.run(viewOf(maker, image, inputSize)),
    close: async () => {
      answers.dispose();
      await opened.close();
    },
  };
}

/** @throws StillhouseError `photo.unreadable` */
function viewOf(maker: ImageMaker, image: Uint8Array, side: number): Uint8Array {
  const view = new Uint8Array(side * side * 3);
  try {
    maker.fromFile(image, [['eval', view]], false);
  } catch (error) {
    throw new StillhouseError(
      'photo.unreadable',
      { reason: error instanceof ReasonError ? error.reason : reasonOf(error) },
      { cause: error },
    );
  }
  return view;
}

/** Names the most probable classes of logits [K], at most `most`. */
export function topOf(
  logits: Float32Array,
  classes: readonly string[],
  most = KEPT_ANSWERS,
): PhotoAnswer['heads'][number]['top'] {
  const recorder = new AnswerRecorder(classes.length, most);
  recorder.add(logits, { files: [''], labels: Int32Array.of(0) });
  const { top, probability } = recorder.answers();
  const count = Math.min(most, classes.length);
  return Array.from({ length: count }, (_, place) => {
    const name = classes[top[place]];
    return { label: top[place], name, ...classTitle(name), probability: probability[place] || 0 };
  });
}

async function attentionOf(student: Model, state: State, images: Uint8Array): Promise<TokenAttention | null> {
  const shape = rolloutShape(student);
  if (!shape) return null;
  const side = student.inputSize;
  const { rolled, raw } = tf.tidy(() => {
    const params = student.specs.map(({ name, shape }) => [name, tf.tensor(state.read(PREFIX.model + name), [...shape])] as const); // prettier-ignore
    const pixels = tf.tensor4d(Float32Array.from(images), [1, side, side, 3]);
    return rollout(shape, Object.fromEntries(params), normaliseImages(pixels, student));
  });
  const [shares, weights, [blocks, heads, , patches]] = [await rolled.data(), await raw.data(), raw.shape];
  tf.dispose([rolled, raw]);
  const of = (token: number) => ({
    rolled: [...shares.slice(token * patches, (token + 1) * patches)],
    raw: rawAttention(weights, raw.shape, token),
  });
  const distillation = shape.extra === 2 ? of(1) : null;
  return { side: Math.sqrt(patches), blocks, heads, class: of(0), distillation };
}

/** Packs one token's part of weights [blocks, heads, extra, patches] as {@link TokenAttention} has it. */
function rawAttention(
  weights: ArrayLike<number>,
  [blocks, heads, extra, patches]: readonly number[],
  token: number,
): string {
  const packed = Buffer.alloc(2 * blocks * heads * patches);
  const at = (block: number, head: number): number => ((block * heads + head) * extra + token) * patches;
  for (let block = 0; block < blocks; block++) {
    let most = 0;
    for (let head = 0; head < heads; head++)
      for (let patch = 0; patch < patches; patch++) most = Math.max(most, weights[at(block, head) + patch]);
    for (let head = 0; head < heads; head++)
      for (let patch = 0; patch < patches; patch++) {
        const share = most > 0 ? weights[at(block, head) + patch] / most : 0;
        packed.writeUInt16LE(Math.round(65535 * share), 2 * ((block * heads + head) * patches + patch));
      }
  }
  return packed.toString('base64');
}
