import { multipliesBfloat16 } from '../../runtime/devices.ts';
import { loadTensorFlow, type TensorFlow, type TensorFlowOptions } from '../../runtime/tensorflow.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { Program } from '../../trace/program.ts';
import type { Engine } from '../engine.ts';
import { compile } from './compile.ts';
import { footprint } from './footprint.ts';
import { lower } from './lower.ts';
import { TensorFlowState } from './state.ts';

/** Loads TensorFlow from `folder` and lets it compute. @throws StillhouseError as `loadTensorFlow` does. */
export async function loadTensorFlowEngine(folder: string, options: TensorFlowOptions): Promise<Engine> {
  return tensorFlowEngine(await loadTensorFlow(folder, options));
}

/** The engine of processors: programs become TensorFlow's functions. */
function tensorFlowEngine(tensorflow: TensorFlow): Engine {
  const { gpu, threads, lanes } = tensorflow;
  const lowered = (program: Program, precision: Precision = 'float32') => lower(program, { precision, fuse: true });
  return {
    tensorflow,
    device: {
      name: gpu?.name ?? 'cpu',
      kind: gpu ? 'accelerator' : 'processor',
      bfloat16: multipliesBfloat16(gpu),
      count: 1,
    },
    threads,
    lanes,
    newState: () => new TensorFlowState(tensorflow),
    compile: async (program, state, { precision, exact, onFeed } = {}) =>
      compile(tensorflow, exact ? program : lowered(program, precision), state, onFeed),
    footprint: async (program, precision) => footprint(lowered(program, precision), lanes),
  };
}
