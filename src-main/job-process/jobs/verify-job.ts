import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { askCudaDriver } from '../../runtime/cuda-driver.ts';
import type { Engine } from '../../engines/engine.ts';
import { loadEngine } from '../../engines/load.ts';
import type { Sight } from '../../install/engine-store.ts';
import { loadLibrary } from '../../runtime/library.ts';
import { tryPlugin } from '../accelerator/try-plugin.ts';
import type { JobResults, VerifyEngineJob } from '../../jobs/job-protocol.ts';

/**
 * Loads the engine and multiplies two matrices whose product is known. Of an engine for GPUs all libraries are loaded,
 * and a GPU computes when there is one.
 * @throws StillhouseError `engine.load`; of a plugin also `engine.corrupt`.
 */
export async function runVerifyJob(job: VerifyEngineJob): Promise<JobResults['verify-engine']> {
  if (job.plugin) return tryPlugin(job.engine, job.plugin);
  const { engine, sight } = job.gpus ? await openOnGpu(job) : { engine: await openOnProcessor(job), sight: null };
  const a = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const product = tf.matMul(a, a);
  const got = [...(await product.data())].join();
  tf.dispose([a, product]);
  if (got !== '7,10,15,22') throw new StillhouseError('engine.load', { reason: reason('engine.product', { got }) });
  const { version, devices } = engine.tensorflow;
  return { version, devices: devices().map(({ name }) => name), sight };
}

function openOnProcessor({ engine, threads }: VerifyEngineJob): Promise<Engine> {
  return loadEngine(engine, { threads });
}

/** The engine on the first GPU, or on the processor where there is none; what is missing of the engine throws. */
async function openOnGpu(job: VerifyEngineJob): Promise<{ engine: Engine; sight: Sight }> {
  loadLibrary(job.engine, { gpu: true });
  try {
    const gpus = askCudaDriver().devices.length;
    const engine = await loadEngine(job.engine, { threads: job.threads, gpu: 0 });
    return { engine, sight: { gpus, reason: null } };
  } catch (error) {
    if (!(error instanceof StillhouseError) || !error.code.startsWith('gpu.')) throw error;
    const engine = await openOnProcessor(job);
    return { engine, sight: { gpus: 0, reason: reasonOf(error) } };
  }
}
