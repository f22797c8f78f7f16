import * as tf from '@tensorflow/tfjs-core';
import { GROUP_KEY } from '../runtime/config.ts';
import { attr, call } from './ops.ts';

/**
 * Sums over all ranks in a recorded program. Each sum has a number of its own by which the ranks find each other's:
 * they record the same program, so they count alike.
 */

/** The recording under way; null: a process on its own. */
let current: { size: number; next: number } | null = null;

/** Numbers of broadcasts lie below. */
const FIRST_KEY = 1_000_000;

/** Runs `record` with sums over `size` ranks; programs that run beside each other number theirs from another `first`. */
export function acrossRanks<Result>(size: number, record: () => Result, first = FIRST_KEY): Result {
  const before = current;
  current = size > 1 ? { size, next: first } : null;
  try {
    return record();
  } finally {
    current = before;
  }
}

/** Counts the ranks that the current recording sums over; 1 where there are no others. */
export function ranksOfRecording(): number {
  return current?.size ?? 1;
}

/** Computes the sum of `x` over all ranks; `x` itself where there are no others. It has no gradient. */
export function sumOverRanks<T extends tf.Tensor>(x: T): T {
  if (!current) return x;
  const scalars = [current.size, GROUP_KEY, current.next++].map((value) => tf.scalar(value, 'int32'));
  const attrs = [
    ...[attr.type('T', 'float32'), attr.text('merge_op', 'Add'), attr.text('final_op', 'Id')],
    ...[attr.text('communication_hint', 'auto'), attr.float('timeout_seconds', 0), attr.bool('is_stateless', false)],
  ];
  return call('CollectiveReduceV2', attrs, [x, ...scalars])[0] as T;
}

/** Computes the sums of many tensors over all ranks, in one exchange. */
export function sumAllOverRanks(tensors: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  if (!current) return tensors;
  // Those that keep what comes after them aligned are first: TensorFlow hands out aligned parts of a sum uncopied.
  const all = Object.entries(tensors).sort(([, one], [, other]) => unaligned(one) - unaligned(other));
  const bucket = sumOverRanks(tf.concat(all.map(([, tensor]) => tf.reshape(tensor, [tensor.size]))));
  const starts = all.reduce<number[]>((edges, [, { size }]) => [...edges, edges.at(-1)! + size], [0]);
  const parts = all.map(([name, { shape, size }], index) => {
    return [name, tf.reshape(tf.slice(bucket, [starts[index]], [size]), shape)];
  });
  return Object.fromEntries(parts) as Record<string, tf.Tensor>;
}

/** Floats to which TensorFlow aligns tensors. */
const ALIGNED = 16;

const unaligned = ({ size }: tf.Tensor): number => (size % ALIGNED === 0 ? 0 : 1);
