import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import type { Heads, Model, Params, TrainResult } from '../model/model.ts';
import type { Engine, OnFeed, State } from '../engines/engine.ts';
import type { Values } from '../runtime/dtypes.ts';
import { castTo, finite } from '../trace/ops.ts';
import type { IsFrozen } from '../trace/freeze.ts';
import type { Precision } from '../trace/narrow.ts';
import type { Program, TensorSpec } from '../trace/program.ts';
import { acrossRanks, sumAllOverRanks } from '../trace/ranks.ts';
import { record } from '../trace/recorder.ts';
import { drawInputs, drawnImages, drawnTargets, drawValues, type Ranks } from './mix.ts';
import { answersFrom, answersSpec, classLoss, distillationLoss, smoothTargets } from './losses.ts';
import { asOneOp, inParts } from './part-programs.ts';
import { answerPartSize, neighbourParts, partOf, partSize, stepParts, type Part } from './parts.ts';
import { gradientsFit, SCALER_VARIABLES, scaleLoss, skippedSteps, startScaler, unscale } from './scaler.ts';
import type { EvalStep, TrainStep } from './step-types.ts';
import { noiseOfBoth, noiseRows, submodelLosses, twice } from './submodels.ts';
import { normaliseImages, teacherLogits, type StepTeacher } from './teacher.ts';
import { HALT_VARIABLES, heldBack, release } from './halt.ts';
import { averaged, guarded, update, updateInputs, updateScalars, updateVariables } from './update.ts';
import { pick, pickAll, PREFIX, trainable, variablesOf } from './variables.ts';

/**
 * One training step and one evaluation step: pure functions of (state, batch, scalars), recorded once and compiled.
 * Everything that changes between steps is an input. B images of a batch, S side, K classes.
 */
/** A training step over a state. */
export interface CompiledTrainStep extends TrainStep {
  /**
   * A step whose loss or gradients are not finite leaves the state as it was. In float16 a step whose gradients
   * overflow changes nothing but the loss scale.
   */
  run: TrainStep['run'];
  dispose(): void;
}

export interface TrainStepParts {
  student: Model;
  /**
   * Frozen; sees the student's augmented, erased and mixed images at its own size and with its own normalisation.
   * `outside`: its answers come with the batch. null: no distillation.
   */
  teacher: StepTeacher | 'outside' | null;
  recipe: Recipe;
  /** Images of this process, which in a run of several ranks has a share of each step. */
  batchSize: number;
  /** Of the matrix products; float32 when left out. */
  precision?: Precision;
  onFeed?: OnFeed;
  /** Which of the ranks that make each step together this is; absent: it makes it alone. */
  ranks?: Ranks;
}

/** Records the training step of `parts`. The program depends on the recipe's constants but on no learning rate, step or seed. */
export function recordTrainStep(engine: Engine, parts: TrainStepParts): Program {
  const { student, recipe, batchSize } = parts;
  const { microBatch } = recipe;
  const views = recipe.cosub ? 2 : 1;
  const isRank = (parts.ranks?.size ?? 1) > 1;
  const batchParts = stepParts(student, { batchSize, microBatch, lanes: engine.lanes, views, isRank });
  const recorded = record.bind(null, engine, trainInputs(parts), trainVariables(engine, parts));
  return acrossRanks(parts.ranks?.size ?? 1, () =>
    recorded((inputs, variables) => {
      const read = pickAll(variables, [PREFIX.model, PREFIX.teacher, PREFIX.scaler]);
      const { updates, ...own } = batchParts
        ? { ...sumOfParts(engine, parts, batchParts, inputs, read), updates: {} }
        : lossAndGradients(parts, { ...inputs, ...read }, shareOf(parts, batchSize));
      const sums = overRanks(own);
      const loss = finite(sums.losses.loss);
      const scaler = parts.precision === 'float16' ? unscale(sums.gradients, variables, loss) : null;
      const fits = scaler?.fits ?? gradientsFit(sums.gradients);
      const { good, assigns: halt } = heldBack(tf.mul(loss, fits), variables);
      const moved = {
        ...update(student, recipe, inputs, variables, scaler?.gradients ?? sums.gradients, good),
        ...guarded(updates, pick(variables, PREFIX.model), good),
      };
      return {
        outputs: { ...sums.losses, fits },
        assigns: {
          ...moved,
          ...averaged(student, recipe, inputs, variables, moved, good),
          ...scaler?.assigns,
          ...halt,
        },
      };
    }),
  );
}

