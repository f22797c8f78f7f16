import { ATTR, DTYPES, type Attr } from './dtypes.ts';
import { executeAsync } from './eager.ts';
import { GROUP_KEY } from './config.ts';
import type { Pointer } from './library.ts';
import type { TensorFlow } from './tensorflow.ts';
import { fromHandle, toHandle } from './tensors.ts';

/** TensorFlow's collectives among the ranks that a context was made with. All ranks are one group. */

const FLOAT: Attr = { name: 'T', type: ATTR.type, value: DTYPES.float32.code };

/** Code of TensorFlow's status for a peer that is gone. */
const UNAVAILABLE = 14;

type Parts = Pick<TensorFlow, 'tf' | 'context'>;

/**
 * Gives `values` of rank 0 to all ranks, which call it in the same order with the same shapes.
 * @param key a number that no other collective has
 * @param values of rank 0; null on the others
 */
export async function broadcast(
  { tf, context }: Parts,
  { ranks, key, shape }: { ranks: number; key: number; shape: readonly number[] },
  values: Float32Array | null,
): Promise<Float32Array> {
  const scalars = [ranks, GROUP_KEY, key].map((value) => toHandle(tf, [], 'int32', Int32Array.of(value)));
  const own: Pointer = values
    ? toHandle(tf, shape, 'float32', values)
    : toHandle(tf, [shape.length], 'int32', Int32Array.from(shape));
  try {
    const op = values ? 'CollectiveBcastSendV2' : 'CollectiveBcastRecvV2';
    const inputs = values ? [own, ...scalars] : [...scalars, own];
    const [result] = await executeAsync(tf, context, op, [FLOAT], inputs, 1);
    try {
      return fromHandle(tf, result) as Float32Array;
    } finally {
      tf.TFE_DeleteTensorHandle(result);
    }
  } finally {
    for (const handle of [...scalars, own]) tf.TFE_DeleteTensorHandle(handle);
  }
}

/** Ends every collective that waits, and all later ones, with an error that holds `why`: a rank is gone. */
export function abortCollectives({ tf, context }: Parts, why: string): void {
  const status = tf.TF_NewStatus() as Pointer;
  tf.TF_SetStatus(status, UNAVAILABLE, why);
  tf.TFE_AbortCollectiveOps(context, status);
  tf.TF_DeleteStatus(status);
}
