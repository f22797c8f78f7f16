import { shapeSize } from '../base/shape-size.ts';
import { contextConfig } from './config.ts';
import { dtypeOf, type DType, type Values } from './dtypes.ts';
import type { TensorFlow } from './tensorflow.ts';
import { checked, throwIfBad, type GraphOutput, type Pointer, type Tf } from './library.ts';
import { fromTensor, toTensor } from './tensors.ts';

const POINTER_BYTES = 8n;

/** An array with its shape, row-major. */
export interface ShapedValues {
  shape: number[];
  dtype: DType;
  values: Values;
}

/**
 * A SavedModel with its variables, loaded into a session of its own. Loading and running happen on worker threads.
 * Dispose it after use, when nothing runs.
 */
export class SavedModel {
  private constructor(
    private readonly tf: Tf,
    private readonly graph: Pointer,
    private readonly session: Pointer,
    private readonly input: GraphOutput,
    private readonly output: GraphOutput,
  ) {}

  /**
   * @param folder holds `saved_model.pb` and `variables/`.
   * @param input the tensor that is fed, and `output` the one that is asked for, as the graph names them (`name:0`).
   * @throws StillhouseError `engine.op` with TensorFlow's words.
   */
  static async load(engine: TensorFlow, folder: string, input: string, output: string): Promise<SavedModel> {
    const { tf, threads } = engine;
    const graph: Pointer = tf.TF_NewGraph();
    try {
      const session = await loadSession(tf, graph, folder, threads);
      try {
        return new SavedModel(tf, graph, session, tensorOf(tf, graph, input), tensorOf(tf, graph, output));
      } catch (error) {
        closeSession(tf, session);
        throw error;
      }
    } catch (error) {
      tf.TF_DeleteGraph(graph);
      throw error;
    }
  }

  /**
   * Computes the output for one input. Several may run at a time.
   * @throws StillhouseError `engine.op` with TensorFlow's words.
   */
  async run({ shape, dtype, values }: ShapedValues): Promise<ShapedValues> {
    const { tf } = this;
    const fed = toTensor(tf, shape, dtype, values);
    const status: Pointer = tf.TF_NewStatus();
    // Native memory, since another thread writes it: the input's pointer, then the output's.
    const block: Pointer = tf.libc.malloc(Number(2n * POINTER_BYTES));
    tf.libc.copyIn(block, BigUint64Array.of(fed, 0n), 16);
    try {
      await onThread(tf.TF_SessionRun.async, [
        ...[this.session, null, [this.input], block, 1, [this.output], block + POINTER_BYTES, 1],
        ...[null, 0, null, status],
      ]);
      throwIfBad(tf, 'the SavedModel', status);
      const pointers = new BigUint64Array(2);
      tf.libc.copyIn(pointers, block, 16);
      return takeTensor(tf, pointers[1]);
    } finally {
      tf.libc.free(block);
      tf.TF_DeleteStatus(status);
      tf.TF_DeleteTensor(fed);
    }
  }

  dispose(): void {
    closeSession(this.tf, this.session);
    this.tf.TF_DeleteGraph(this.graph);
  }
}

async function loadSession(tf: Tf, graph: Pointer, folder: string, threads: number): Promise<Pointer> {
  const options: Pointer = tf.TF_NewSessionOptions();
  const status: Pointer = tf.TF_NewStatus();
  try {
    const config = contextConfig({ within: threads, between: threads });
    tf.TF_SetConfig(options, config, config.length, status);
    throwIfBad(tf, 'session options', status);
    const session = await onThread(tf.TF_LoadSessionFromSavedModel.async, [
      ...[options, null, folder, ['serve'], 1, graph, null, status],
    ]);
    throwIfBad(tf, 'the SavedModel', status);
    return session as Pointer;
  } finally {
    tf.TF_DeleteStatus(status);
    tf.TF_DeleteSessionOptions(options);
  }
}

/** `name:1` → output 1 of the operation `name`. */
function tensorOf(tf: Tf, graph: Pointer, tensor: string): GraphOutput {
  const [, name, index] = /^(.*?)(?::(\d+))?$/s.exec(tensor)!;
  const oper: Pointer | null = tf.TF_GraphOperationByName(graph, name);
  if (!oper) throw new RangeError(`SavedModel: its graph has no operation ${name}`);
  return { oper, index: Number(index ?? 0) };
}

function takeTensor(tf: Tf, tensor: Pointer): ShapedValues {
  try {
    const shape = Array.from({ length: tf.TF_NumDims(tensor) }, (_, index) => Number(tf.TF_Dim(tensor, index)));
    const dtype = dtypeOf(tf.TF_TensorType(tensor));
    return { shape, dtype, values: fromTensor(tf, tensor, dtype, shapeSize(shape)) as Values };
  } finally {
    tf.TF_DeleteTensor(tensor);
  }
}

function closeSession(tf: Tf, session: Pointer): void {
  checked(tf, 'close session', (status) => {
    tf.TF_CloseSession(session, status);
    tf.TF_DeleteSession(session, status);
  });
}

function onThread(call: (...args: unknown[]) => void, args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call(...args, (error: Error | null, result: unknown) => (error ? reject(error) : resolve(result)));
  });
}
