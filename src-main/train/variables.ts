import type * as tf from '@tensorflow/tfjs-core';
import type { Model, Params, ParamSpec } from '../model/model.ts';
import type { TensorSpec } from '../trace/program.ts';

/** Names of state: `model.<timm name>`, `exp_avg.<name>`, `exp_avg_sq.<name>`, `teacher.<name>`. */
export const PREFIX = { model: 'model.', mean: 'exp_avg.', square: 'exp_avg_sq.', teacher: 'teacher.' } as const;

/** The variables of a training step. */
export function trainVariables(student: Model, teacher: Model | null): Record<string, TensorSpec> {
  const specs: Record<string, TensorSpec> = {};
  const add = (prefix: string, list: ParamSpec[]) => {
    for (const { name, shape } of list) specs[prefix + name] = { shape, dtype: 'float32' };
  };
  add(PREFIX.model, student.specs);
  add(PREFIX.mean, trainable(student));
  add(PREFIX.square, trainable(student));
  if (teacher) add(PREFIX.teacher, teacher.specs);
  return specs;
}

/** The parameters that the optimizer moves. */
export function trainable(model: Model): ParamSpec[] {
  return model.specs.filter((spec) => !spec.buffer);
}

/** The variables of one prefix, by their names without it. */
export function pick(variables: Record<string, tf.Tensor>, prefix: string): Params {
  const entries = Object.entries(variables).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/** The variables of some prefixes, by their full names. */
export function pickAll(variables: Record<string, tf.Tensor>, prefixes: readonly string[]): Record<string, tf.Tensor> {
  const entries = Object.entries(variables).filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)));
  return Object.fromEntries(entries);
}
