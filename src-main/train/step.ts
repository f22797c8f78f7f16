import * as tf from '@tensorflow/tfjs-core';
import type { Recipe } from '../protocol/recipe.ts';
import type { Model, Params } from '../model/model.ts';
import type { Engine } from '../runtime/engine.ts';
import type { Values } from '../runtime/dtypes.ts';
import { compile } from '../trace/compile.ts';
import { castTo, finite } from '../trace/ops.ts';
import { lower, type LowerOptions, type Precision } from '../trace/lower.ts';
import type { Program, TensorSpec } from '../trace/program.ts';
import { record } from '../trace/recorder.ts';
import type { State } from '../trace/state.ts';
import { optimizerScalars } from './adamw.ts';
import { drawInputs, drawnImages, drawnTargets, drawValues, type Draws } from './mix.ts';
import { hardDistillation, smoothTargets, softDistillation, softTargetCrossEntropy } from './losses.ts';
import { guarded, update } from './update.ts';
import { pick, PREFIX, trainable, trainVariables } from './variables.ts';

/**
 * One training step and one evaluation step: pure functions of (state, batch, scalars), recorded once and compiled.
 * Everything that changes between steps is an input. B pictures of a batch, S side, K classes.
 */
export interface StepBatch extends Draws {
  /** [B, S, S, 3] RGB. */
  images: Uint8Array;
  /** [B] */
  labels: Int32Array;
  /** As the model's `noise` asks; null when it asks for none. */
  noise: Float32Array | null;
}

export interface StepResult {
  loss: number;
  lossClass: number;
  lossDistillation: number | null;
}

export interface TrainStep {
  readonly program: Program;
  /** A step whose loss is not finite leaves the state as it was. */
  run(batch: StepBatch, scalars: { lr: number; step: number }): Promise<StepResult>;
  dispose(): void;
}

export interface TrainStepParts {
  student: Model;
  /** Frozen; sees the student's augmented, erased and mixed pictures with its own normalisation. null: no distillation. */
  teacher: Model | null;
  recipe: Recipe;
  batchSize: number;
  /** Of the matrix products; float32 when left out. */
  precision?: Precision;
}

const SCALARS = ['lr', 'beta1Power', 'beta2Power', 'epsilon', 'decay'] as const;

/** Records the training step of `parts`. The program depends on the recipe's constants but on no learning rate, step or seed. */
export function recordTrainStep(engine: Engine, parts: TrainStepParts): Program {
  const { student, teacher, recipe } = parts;
  return record(engine, trainInputs(parts), trainVariables(student, teacher), (inputs, variables) => {
    const asRead = castTo(inputs.images, 'uint8', 'float32') as tf.Tensor4D;
    const images = drawnImages(recipe, student, asRead, inputs);
    const labels = smoothTargets(inputs.labels as tf.Tensor1D, student.classes, recipe.smoothing);
    const targets = drawnTargets(recipe, labels, inputs);
    const teacherLogits = teacher && teacher.predict(pick(variables, PREFIX.teacher), normalise(images, teacher)).head;
    const params = pick(variables, PREFIX.model);
    const { losses, gradients, updates } = lossAndGradients(
      parts,
      params,
      images,
      targets,
      inputs.noise ?? null,
      teacherLogits,
    );
    const good = finite(losses.loss);
    return {
      outputs: losses,
      assigns: { ...update(student, recipe, inputs, variables, gradients, good), ...guarded(updates, params, good) },
    };
  });
}

function trainInputs({ student, recipe, batchSize }: TrainStepParts): Record<string, TensorSpec> {
  const side = student.inputSize;
  const noise = student.noise?.shape(batchSize);
  return {
    images: { shape: [batchSize, side, side, 3], dtype: 'uint8' },
    labels: { shape: [batchSize], dtype: 'int32' },
    ...(noise && { noise: { shape: noise, dtype: 'float32' as const } }),
    ...drawInputs(recipe, batchSize),
    ...Object.fromEntries(SCALARS.map((name) => [name, { shape: [], dtype: 'float32' as const }])),
  };
}

/** [0, 255] → the model's normalised range. */
function normalise(images: tf.Tensor4D, model: Model): tf.Tensor4D {
  const scale = model.std.map((std) => 1 / (255 * std));
  const shift = model.std.map((std, channel) => -model.mean[channel] / std);
  return tf.add(tf.mul(images, tf.tensor1d(scale)), tf.tensor1d(shift));
}

