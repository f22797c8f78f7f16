import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { inParts, wholePixels, type Answers } from './batch-parts.ts';
import type { OnnxAnswer, OnnxOrder, OnnxQuestion } from './onnx-protocol.ts';
import { ReasonError, reason, reasonIn } from '../../protocol/reasons.ts';

/**
 * The thread that runs an ONNX file. ONNX Runtime works on the thread that calls it, so it has this one to itself;
 * images are handed over and not copied, and read where they lie.
 */

async function open({ path, threads }: OnnxOrder): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(path, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Fatal ones only: what goes wrong arrives as an error.
    logSeverityLevel: 4,
    // Threads that wait for the next image must leave the cores to TensorFlow.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

function answer(session: ort.InferenceSession, order: OnnxOrder, { images, count }: OnnxQuestion) {
  return inParts(images, count, order.batch, async (values, rows): Promise<Answers> => {
    const shape = [rows, ...order.shape];
    const fed = order.inputType === 'uint8' ? new ort.Tensor('uint8', wholePixels(values), shape) : new ort.Tensor('float32', values, shape); // prettier-ignore
    const results = await session.run({ [order.inputName]: fed }, [order.outputName]);
    const { type, data, dims } = results[order.outputName];
    if (type !== 'float32') throw new ReasonError(reason('teacher.type', { type }));
    return { values: data as Float32Array, shape: dims };
  });
}

async function main(port: NonNullable<typeof parentPort>, order: OnnxOrder): Promise<void> {
  const tell = (message: OnnxAnswer): void => port.postMessage(message);
  try {
    const session = await open(order);
    tell({ tell: 'ready' });
    // One after another: a batch that is parted would else be overtaken.
    let before = Promise.resolve();
    port.on('message', (question: OnnxQuestion) => {
      before = before
        .then(() => answer(session, order, question))
        .then(
          ({ values, shape }) => tell({ tell: 'answer', values, shape: [...shape] }),
          (error: unknown) => tell({ tell: 'failed', reason: reasonIn(error) }),
        );
    });
  } catch (error) {
    tell({ tell: 'failed', reason: reasonIn(error) });
  }
}

if (parentPort) void main(parentPort, workerData as OnnxOrder);
