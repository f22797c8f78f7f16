import { throwIfBad, checked, type Pointer, type Tf } from './library.ts';
import type { Attr } from './dtypes.ts';
import { setAttr } from './attrs.ts';

const POINTER_BYTES = 8;

/**
 * Runs one op, or a registered function by its name, and waits for it. The caller owns the returned handles.
 * @throws StillhouseError `engine.op` with TensorFlow's own words.
 */
export function execute(
  tf: Tf,
  context: Pointer,
  op: string,
  attrs: readonly Attr[],
  inputs: readonly Pointer[],
  outputCount: number,
): Pointer[] {
  return checked(tf, op, (status) => {
    const call = newOp(tf, context, op, attrs, inputs, status);
    try {
      const handles = new BigUint64Array(Math.max(outputCount, 1));
      const count = Int32Array.of(outputCount);
      tf.TFE_Execute(call, handles, count, status);
      throwIfBad(tf, op, status);
      return Array.from(handles.subarray(0, count[0]));
    } finally {
      tf.TFE_DeleteOp(call);
    }
  });
}

/** Runs one op as {@link execute} does, on a worker thread: the event loop continues while TensorFlow works. */
export async function executeAsync(
  tf: Tf,
  context: Pointer,
  op: string,
  attrs: readonly Attr[],
  inputs: readonly Pointer[],
  outputCount: number,
): Promise<Pointer[]> {
  const status: Pointer = tf.TF_NewStatus();
  // Native memory, since another thread writes it.
  const block: Pointer = tf.libc.malloc(POINTER_BYTES * (outputCount + 1));
  let call: Pointer | undefined;
  try {
    call = newOp(tf, context, op, attrs, inputs, status);
    tf.libc.copyIn(block, Int32Array.of(outputCount), 4);
    await new Promise<void>((resolve, reject) => {
      tf.TFE_Execute.async(call, block + BigInt(POINTER_BYTES), block, status, (error: Error | null) =>
        error ? reject(error) : resolve(),
      );
    });
    throwIfBad(tf, op, status);
    const handles = new BigUint64Array(outputCount);
    if (outputCount > 0) tf.libc.copyIn(handles, block + BigInt(POINTER_BYTES), handles.byteLength);
    return Array.from(handles);
  } finally {
    if (call) tf.TFE_DeleteOp(call);
    tf.libc.free(block);
    tf.TF_DeleteStatus(status);
  }
}

function newOp(
  tf: Tf,
  context: Pointer,
  op: string,
  attrs: readonly Attr[],
  inputs: readonly Pointer[],
  status: Pointer,
): Pointer {
  const call: Pointer = tf.TFE_NewOp(context, op, status);
  throwIfBad(tf, op, status);
  for (const attr of attrs) setAttr(tf, 'eager', call, attr, status);
  for (const input of inputs) tf.TFE_OpAddInput(call, input, status);
  throwIfBad(tf, op, status);
  return call;
}
