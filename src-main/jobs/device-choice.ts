import type { EngineStatus } from '../protocol/data-types.ts';
import { gpuIndex, type Device } from '../protocol/device.ts';
import { StillhouseError, fromPlainError, reasonOf } from '../protocol/errors.ts';
import { reason } from '../protocol/reasons.ts';
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
}

/** Where a training computes, and with which engine. */
export interface DeviceChoice {
  device: Device;
  engine: 'cpu' | 'cuda';
  /** Why no GPU computes; null when one does. */
  reason: StillhouseError | null;
}

/** Chooses the device for `asked` (`auto`, `cpu`, `cuda`, `cuda:N`) on a machine. Nothing is thrown. */
export function chooseDevice(asked: string, facts: DeviceFacts): DeviceChoice {
  const reason = asked === 'cpu' ? new StillhouseError('gpu.cpu-chosen') : whyNoGpu(gpuIndex(asked) ?? 0, facts);
  if (!reason) return { device: `cuda:${gpuIndex(asked) ?? 0}`, engine: 'cuda', reason: null };
  const { cpu, cuda } = facts.engines;
  // The GPU engine computes on the processor too.
  return { device: 'cpu', engine: !isThere(cpu) && isThere(cuda) ? 'cuda' : 'cpu', reason };
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
  if (choice.reason && asked.startsWith('cuda')) throw choice.reason;
  return choice;
}