/** The share that some images have of the whole step, which all ranks make. */
function shareOf({ batchSize, ranks }: TrainStepParts, images: number): number {
  return images / (batchSize * (ranks?.size ?? 1));
}

/** Adds up what all ranks have found: each has its share of the means over the whole batch. */
function overRanks({ losses, gradients }: Sums): Sums {
  const all = sumAllOverRanks({ ...prefixed(SUM.loss, losses), ...prefixed(SUM.gradient, gradients) });
  return { losses: pick(all, SUM.loss), gradients: pick(all, SUM.gradient) };
}

/** Losses and gradients of a batch or of a part of it. */
interface Sums {
  losses: Record<string, tf.Tensor>;
  gradients: Record<string, tf.Tensor>;
}

/**
 * The parts of a batch, as many side by side as there are lanes. Sums grow in the order of the parts, whichever is
 * done first; a part begins when what came out of the one before it in its lane has been added, and is gone.
 */
function sumOfParts(
  engine: Engine,
  parts: TrainStepParts,
  batchParts: readonly Part[],
  inputs: Record<string, tf.Tensor>,
  read: Record<string, tf.Tensor>,
): Sums {
  const bodies = new Map<string, Program>();
  const sums: Record<string, tf.Tensor>[] = [];
  batchParts.forEach((part, index) => {
    const given = { ...partOf(inputs, part), ...read };
    const after = Object.values(sums[index - engine.lanes] ?? {});
    const found = asOneOp(engine, bodies, String(part.length), given, after, (inputs) => {
      const { losses, gradients } = lossAndGradients(
        { ...parts, batchSize: part.length },
        inputs,
        shareOf(parts, part.length),
      );
      return { ...prefixed(SUM.loss, losses), ...prefixed(SUM.gradient, gradients) };
    });
    const before = sums.at(-1);
    sums.push(
      before ? Object.fromEntries(Object.keys(found).map((name) => [name, tf.add(before[name], found[name])])) : found,
    );
  });
  const total = sums.at(-1)!;
  return { losses: pick(total, SUM.loss), gradients: pick(total, SUM.gradient) };
}

function prefixed(prefix: string, tensors: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [prefix + name, value]));
}

/** Names of what a part finds. */
const SUM = { loss: 'sum.loss.', gradient: 'sum.grad.' } as const;

function trainInputs({ student, teacher, recipe, batchSize }: TrainStepParts): Record<string, TensorSpec> {
  const side = student.inputSize;
  const rows = noiseRows(student, recipe);
  return {
    images: { shape: [batchSize, side, side, 3], dtype: 'uint8' },
    labels: { shape: [batchSize], dtype: 'int32' },
    ...(rows > 0 && { noise: { shape: [rows, batchSize], dtype: 'float32' as const } }),
    ...drawInputs(recipe, batchSize),
    ...(teacher === 'outside' && { teacherAnswers: answersSpec(recipe, batchSize, student.classes) }),
    ...updateInputs(recipe),
  };
}

function trainVariables(engine: Engine, parts: TrainStepParts): Record<string, TensorSpec> {
  const { student, teacher, recipe, precision } = parts;
  return {
    ...updateVariables(student, recipe),
    ...(runsAhead(engine, parts) && HALT_VARIABLES),
    ...(precision === 'float16' && SCALER_VARIABLES),
    ...(teacher && teacher !== 'outside' && variablesOf(PREFIX.teacher, teacher.specs)),
  };
}

/**
 * @param inputs the batch and, by their full names, the parameters of both networks
 * @param share of the batch that this is; losses and gradients are that share of the mean over the batch
 */
