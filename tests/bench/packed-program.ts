import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import type { StableHloModule } from '../../src-main/runtime/pjrt/module.ts';

/** A training step in the archive of `gpu-pack`, with all that it is fed but what follows from a seed. */
export interface PackedProgram {
  name: string;
  /** Its MLIR text, beside this. */
  file: string;
  /** Names of timm. */
  model: string;
  teacher: string | null;
  precision: Precision;
  /** Over all devices. */
  batch: number;
  module: Omit<StableHloModule, 'mlir'>;
  /** Learning rate and so on, for each step. */
  scalars: Record<string, number>[];
  /** Losses of the first {@link COMPARED} steps on TensorFlow in float32; null where a processor takes too long. */
  losses: number[] | null;
  /** How far from them its own may be, relative. */
  bound: number;
}

export const COMPARED = 3;

type Draw = () => number;

/** Numbers in [0, 1) that are the same everywhere. */
function drawsOf(seed: string): Draw {
  let state = 0x811c9dc5;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Sets every variable to values that follow from its name: norms to one, moments and biases to zero, weights small. */
export function packedState(
  { inputs }: Pick<StableHloModule, 'inputs'>,
  set: (name: string, shape: readonly number[], values: Float32Array) => void,
): void {
  for (const { name, shape, variable } of inputs) if (variable) set(name, shape, valuesOf(name, shapeSize(shape)));
}

function valuesOf(name: string, count: number): Float32Array {
  if (/^(exp_avg|momentum|guard)|\.bias$|running_mean$/.test(name)) return new Float32Array(count);
  if (/(norm|bn)\w*(\.\w+)*\.weight$|running_var$/.test(name)) return new Float32Array(count).fill(1);
  const draw = drawsOf(name);
  return Float32Array.from({ length: count }, () => 0.07 * (draw() - 0.5));
}

/** The inputs of a step: its scalars, and pixels, labels and noise that follow from its number. */
export function packedInputs(
  { inputs, replicas }: Pick<StableHloModule, 'inputs' | 'replicas'>,
  step: number,
  scalars: readonly Record<string, number>[],
): Record<string, Values> {
  const fed = inputs.filter(({ variable }) => !variable);
  const given = scalars[step];
  return Object.fromEntries(
    fed.map(({ name, shape, dtype, split }) => {
      if (name in given) return [name, Float32Array.of(given[name])];
      const draw = drawsOf(`${name} ${step}`);
      const length = shapeSize(shape) * (split === null ? 1 : replicas);
      if (dtype === 'uint8') return [name, Uint8Array.from({ length }, () => 256 * draw())];
      if (dtype === 'int32') return [name, Int32Array.from({ length }, () => 1000 * draw())];
      return [name, Float32Array.from({ length }, draw)];
    }),
  );
}
