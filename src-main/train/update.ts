import * as tf from '@tensorflow/tfjs-core';
import type { Model, Params } from '../model/model.ts';
import type { Recipe } from '../protocol/recipe.ts';
import { adamw, multiplyNoNan } from '../trace/ops.ts';
import { isDecayed } from './adamw.ts';
import { PREFIX, trainable } from './variables.ts';

/** The optimizer's new parameters and moments. Gradients of a bad loss count as zero and move nothing. */
export function update(
  student: Model,
  recipe: Recipe,
  inputs: Record<string, tf.Tensor>,
  variables: Record<string, tf.Tensor>,
  gradients: Record<string, tf.Tensor>,
  good: tf.Tensor,
): Record<string, tf.Tensor> {
  const bad = tf.sub(1, good);
  const or = (value: tf.Tensor | number, fallback: number) => tf.add(tf.mul(value, good), tf.mul(fallback, bad));
  const lr = or(inputs.lr, 0);
  const [beta1, beta2] = [or(recipe.optBeta1, 1), or(recipe.optBeta2, 1)];
  const [decayed, kept] = [or(inputs.decay, 1), tf.scalar(1)];
  const assigns: Record<string, tf.Tensor> = {};
  for (const spec of trainable(student).filter(({ name }) => name in gradients)) {
    const names = [PREFIX.model, PREFIX.mean, PREFIX.square].map((prefix) => prefix + spec.name);
    const moved = adamw(names.map((name) => variables[name]), multiplyNoNan(gradients[spec.name], good), [
      lr, inputs.beta1Power, inputs.beta2Power, beta1, beta2, inputs.epsilon, isDecayed(spec) ? decayed : kept,
    ]); // prettier-ignore
    names.forEach((name, index) => (assigns[name] = moved[index]));
  }
  return assigns;
}

/** New buffers, or the old ones after a bad loss. */
export function guarded(updates: Params, params: Params, good: tf.Tensor): Record<string, tf.Tensor> {
  const choose = (name: string) => tf.add(multiplyNoNan(updates[name], good), tf.mul(params[name], tf.sub(1, good)));
  return Object.fromEntries(Object.keys(updates).map((name) => [PREFIX.model + name, choose(name)]));
}
