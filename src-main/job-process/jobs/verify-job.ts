import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { loadEngine } from '../../engines/load.ts';
import { tryPlugin } from '../accelerator/try-plugin.ts';
import type { JobResults, VerifyEngineJob } from '../../jobs/job-protocol.ts';

/**
 * Loads the engine and multiplies two matrices whose product is known.
 * @throws StillhouseError `engine.load`; of a plugin also `engine.corrupt`.
 */
export async function runVerifyJob(job: VerifyEngineJob): Promise<JobResults['verify-engine']> {
  if (job.plugin) return tryPlugin(job.engine, job.plugin);
  const engine = await loadEngine(job.engine, { threads: job.threads });
  const a = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const product = tf.matMul(a, a);
  const got = [...(await product.data())].join();
  tf.dispose([a, product]);
  if (got !== '7,10,15,22') throw new StillhouseError('engine.load', { reason: reason('engine.product', { got }) });
  const { version, devices } = engine.tensorflow;
  return { version, devices: devices().map(({ name }) => name), sight: null };
}