function lossAndGradients(
  { student, teacher, recipe }: TrainStepParts,
  inputs: Record<string, tf.Tensor>,
  share: number,
) {
  const asRead = castTo(inputs.images, 'uint8', 'float32') as tf.Tensor4D;
  const images = drawnImages(recipe, student, asRead, inputs);
  const labels = smoothTargets(inputs.labels as tf.Tensor1D, student.classes, recipe.smoothing);
  const targets = drawnTargets(recipe, labels, inputs);
  const taught = answersOf(teacher, recipe, inputs, images);
  const params = pick(inputs, PREFIX.model);
  const names = trainable(student, recipe).map(({ name }) => name);
  let losses: Record<string, tf.Tensor> = {};
  let updates: Params = {};
  const { grads } = tf.engine().gradients(
    () => {
      const pixels = normaliseImages(images, student);
      const result = answer(student, recipe, params, { pixels, noise: inputs.noise ?? null });
      updates = keepAll(result.updates);
      losses = keepAll(lossesOf(recipe, result.heads, targets, taught, share));
      return scaleLoss(losses.loss, inputs);
    },
    names.map((name) => params[name]),
    undefined,
    true,
  );
  // As in torch, a parameter that the loss does not reach (an unused head) has no gradient and stays as it is.
  const reached = names.map((name, index) => [name, grads[index]] as const).filter(([, gradient]) => gradient);
  return { losses, gradients: Object.fromEntries(reached), updates };
}

/** Computes the student's answers on a batch; with co-training of submodels, on the batch twice. */
function answer(
  student: Model,
  { trainMode, cosub }: Recipe,
  params: Params,
  { pixels, noise }: { pixels: tf.Tensor4D; noise: tf.Tensor | null },
): TrainResult {
  const shown = cosub ? twice(pixels) : pixels;
  return trainMode
    ? student.train(params, shown, cosub ? noiseOfBoth(noise) : noise)
    : { heads: asOneHead(student.predict(params, shown)), updates: {} };
}

function answersOf(
  teacher: TrainStepParts['teacher'],
  recipe: Recipe,
  inputs: Record<string, tf.Tensor>,
  images: tf.Tensor4D,
): tf.Tensor | null {
  if (teacher === 'outside') return inputs.teacherAnswers;
  return teacher && answersFrom(recipe, teacherLogits(teacher, pick(inputs, PREFIX.teacher), images));
}

/** Computes the answer of a network in evaluation mode: the mean of its heads. */
function asOneHead({ head, headDist }: Heads): Heads {
  return { head: headDist ? tf.mul(tf.add(head, headDist), 0.5) : head, headDist: null };
}

/** Of a student without distillation token, the class head learns from the teacher too: the paper's comparison. */
function lossesOf(
  recipe: Recipe,
  heads: Heads,
  targets: tf.Tensor2D,
  taught: tf.Tensor | null,
  share: number,
): Record<string, tf.Scalar> {
  if (recipe.cosub) {
    const { loss, lossClass } = submodelLosses(recipe, heads.head, targets);
    return { loss: tf.mul(loss, share), lossClass: tf.mul(lossClass, share) };
  }
  const lossClass = tf.mul<tf.Scalar>(labelLoss(recipe, heads, targets), share);
  if (!taught) return { loss: lossClass, lossClass };
  const lossDistillation = tf.mul<tf.Scalar>(distillationLoss(recipe, heads.headDist ?? heads.head, taught), share);
  const alpha = recipe.distillationAlpha;
  return {
    loss: tf.add(tf.mul(lossClass, 1 - alpha), tf.mul(lossDistillation, alpha)),
    lossClass,
    lossDistillation,
  };
}

/** Computes the loss against the labels; of two class tokens the mean of both heads' (the paper's control, section 4). */
function labelLoss(recipe: Recipe, { head, headDist }: Heads, targets: tf.Tensor2D): tf.Scalar {
  const loss = classLoss(recipe, head, targets);
  if (!recipe.twoClassTokens || !headDist) return loss;
  return tf.mul(tf.add(loss, classLoss(recipe, headDist, targets)), 0.5);
}

/** Keeps tensors beyond the tidy of the gradient; recorded tensors cost nothing. */
function keepAll<T extends Record<string, tf.Tensor>>(tensors: T): T {
  for (const tensor of Object.values(tensors)) tf.keep(tensor);
  return tensors;
}

/** The scaler's next step depends on whether the one before was skipped. Ranks settle each step together. */
function runsAhead({ ahead }: Engine, { precision, ranks }: TrainStepParts): boolean {
  return ahead && precision !== 'float16' && (ranks?.size ?? 1) === 1;
}

/** Tells whether no training step moves a variable. */
export const isFrozen = (variable: string): boolean => variable.startsWith(PREFIX.teacher);

