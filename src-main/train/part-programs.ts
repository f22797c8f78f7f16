import * as tf from '@tensorflow/tfjs-core';
import type { DType } from '../runtime/dtypes.ts';
import type { Engine } from '../engines/engine.ts';
import type { Program, TensorSpec } from '../trace/program.ts';
import { callProgram, record } from '../trace/recorder.ts';
import { partOf, rowsOf, type Part } from './parts.ts';

/** Programs for the parts of a batch: each is one op of the step, and parts of equal length share one. */

/** Runs `body` as one op on `given`, after `after`. What has the same key is recorded once. */
export function asOneOp(
  engine: Engine,
  bodies: Map<string, Program>,
  key: string,
  given: Record<string, tf.Tensor>,
  after: readonly tf.Tensor[],
  body: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
): Record<string, tf.Tensor> {
  const specs = Object.entries(given).map(([name, { shape, dtype }]): [string, TensorSpec] => {
    return [name, { shape, dtype: name === 'images' ? 'uint8' : dtype }];
  });
  const recorded = () =>
    record(engine, Object.fromEntries(specs), {}, (inputs) => ({ outputs: body(inputs), assigns: {} }));
  const program = bodies.get(key) ?? recorded();
  bodies.set(key, program);
  return callProgram(engine, program, given, after);
}

/**
 * Runs `forward` on the parts of a batch, side by side.
 * @param inputs of the batch, divided among the parts
 * @param params the same for all parts
 * @returns what it gives, in the order of the batch; the first axis of each is the batch
 */
export function inParts(
  engine: Engine,
  batchParts: readonly Part[],
  inputs: Record<string, tf.Tensor>,
  params: Record<string, tf.Tensor>,
  forward: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
): Record<string, tf.Tensor> {
  const bodies = new Map<string, Program>();
  const answers = batchParts.map((part) => {
    const given = { ...params, ...partOf(inputs, part) };
    return asOneOp(engine, bodies, String(part.length), given, [], forward);
  });
  const order = batchParts.flat();
  const sorted = order.every((image, place) => image === place);
  const places = order.map((_, image) => order.indexOf(image));
  const joined = (name: string): tf.Tensor => {
    const all = tf.concat(answers.map((answer) => answer[name]));
    return sorted ? all : rowsOf(all, places, 0, all.dtype as DType);
  };
  return Object.fromEntries(Object.keys(answers[0]).map((name) => [name, joined(name)]));
}
