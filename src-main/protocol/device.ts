/**
 * Matches where a training computes: `auto`, `cpu`, `cuda` (the first NVIDIA GPU), `cuda:N`; several as `cuda:0,1` or
 * `cuda:all`. Others are named with their plugin, as `pjrt:rocm:0`; `pjrt:cuda` is `cuda`.
 */
export const DEVICE_PATTERN =
  '^(auto|cpu|cuda(:(all|\\d{1,2}(,\\d{1,2}){0,15}))?|pjrt:(cpu|cuda|rocm|intel|metal)(:(all|\\d{1,2}(,\\d{1,2}){0,15}))?)$';

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

/** Engines that can be installed: TensorFlow, which computes on the processor, and the plugins. */
export const ENGINE_DEVICES = ['cpu', ...PLUGIN_NAMES] as const;

/** Tells whether an engine is a PJRT plugin. */
export function isPlugin(device: string): device is PluginName {
  return Object.hasOwn(PLUGINS, device);
}

/** A device that was chosen: what `auto` came to. */
export type Device = 'cpu' | `cuda:${string}` | `pjrt:${string}`;

/** Devices of a plugin that compute together. */
export interface Accelerator {
  plugin: PluginName;
  /** The engine folder that holds the plugin. */
  folder: string;
  /** Their numbers, as the plugin counts. */
  devices: number[];
}

/** Plugins of NVIDIA's GPUs, in the order in which they are tried. */
export const CUDA_PLUGINS = ['pjrt-cuda13', 'pjrt-cuda12', 'pjrt-cuda13-windows'] as const;

/** The plugins by the name that a device has, in the order in which they are tried. */
export const PLUGINS_OF = {
  cpu: ['pjrt-cpu'],
  cuda: CUDA_PLUGINS,
  rocm: ['pjrt-rocm'],
  intel: ['pjrt-intel'],
  metal: ['pjrt-metal'],
} as const satisfies Record<string, readonly PluginName[]>;

/** A device as it was asked for, on which a plugin computes. */
export interface AskedAccelerator {
  of: keyof typeof PLUGINS_OF;
  devices: number[] | 'all';
}

/** Reads a device that a plugin computes on; null for `auto` and `cpu`. */
export function askedAccelerator(device: string): AskedAccelerator | null {
  const [, pjrt, of, which = '0'] = /^(pjrt:)?(cpu|cuda|rocm|intel|metal)(?::(all|[\d,]+))?$/.exec(device) ?? [];
  if (!of || (!pjrt && of !== 'cuda')) return null;
  const devices = which === 'all' ? ('all' as const) : [...new Set(which.split(',').map(Number))];
  return { of: of as AskedAccelerator['of'], devices };
}
