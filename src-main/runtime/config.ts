/** TensorFlow's `ConfigProto`, written by hand: a handful of fields. */

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

function integerField(field: number, value: number): number[] {
  return [field << 3, ...varint(value)];
}

function bytesField(field: number, bytes: readonly number[]): number[] {
  return [(field << 3) | 2, ...varint(bytes.length), ...bytes];
}

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];

// ConfigProto's fields, and those of the messages inside it.
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
 * A serialised ConfigProto. With a GPU: that one alone, its memory taken as it is needed, what runs only on the
 * processor placed there, and XLA on whatever it can compile.
 */
export function contextConfig({ within, between, gpu = null }: ContextOptions): Uint8Array {
  const threads = [...integerField(INTRA_OP_THREADS, within), ...integerField(INTER_OP_THREADS, between)];
  return Uint8Array.from([...threads, ...(gpu === null ? withoutGpu() : withGpu(gpu))]);
}

function withoutGpu(): number[] {
  return bytesField(DEVICE_COUNT, [...bytesField(MAP_KEY, ascii('GPU')), ...integerField(MAP_VALUE, 0)]);
}

function withGpu(index: number): number[] {
  return [
    ...bytesField(GPU_OPTIONS, [...integerField(GPU_GROWTH, 1), ...bytesField(GPU_LIST, ascii(String(index)))]),
    ...integerField(SOFT_PLACEMENT, 1),
    ...bytesField(GRAPH_OPTIONS, bytesField(GRAPH_OPTIMIZER, integerField(GLOBAL_JIT, 1))),
  ];
}
