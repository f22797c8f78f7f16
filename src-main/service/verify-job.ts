import * as tf from '@tensorflow/tfjs-core';
import { StillhouseError } from '../protocol/errors.ts';
import { loadEngine } from '../runtime/engine.ts';
import type { TrainerResults, VerifyEngineJob } from './trainer-protocol.ts';

/**
 * Loads the engine and multiplies two matrices whose product is known.
 * @throws StillhouseError `engine.load`.
 */
export async function runVerifyJob({
  engine: folder,
  threads,
}: VerifyEngineJob): Promise<TrainerResults['verify-engine']> {
  const engine = await loadEngine(folder, { threads });
  const a = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const product = tf.matMul(a, a);
  const got = [...(await product.data())].join();
  tf.dispose([a, product]);
  if (got !== '7,10,15,22') throw new StillhouseError('engine.load', { reason: `a product came out as ${got}` });
  return { version: engine.version, devices: engine.devices().map(({ name }) => name) };
}