function lossAndGradients(
  { student, recipe }: TrainStepParts,
  params: Params,
  images: tf.Tensor4D,
  targets: tf.Tensor2D,
  noise: tf.Tensor | null,
  teacherLogits: tf.Tensor2D | null,
) {
  const names = trainable(student).map(({ name }) => name);
  let parts: Record<string, tf.Tensor> = {};
  let updates: Params = {};
  const { value, grads } = tf.engine().gradients(
    () => {
      const result = student.train(params, normalise(images, student), noise);
      updates = keepAll(result.updates);
      const lossClass = softTargetCrossEntropy(result.heads.head, targets);
      const lossDistillation = teacherLogits && distillation(recipe, result.heads.headDist!, teacherLogits);
      parts = keepAll({ lossClass, ...(lossDistillation && { lossDistillation }) });
      if (!lossDistillation) return lossClass;
      const alpha = recipe.distillationAlpha;
      return tf.add<tf.Scalar>(tf.mul(lossClass, 1 - alpha), tf.mul(lossDistillation, alpha));
    },
    names.map((name) => params[name]),
    undefined,
    true,
  );
  // As in torch, a parameter that the loss does not reach (an unused head) has no gradient and stays as it is.
  const reached = names.map((name, index) => [name, grads[index]] as const).filter(([, gradient]) => gradient);
  const gradients = Object.fromEntries(reached);
  return { losses: { loss: value, ...parts } as Record<string, tf.Tensor>, gradients, updates };
}

/** Keeps tensors beyond the tidy of the gradient; recorded tensors cost nothing. */
function keepAll<T extends Record<string, tf.Tensor>>(tensors: T): T {
  for (const tensor of Object.values(tensors)) tf.keep(tensor);
  return tensors;
}

function distillation(recipe: Recipe, student: tf.Tensor2D, teacher: tf.Tensor2D): tf.Scalar {
  return recipe.distillationType === 'hard'
    ? hardDistillation(student, teacher)
    : softDistillation(student, teacher, recipe.distillationTau);
}

function lowering(precision: Precision = 'float32'): LowerOptions {
  return { precision, fuse: true };
}

/** Compiles the training step over `state`, which must hold its variables. */
export async function createTrainStep(engine: Engine, state: State, parts: TrainStepParts): Promise<TrainStep> {
  const program = lower(recordTrainStep(engine, parts), lowering(parts.precision));
  const compiled = compile(engine, program, state);
  const scalar = (values: Values | undefined) => (values ? Number(values[0]) : null);
  return {
    program,
    run: async (batch, { lr, step }) => {
      const scalars = Object.entries(optimizerScalars(parts.recipe, lr, step));
      const results = await compiled.run({
        images: batch.images,
        labels: batch.labels,
        ...(batch.noise && { noise: batch.noise }),
        ...drawValues(parts.recipe, batch, parts.batchSize, step),
        ...Object.fromEntries(scalars.map(([name, value]) => [name, Float32Array.of(value)])),
      });
      return {
        loss: scalar(results.loss)!,
        lossClass: scalar(results.lossClass)!,
        lossDistillation: scalar(results.lossDistillation),
      };
    },
    dispose: () => compiled.dispose(),
  };
}

export interface EvalStep {
  /** @param images [B, S, S, 3] RGB. @returns logits, row-major [B·K]. */
  run(images: Uint8Array): Promise<{ head: Float32Array; headDist: Float32Array | null }>;
  dispose(): void;
}

export interface EvalStepParts {
  model: Model;
  /** Whose parameters: `model.` or `teacher.`. */
  prefix: string;
  batchSize: number;
  /** Of the matrix products; float32 when left out. */
  precision?: Precision;
}

/** Compiles the evaluation forward over `state`. */
export async function createEvalStep(engine: Engine, state: State, parts: EvalStepParts): Promise<EvalStep> {
  const { model, prefix, batchSize, precision } = parts;
  const inputs = { images: { shape: [batchSize, model.inputSize, model.inputSize, 3], dtype: 'uint8' as const } };
  const variables = Object.fromEntries(
    model.specs.map(({ name, shape }) => [prefix + name, { shape, dtype: 'float32' as const }]),
  );
  const program = record(engine, inputs, variables, ({ images }, params) => {
    const pixels = castTo(images, 'uint8', 'float32') as tf.Tensor4D;
    const { head, headDist } = model.predict(pick(params, prefix), normalise(pixels, model));
    return { outputs: { head, ...(headDist && { headDist }) }, assigns: {} };
  });
  const compiled = compile(engine, lower(program, lowering(precision)), state);
  return {
    run: async (images) => {
      const { head, headDist } = await compiled.run({ images });
      return { head: head as Float32Array, headDist: (headDist as Float32Array | undefined) ?? null };
    },
    dispose: () => compiled.dispose(),
  };
}
