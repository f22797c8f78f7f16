import type { EngineStatus } from '../protocol/data-types.ts';
import {
  PLUGINS_OF,
  askedAccelerator,
  type Accelerator,
  type AskedAccelerator,
  type Device,
  type PluginName,
} from '../protocol/device.ts';
import { StillhouseError, fromPlainError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { cudaFor, type CudaFacts } from './cuda-choice.ts';

/** All that decides where a training computes. */
export interface DeviceFacts extends CudaFacts {
  /** The engine of the processor, which records programs whatever computes. */
  tensorflow: EngineStatus;
}

/** Says where a training computes. */
export interface DeviceChoice {
  device: Device;
  /** The plugin that computes; null when TensorFlow does, on the processor. */
  accelerator: Accelerator | null;
  /** Why no accelerator computes; null when one does. */
  reason: StillhouseError | null;
}

/** Chooses the device for `asked` (as `DEVICE_PATTERN` says) on a machine. Nothing is thrown. */
export function chooseDevice(asked: string, facts: DeviceFacts): DeviceChoice {
  const wanted = askedAccelerator(asked) ?? { of: 'cuda', devices: [0] };
  const found = asked === 'cpu' ? new StillhouseError('gpu.cpu-chosen') : acceleratorFor(wanted, facts);
  if (found instanceof StillhouseError) return { device: 'cpu', accelerator: null, reason: found };
  const device = `${wanted.of === 'cuda' ? '' : 'pjrt:'}${wanted.of}:${found.devices.join(',')}` as Device;
  return { device, accelerator: found, reason: null };
}

/** Devices that the plugin of the processor makes at most. */
const MOST_PROCESSOR_DEVICES = 16;

/** The plugin that has the devices, or why there is none. */
function acceleratorFor({ of, devices }: AskedAccelerator, facts: DeviceFacts): Accelerator | StillhouseError {
  if (of === 'cuda') return cudaFor(devices, facts);
  const [plugin] = PLUGINS_OF[of];
  const status = facts.plugins[plugin];
  const found = status ? devicesOf({ of, devices }, plugin, status) : reason('plugin.missing');
  if (Array.isArray(found)) return { plugin, folder: status!.path, devices: found };
  return new StillhouseError('device.no-plugin', { device: of, plugin, reason: found });
}

function devicesOf({ of, devices }: AskedAccelerator, plugin: PluginName, status: EngineStatus): number[] | Reason {
  const { state, error, gpus, gpuReason } = status;
  if (error) return reasonOf(fromPlainError(error));
  if (state === 'missing' || state === 'partial') return reason('plugin.missing');
  if (state !== 'verified') return reason('gpu.never-tried');
  const count = of === 'cpu' ? MOST_PROCESSOR_DEVICES : (gpus ?? 0);
  if (count === 0) return reason('plugin.blind', { why: gpuReason ?? reason('gpu.none-shown') });
  if (devices === 'all') return Array.from({ length: of === 'cpu' ? 1 : count }, (_, index) => index);
  return devices.every((device) => device < count) ? devices : reason('plugin.devices', { plugin, count });
}

/**
 * Returns `asked` as a device to compute on.
 * @throws StillhouseError why an accelerator that was asked for by name cannot compute.
 */
export function requireDevice(asked: string, facts: DeviceFacts): DeviceChoice {
  const choice = chooseDevice(asked, facts);
  if (choice.reason && askedAccelerator(asked)) throw choice.reason;
  return choice;
}
