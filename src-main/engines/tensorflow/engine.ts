import { hasBfloat16Products, thisProcessor } from '../../base/processor.ts';
import { loadTensorFlow, type TensorFlow, type TensorFlowOptions } from '../../runtime/tensorflow.ts';
import type { Program } from '../../trace/program.ts';
import type { Engine, LowerAs } from '../engine.ts';
import { compile, compileFrozen } from './compile.ts';
import { footprint, frozenBytes } from './footprint.ts';
import { lowerFrozen } from './lower.ts';
import { TensorFlowState } from './state.ts';

/** Loads TensorFlow from `folder` and lets it compute. @throws StillhouseError as `loadTensorFlow` does. */
export async function loadTensorFlowEngine(folder: string, options: TensorFlowOptions): Promise<Engine> {
  return tensorFlowEngine(await loadTensorFlow(folder, options));
}

/** The engine of processors: programs become TensorFlow's functions. */
function tensorFlowEngine(tensorflow: TensorFlow): Engine {
  const { threads, lanes } = tensorflow;
  const lowered = (program: Program, { precision = 'float32', isFrozen = () => false }: LowerAs = {}) =>
    lowerFrozen(program, { precision, fuse: true }, isFrozen);
  return {
    tensorflow,
    device: {
      name: 'cpu',
      kind: 'processor',
      bfloat16: hasBfloat16Products(thisProcessor()),
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
      return { values: footprint(split.program, lanes), frozen: frozenBytes(split, as?.isFrozen) };
    },
  };
}
