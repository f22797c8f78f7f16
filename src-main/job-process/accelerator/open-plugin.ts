import { join } from 'node:path';
import { PLUGIN_PINS, pluginLibrary } from '../../install/engine-pin.ts';
import { CUDA_PLUGINS, PLUGINS_OF, type PluginName } from '../../protocol/device.ts';
import type { NamedValue } from '../../runtime/pjrt/api.ts';
import type { PjrtClient } from '../../runtime/pjrt/client.ts';
import { PjrtPlugin } from '../../runtime/pjrt/plugin.ts';

/** Share of a GPU's memory that a client takes as it needs it. */
const MEMORY_FRACTION = 0.92;

/**
 * Loads an installed plugin, after its library was compared with the pin.
 * @param folder the engine folder that holds it.
 * @throws StillhouseError `file.missing`, `engine.corrupt`, `engine.load`.
 */
export function openPlugin(folder: string, name: PluginName): PjrtPlugin {
  const { path, sha256 } = pluginLibrary(PLUGIN_PINS[name]);
  return PjrtPlugin.load(join(folder, path), { sha256 });
}

/**
 * Takes devices of a plugin.
 * @param devices their numbers; of the processor, as many devices are made as the greatest of them needs. Absent: all.
 * @throws PjrtError when there is no such device.
 */
export async function openDevices(
  plugin: PjrtPlugin,
  name: PluginName,
  devices?: readonly number[],
): Promise<PjrtClient> {
  return plugin.client(clientOptions(name, devices));
}

function clientOptions(name: PluginName, devices?: readonly number[]): Record<string, NamedValue> {
  if (name === 'pjrt-cpu') return { cpu_device_count: BigInt(Math.max(0, ...(devices ?? [])) + 1) };
  const gpus = [...CUDA_PLUGINS, ...PLUGINS_OF.rocm].some((plugin) => plugin === name);
  // Numbers are those of nvidia-smi.
  process.env.CUDA_DEVICE_ORDER ??= 'PCI_BUS_ID';
  if (!gpus) return {};
  return { preallocate: false, memory_fraction: MEMORY_FRACTION, ...(devices && { visible_devices: devices }) };
}