/** Compiles the training step over `state`, which must hold its variables. */
export async function createTrainStep(engine: Engine, state: State, parts: TrainStepParts): Promise<CompiledTrainStep> {
  if (parts.precision === 'float16') startScaler(state);
  const ahead = runsAhead(engine, parts);
  if (ahead) release(state);
  let skipped = skippedSteps(state);
  const { precision } = parts;
  const compiled = await engine.compile(recordTrainStep(engine, parts), state, { precision, isFrozen });
  const scalar = (values: Values | undefined) => (values ? Number(values[0]) : null);
  return {
    ahead,
    run: async (batch, { lr, step }) => {
      let feed = 0;
      const onFeed = (start: number, end: number): void => {
        feed = end - start;
        parts.onFeed?.(start, end);
      };
      const scalars = Object.entries(updateScalars(parts.recipe, lr, step - skipped));
      const inputs = {
        images: batch.images,
        labels: batch.labels,
        ...(batch.noise && { noise: batch.noise }),
        ...(batch.teacherAnswers && { teacherAnswers: batch.teacherAnswers }),
        ...drawValues(parts.recipe, batch, parts.batchSize, step, parts.ranks),
        ...Object.fromEntries(scalars.map(([name, value]) => [name, Float32Array.of(value)])),
      };
      const results = await compiled.run(inputs, onFeed);
      const loss = scalar(results.loss)!;
      const misfit = Number.isFinite(loss) && scalar(results.fits) === 0;
      const scaled = parts.precision === 'float16';
      if (misfit && scaled) skipped++;
      const lossDistillation = scalar(results.lossDistillation);
      const lossClass = scalar(results.lossClass)!;
      return { loss, lossClass, lossDistillation, overflow: misfit && !scaled, took: { feed } };
    },
    dispose: () => compiled.dispose(),
  };
}

/** An evaluation forward over a state. */
export interface CompiledEvalStep extends EvalStep {
  dispose(): void;
}

export interface EvalStepParts {
  model: Model;
  /** Whose parameters: `model.` or `teacher.`. */
  prefix: string;
  batchSize: number;
  /** Of the matrix products; float32 when left out. */
  precision?: Precision;
  /** Whether the parameters stay as they are while the step is used: what follows from them alone is computed once. */
  frozen?: boolean;
}

/** Records the evaluation forward. */
export function recordEvalStep(engine: Engine, parts: Omit<EvalStepParts, 'precision'>): Program {
  const { model, prefix, batchSize, frozen = false } = parts;
  const { inputSize, inputWidth = inputSize } = model;
  const inputs = { images: { shape: [batchSize, inputSize, inputWidth, 3], dtype: 'uint8' as const } };
  const variables = Object.fromEntries(
    model.specs.map(({ name, shape }) => [prefix + name, { shape, dtype: 'float32' as const }]),
  );
  const forward = ({ images, ...params }: Record<string, tf.Tensor>) => {
    const pixels = castTo(images, 'uint8', 'float32') as tf.Tensor4D;
    const { head, headDist } = model.predict(pick(params, prefix), normaliseImages(pixels, model));
    return { head, ...(headDist && { headDist }) };
  };
  const { lanes } = engine;
  const size = frozen ? answerPartSize(model, batchSize, lanes) : partSize(model, batchSize, lanes, 0);
  const batchParts = neighbourParts(batchSize, size, lanes);
  return record(engine, inputs, variables, ({ images }, params) => {
    const outputs =
      batchParts.length > 1 ? inParts(engine, batchParts, { images }, params, forward) : forward({ images, ...params });
    return { outputs, assigns: {} };
  });
}

/** Tells which variables of an evaluation forward never change. */
export function frozenIn({ prefix, frozen = false }: Pick<EvalStepParts, 'prefix' | 'frozen'>): IsFrozen {
  return (name) => frozen && name.startsWith(prefix);
}

/** Compiles the evaluation forward over `state`. */
export async function createEvalStep(engine: Engine, state: State, parts: EvalStepParts): Promise<CompiledEvalStep> {
  const settings = { precision: parts.precision, isFrozen: frozenIn(parts) };
  const compiled = await engine.compile(recordEvalStep(engine, parts), state, settings);
  return {
    run: async (images) => {
      const { head, headDist } = await compiled.run({ images });
      return { head: head as Float32Array, headDist: (headDist as Float32Array | undefined) ?? null };
    },
    dispose: () => compiled.dispose(),
  };
}
