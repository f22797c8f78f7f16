/** Where a training computes: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`. */
export const DEVICE_PATTERN = '^(auto|cpu|cuda(:\\d{1,2})?)$';

/** PJRT plugins: engines of accelerators, and of the processor for tests; each with its version. */
export const PLUGINS = {
  'pjrt-cpu': '0.11.2',
  'pjrt-cuda13': '0.11.2',
  'pjrt-cuda12': '0.11.2',
  'pjrt-rocm': '0.12.0',
  'pjrt-intel': '0.11.2',
  'pjrt-metal': '0.0.5',
  'pjrt-cuda13-windows': '0.11.2',
} as const;

export type PluginName = keyof typeof PLUGINS;

export const PLUGIN_NAMES = Object.keys(PLUGINS) as PluginName[];

/** Engines that can be installed: TensorFlow's of the processor and of NVIDIA's GPUs, and the plugins. */
export const ENGINE_DEVICES = ['cpu', 'cuda', ...PLUGIN_NAMES] as const;

/** Tells whether an engine is a PJRT plugin. */
export function isPlugin(device: string): device is PluginName {
  return Object.hasOwn(PLUGINS, device);
}

/** A device that was chosen: what `auto` came to. */
export type Device = 'cpu' | `cuda:${number}`;

/** Returns the number of a chosen GPU among those that CUDA sees; null for the processor. */
export function gpuIndex(device: string): number | null {
  const [, number] = /^cuda(?::(\d+))?$/.exec(device) ?? [];
  return device.startsWith('cuda') ? Number(number ?? 0) : null;
}
