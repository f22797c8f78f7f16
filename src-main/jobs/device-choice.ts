import type { EngineStatus } from '../protocol/data-types.ts';
import {
  PLUGINS_OF,
  askedAccelerator,
  gpuIndex,
  type Accelerator,
  type AskedAccelerator,
  type Device,
  type PluginName,
} from '../protocol/device.ts';
import { StillhouseError, fromPlainError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { GPU_NEEDS } from '../install/engine-pin.ts';
import { visibleGpus, type GpuSurvey } from '../install/gpus.ts';

/** All that decides where a training computes. */
export interface DeviceFacts {
  /** As `linux x64`. */
  platform: string;
  /** `CUDA_VISIBLE_DEVICES`. */
  visible: string | undefined;
  survey: GpuSurvey;
  engines: Record<'cpu' | 'cuda', EngineStatus>;
  plugins: Partial<Record<PluginName, EngineStatus>>;
}

/** Where a training computes, and with which engine. */
export interface DeviceChoice {
  device: Device;
  /** TensorFlow's, which records programs whatever computes. */
  engine: 'cpu' | 'cuda';
  /** The plugin that computes; null when TensorFlow does. */
  accelerator: Accelerator | null;
  /** Why no GPU computes; null when one does. */
  reason: StillhouseError | null;
}

/** Chooses the device for `asked` (as `DEVICE_PATTERN` says) on a machine. Nothing is thrown. */
export function chooseDevice(asked: string, facts: DeviceFacts): DeviceChoice {
  const wanted = askedAccelerator(asked);
  const why = asked === 'cpu' ? new StillhouseError('gpu.cpu-chosen') : whyNoGpu(gpuIndex(asked) ?? 0, facts);
  if (!why && !wanted?.only)
    return { device: `cuda:${gpuIndex(asked) ?? 0}`, engine: 'cuda', accelerator: null, reason: null };
  const { cpu, cuda } = facts.engines;
  // The GPU engine computes on the processor too.
  const engine = !isThere(cpu) && isThere(cuda) ? 'cuda' : 'cpu';
  const found = wanted && acceleratorFor(wanted, facts);
  if (found && !(found instanceof StillhouseError)) {
    const device = `${wanted.only ? 'pjrt:' : ''}${wanted.of}:${found.devices.join(',')}` as Device;
    return { device, engine, accelerator: found, reason: null };
  }
  return { device: 'cpu', engine, accelerator: null, reason: wanted?.only ? found : why };
}

/** Devices that the plugin of the processor makes at most. */
const MOST_PROCESSOR_DEVICES = 16;

/** The first plugin that has the devices, or why there is none. */
function acceleratorFor(wanted: AskedAccelerator, facts: DeviceFacts): Accelerator | StillhouseError {
  let why: StillhouseError | null = null;
  for (const plugin of PLUGINS_OF[wanted.of]) {
    const status = facts.plugins[plugin];
    const found = status ? devicesOf(wanted, plugin, status) : reason('plugin.missing');
    if (Array.isArray(found)) return { plugin, folder: status!.path, devices: found };
    why ??= new StillhouseError('device.no-plugin', { device: wanted.of, plugin, reason: found });
  }
  return why!;
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

function isThere({ state }: EngineStatus): boolean {
  return state === 'verified' || state === 'unpacked';
}

/** The first thing that keeps a GPU from computing, from the machine to the engine; null when nothing does. */
function whyNoGpu(index: number, facts: DeviceFacts): StillhouseError | null {
  return whyNoDriver(facts) ?? whyNotThisGpu(index, facts) ?? whyNotWithEngine(index, facts.engines.cuda);
}

function whyNoDriver({ platform, survey }: DeviceFacts): StillhouseError | null {
  const { driver, gpus, devices, complaint } = survey;
  const { driver: needed } = GPU_NEEDS;
  if (platform !== 'linux x64') return new StillhouseError('gpu.platform', { platform });
  if (driver === null) return new StillhouseError(devices > 0 ? 'gpu.no-driver' : 'gpu.none', { needed });
  if (isOlder(driver, needed)) return new StillhouseError('gpu.driver-old', { driver, needed });
  if (gpus.length > 0) return null;
  return new StillhouseError('gpu.driver-silent', { reason: complaint ?? reason('gpu.none-shown') });
}

function whyNotThisGpu(index: number, { visible, survey }: DeviceFacts): StillhouseError | null {
  const gpus = visibleGpus(survey.gpus, visible);
  if (gpus.length === 0) return new StillhouseError('gpu.hidden', { value: visible ?? '' });
  const gpu = gpus.at(index);
  if (!gpu) return new StillhouseError('gpu.no-such', { device: `cuda:${index}`, count: gpus.length });
  const { name, capability } = gpu;
  if (capability === null || capability >= GPU_NEEDS.capability) return null;
  return new StillhouseError('gpu.too-old', { name, capability, needed: GPU_NEEDS.capability });
}

function whyNotWithEngine(index: number, { state, error, gpus, gpuReason }: EngineStatus): StillhouseError | null {
  if (state === 'missing' || state === 'partial') return new StillhouseError('gpu.no-engine');
  if (state !== 'verified')
    return new StillhouseError('gpu.engine-unready', {
      reason: error ? reasonOf(fromPlainError(error)) : reason('gpu.never-tried'),
    });
  if (gpus !== null && gpus > index) return null;
  const why = gpuReason ?? reason('gpu.found', { count: gpus ?? 0 });
  return new StillhouseError('gpu.not-seen', { device: `cuda:${index}`, reason: why });
}

/** Tells whether a version like `525.60.13` comes before another. */
export function isOlder(version: string, other: string): boolean {
  const [ours, theirs] = [version, other].map((text) => text.split('.').map(Number));
  const at = theirs.findIndex((part, index) => part !== (ours[index] ?? 0));
  return at >= 0 && (ours[at] ?? 0) < theirs[at];
}

/**
 * Returns `asked` as a device to compute on.
 * @throws StillhouseError why a GPU that was asked for by name cannot compute.
 */
export function requireDevice(asked: string, facts: DeviceFacts): DeviceChoice {
  const choice = chooseDevice(asked, facts);
  if (choice.reason && askedAccelerator(asked)) throw choice.reason;
  return choice;
}
