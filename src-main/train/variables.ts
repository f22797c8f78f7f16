import type * as tf from '@tensorflow/tfjs-core';
import type { Model, Params, ParamSpec } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import type { TensorSpec } from '../trace/program.ts';

/**
 * Prefixes of the names of state, before a parameter's own: the student, torch's names for what optimizers keep, the
 * moving average of the student, the loss scaler, the teacher, and what holds back steps after a bad one.
 */
export const PREFIX = {
  model: 'model.',
  mean: 'exp_avg.',
  square: 'exp_avg_sq.',
  momentum: 'momentum_buffer.',
  ema: 'ema.',
  scaler: 'scaler.',
  teacher: 'teacher.',
  guard: 'guard.',
} as const;

/** Tells whether a variable is what a run makes: neither its teacher's nor the guard's. */
export function isOfRun(name: string): boolean {
  return !name.startsWith(PREFIX.teacher) && !name.startsWith(PREFIX.guard);
}

/** Lists the parameters that the optimizer moves. */
export function trainable(model: Model, { attnOnly }: Pick<Recipe, 'attnOnly'> = { attnOnly: false }): ParamSpec[] {
  return model.specs.filter(({ name, buffer }) => !buffer && (!attnOnly || isOfAttention(name)));
}

/** Tells whether DeiT's `--attn-only` trains a parameter. The head of distillation is not among it. */
function isOfAttention(name: string): boolean {
  return name.includes('.attn.') || /^(head|fc)\./.test(name) || name === 'pos_embed';
}

/** Describes variables under a prefix. */
export function variablesOf(prefix: string, specs: readonly ParamSpec[]): Record<string, TensorSpec> {
  return Object.fromEntries(specs.map(({ name, shape }) => [prefix + name, { shape, dtype: 'float32' as const }]));
}

/** Selects the variables of one prefix, by their names without it. */
export function pick(variables: Record<string, tf.Tensor>, prefix: string): Params {
  const entries = Object.entries(variables).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** Selects the variables of some prefixes, by their full names. */
export function pickAll(variables: Record<string, tf.Tensor>, prefixes: readonly string[]): Record<string, tf.Tensor> {
  const entries = Object.entries(variables).filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)));
  return Object.fromEntries(entries);
}
