import type { TensorFlowOptions } from '../runtime/tensorflow.ts';
import type { Engine } from './engine.ts';
import { loadTensorFlowEngine } from './tensorflow/engine.ts';

/**
 * Loads the engine from `folder`. A process has one for its life; a second call returns it.
 * @throws StillhouseError `engine.load`.
 */
export function loadEngine(folder: string, options: TensorFlowOptions = {}): Promise<Engine> {
  return loadTensorFlowEngine(folder, options);
}
