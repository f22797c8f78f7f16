import * as tf from '@tensorflow/tfjs-core';
import type { Model, Params, ParamSpec } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import type { TensorSpec } from '../trace/program.ts';
import { multiplyNoNan } from '../trace/ops.ts';
import { clip, clipNorm } from './clip.ts';
import { layerDepths } from './layer-decay.ts';
import { optimizerOf } from './optimizer.ts';
import { shared } from './scalars.ts';
import { PREFIX, trainable, variablesOf } from './variables.ts';

/**
 * The last part of the recorded step: gradients become new parameters, optimizer state and average of the model. Its
 * inputs are scalars, computed here in double precision.
 */

/** Lists the inputs of the update, by name. */
export function updateInputs(recipe: Recipe): Record<string, TensorSpec> {
  const names = Object.keys(updateScalars(recipe, 0, 1));
  return Object.fromEntries(names.map((name) => [name, { shape: [], dtype: 'float32' as const }]));
}

/** Computes the values of these inputs in step `step` (from 1). */
export function updateScalars(recipe: Recipe, lr: number, step: number): Record<string, number> {
  const average = recipe.modelEma && { emaRate: 1 - emaDecay(recipe, step) };
  return { lr, ...optimizerOf(recipe).scalars(step), ...average };
}

/** How much of the average a step keeps; with warm-up as timm's ModelEmaV3. */
function emaDecay({ modelEmaDecay, modelEmaWarmup }: Recipe, step: number): number {
  if (!modelEmaWarmup) return modelEmaDecay;
  return Math.min(1 - (1 + (step - 1)) ** (-2 / 3), modelEmaDecay);
}

/** Lists the variables that the update keeps beside the model, zero at first. */
export function optimizerVariables(student: Model, recipe: Recipe): Record<string, TensorSpec> {
  const specs = trainable(student, recipe);
  return Object.assign({}, ...optimizerOf(recipe).slots.map((prefix) => variablesOf(prefix, specs))) as Record<string, TensorSpec>; // prettier-ignore
}

/** Lists all variables that a training writes: the student, the optimizer and the average. */
export function updateVariables(student: Model, recipe: Recipe): Record<string, TensorSpec> {
  return {
    ...variablesOf(PREFIX.model, student.specs),
    ...optimizerVariables(student, recipe),
    ...(recipe.modelEma && variablesOf(PREFIX.ema, student.specs)),
  };
}

/**
 * Computes new parameters and optimizer state. Gradients of a bad loss count as zero and move nothing.
 * @param gradients by parameter name; a parameter without one stays as it is
 * @param good 1, or 0 after a bad loss
 */
export function update(
  student: Model,
  recipe: Recipe,
  inputs: Record<string, tf.Tensor>,
  variables: Record<string, tf.Tensor>,
  gradients: Record<string, tf.Tensor>,
  good: tf.Tensor,
): Record<string, tf.Tensor> {
  const optimizer = optimizerOf(recipe);
  const move = optimizer.mover(inputs, good);
  const specs = trainable(student, recipe).filter(({ name }) => name in gradients);
  const bounded = boundedGradients(student, recipe, variables, gradients, good, optimizer.maxNorm);
  const lrOf = layerRates(student, recipe, shared(tf.mul(inputs.lr, good)));
  const assigns: Record<string, tf.Tensor> = {};
  for (const spec of specs) {
    const names = [PREFIX.model, ...optimizer.slots].map((prefix) => prefix + spec.name);
    const [value, ...slots] = names.map((name) => variables[name]);
    const decay = isDecayed(spec) ? recipe.weightDecay : 0;
    const moved = move({ value, slots, gradient: bounded[spec.name], lr: lrOf(spec.name), decay });
    names.forEach((name, index) => (assigns[name] = moved[index]));
  }
  return assigns;
}

/** DeiT's rule: vectors, and what timm exempts by name, keep their size; `dist_token` is decayed. */
function isDecayed(spec: ParamSpec): boolean {
  return spec.shape.length > 1 && !spec.noWeightDecay;
}

function boundedGradients(
  student: Model,
  recipe: Recipe,
  variables: Record<string, tf.Tensor>,
  gradients: Record<string, tf.Tensor>,
  good: tf.Tensor,
  maxNorm: number | undefined,
): Record<string, tf.Tensor> {
  const whole = shared(good);
  const entries = Object.entries(gradients).map(([name, gradient]) => [name, multiplyNoNan(gradient, whole)] as const);
  const names = student.specs.filter(({ buffer }) => !buffer).map(({ name }) => name);
  const params = Object.fromEntries(names.map((name) => [name, variables[PREFIX.model + name]]));
  const bounded = clip(recipe, Object.fromEntries(entries), params, names);
  return maxNorm === undefined ? bounded : clipNorm(bounded, maxNorm, 0);
}

/** The rate of each parameter's layer. */
function layerRates(student: Model, { layerDecay }: Recipe, lr: tf.Tensor): (name: string) => tf.Tensor {
  if (layerDecay === 1) return () => lr;
  const depths = layerDepths(student.specs);
  return (name) => shared(tf.mul(lr, layerDecay ** depths.get(name)!));
}

/** Returns the new buffers, or the old ones after a bad loss. */
export function guarded(updates: Params, params: Params, good: tf.Tensor): Record<string, tf.Tensor> {
  const choose = (name: string) => tf.add(multiplyNoNan(updates[name], good), tf.mul(params[name], tf.sub(1, good)));
  return Object.fromEntries(Object.keys(updates).map((name) => [PREFIX.model + name, choose(name)]));
}

/**
 * Computes the new average of the model, where the recipe keeps one. Counters are copied, as in timm.
 * @param moved the new values of the step; what is not among them has not changed, nor its average
 */
export function averaged(
  student: Model,
  recipe: Recipe,
  inputs: Record<string, tf.Tensor>,
  variables: Record<string, tf.Tensor>,
  moved: Record<string, tf.Tensor>,
  good: tf.Tensor,
): Record<string, tf.Tensor> {
  if (!recipe.modelEma) return {};
  const rate = shared(tf.mul(inputs.emaRate, good));
  const assigns: Record<string, tf.Tensor> = {};
  for (const { name, integer } of student.specs) {
    const value = moved[PREFIX.model + name];
    const old = variables[PREFIX.ema + name];
    if (value) assigns[PREFIX.ema + name] = integer ? value : tf.add(old, tf.mul(tf.sub(value, old), rate));
  }
  return assigns;
}
