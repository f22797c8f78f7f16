import { machineMemory } from '../../base/processor.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import type { XlaFlags } from '../../runtime/pjrt/compile-options.ts';
import type { ProgramCache } from '../../runtime/pjrt/program-cache.ts';
import type { ReadGpuLoad } from '../../runtime/nvml.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { Program } from '../../trace/program.ts';
import { variableBytes, type Device, type DeviceLoad, type Engine } from '../engine.ts';
import { compiledOver } from './compiled.ts';
import { PjrtState } from './state.ts';
import { toStableHlo } from './stablehlo/lower.ts';
import { isLowered } from './stablehlo/ops.ts';

export interface PjrtEngineParts {
  /** Records programs. */
  tensorflow: TensorFlow;
  /** Its devices compute, all of them together. */
  client: PjrtClient;
  cache: ProgramCache;
  /** Whether they multiply bfloat16, and float32 as TF32, in hardware. */
  bfloat16: boolean;
  tf32: boolean;
  /** How busy each device is, where something beside the plugin tells it. */
  loads?: readonly ReadGpuLoad[];
  /** XLA's own flags. */
  flags?: XlaFlags;
}

/** Makes the engine of accelerators: programs become StableHLO, which a PJRT plugin compiles and runs. */
export function pjrtEngine({
  tensorflow,
  client,
  cache,
  bfloat16,
  tf32,
  loads = [],
  flags = {},
}: PjrtEngineParts): Engine {
  const count = client.devices.length;
  const device: Device = {
    name: client.devices[0].kind,
    kind: client.platform === 'cpu' ? 'processor' : 'accelerator',
    bfloat16,
    tf32,
    memory: memoryOf(client),
    count,
  };
  const load = async (program: Program, precision: Precision = 'float32') => {
    const module = toStableHlo(program, { precision, devices: count });
    const { executable } = await cache.load(client, module.mlir, { partitions: count, flags });
    return { client, module, executable };
  };
  return {
    tensorflow,
    device,
    threads: tensorflow.threads,
    lanes: 1,
    ahead: true,
    load: () => loadOf(client, loads),
    lacks: (op) => !isLowered(op),
    newState: () => new PjrtState(client),
    compile: async (program, state, { precision, exact } = {}) => {
      if (!(state instanceof PjrtState)) throw new TypeError('compile: the state is not of this engine');
      return compiledOver(await load(program, exact ? 'float32' : precision), state);
    },
    footprint: async (program, { precision, isFrozen = () => false } = {}) => {
      const { executable } = await load(program, precision);
      const { temporary, outputs, aliased } = executable.memory();
      executable.dispose();
      return { values: temporary + outputs - aliased, frozen: variableBytes(program, isFrozen) };
    },
  };
}

/** Devices of the processor share the machine's memory. */
function memoryOf(client: PjrtClient): number | null {
  const { platform, devices } = client;
  return client.memory()?.limit ?? (platform === 'cpu' ? Math.floor(machineMemory() / devices.length) : null);
}

/** The plugin knows its own memory; where it does not say, that which all processes use counts. */
function loadOf(client: PjrtClient, loads: readonly ReadGpuLoad[]): DeviceLoad {
  const own = client.devices.flatMap((device) => client.memory(device)?.peak ?? []);
  const told = loads.flatMap((read) => read() ?? []);
  const held = own.length > 0 ? own : told.map(({ memory }) => memory);
  return {
    ...(held.length > 0 && { deviceMemory: Math.max(...held) }),
    ...(told.length > 0 && { deviceBusy: told.reduce((sum, { busy }) => sum + busy, 0) / told.length }),
  };
}
