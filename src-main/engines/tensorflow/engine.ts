import { multipliesBfloat16 } from '../../runtime/devices.ts';
import { loadTensorFlow, type TensorFlow, type TensorFlowOptions } from '../../runtime/tensorflow.ts';
import type { Program } from '../../trace/program.ts';
import type { Engine, LowerAs } from '../engine.ts';
import { compile, compileFrozen } from './compile.ts';
import { footprint, preparedBytes } from './footprint.ts';
import { lowerFrozen } from './lower.ts';
import { TensorFlowState } from './state.ts';

/** Loads TensorFlow from `folder` and lets it compute. @throws StillhouseError as `loadTensorFlow` does. */
export async function loadTensorFlowEngine(folder: string, options: TensorFlowOptions): Promise<Engine> {
  return tensorFlowEngine(await loadTensorFlow(folder, options));
}

/** The engine of processors: programs become TensorFlow's functions. */
function tensorFlowEngine(tensorflow: TensorFlow): Engine {
  const { gpu, threads, lanes } = tensorflow;
  const onGpu = gpu !== null;
  const lowered = (program: Program, { precision = 'float32', isFrozen = () => false }: LowerAs = {}) =>
    lowerFrozen(program, { precision, fuse: true, onGpu }, isFrozen);
  return {
    tensorflow,
    device: {
      name: gpu?.name ?? 'cpu',
      kind: gpu ? 'accelerator' : 'processor',
      bfloat16: multipliesBfloat16(gpu),
      tf32: false,
      memory: null,
      count: 1,
    },
    threads,
    lanes,
    ahead: false,
    newState: () => new TensorFlowState(tensorflow),
    compile: async (program, state, { exact, ...as } = {}) =>
      exact ? compile(tensorflow, program, state) : compileFrozen(tensorflow, lowered(program, as), state),
    footprint: async (program, as) => {
      const split = lowered(program, as);
      return footprint(split.program, lanes) + preparedBytes(split.prepare);
    },
  };
}
