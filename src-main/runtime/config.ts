import { bytesField, message, textField, varintField } from '../formats/protobuf-writer.ts';

// Fields of TensorFlow's ConfigProto, and those of the messages inside it.
const DEVICE_COUNT = 1;
const INTRA_OP_THREADS = 2;
const INTER_OP_THREADS = 5;
const GPU_OPTIONS = 6;
const SOFT_PLACEMENT = 7;
const GRAPH_OPTIONS = 10;
const GRAPH_OPTIMIZER = 3;
const GLOBAL_JIT = 5;
const GPU_GROWTH = 4;
const GPU_LIST = 5;
const MAP_KEY = 1;
const MAP_VALUE = 2;

export interface ContextOptions {
  /** Threads inside one op. */
  within: number;
  /** Threads for ops that run side by side. */
  between: number;
  /** Number of the GPU to compute on; null: none is touched. */
  gpu?: number | null;
}

/**
 * Serialises a ConfigProto. For a GPU it names that one alone, lets its memory grow, places CPU-only ops on the
 * processor, and turns on XLA for all it can compile.
 */
export function contextConfig({ within, between, gpu = null }: ContextOptions): Uint8Array {
  const threads = [varintField(INTRA_OP_THREADS, within), varintField(INTER_OP_THREADS, between)];
  return message([...threads, ...(gpu === null ? [withoutGpu()] : withGpu(gpu))]);
}

function withoutGpu(): Buffer {
  return bytesField(DEVICE_COUNT, message([textField(MAP_KEY, 'GPU'), varintField(MAP_VALUE, 0)]));
}

function withGpu(index: number): Buffer[] {
  return [
    bytesField(GPU_OPTIONS, message([varintField(GPU_GROWTH, 1), textField(GPU_LIST, String(index))])),
    varintField(SOFT_PLACEMENT, 1),
    bytesField(GRAPH_OPTIONS, bytesField(GRAPH_OPTIMIZER, varintField(GLOBAL_JIT, 1))),
  ];
}
