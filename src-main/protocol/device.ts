/** Where a training computes: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`. */
export const DEVICE_PATTERN = '^(auto|cpu|cuda(:\\d{1,2})?)$';

/** A device that was chosen: what `auto` came to. */
export type Device = 'cpu' | `cuda:${number}`;

/** Returns the number of a chosen GPU among those that CUDA sees; null for the processor. */
export function gpuIndex(device: string): number | null {
  const [, number] = /^cuda(?::(\d+))?$/.exec(device) ?? [];
  return device.startsWith('cuda') ? Number(number ?? 0) : null;
}
