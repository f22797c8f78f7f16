import type { EngineStatus, Gpu } from '../protocol/data-types.ts';
import { CUDA_PLUGINS, type Accelerator, type PluginName } from '../protocol/device.ts';
import { StillhouseError, fromPlainError, reasonOf } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { PLUGIN_PINS, type PluginPin } from '../install/engine-pin.ts';
import { visibleGpus, type GpuSurvey } from '../install/gpus.ts';

/** Which plugin computes on NVIDIA's GPUs: the newest that driver and GPUs take. */

/** Gathers the facts of a machine that decide it. */
export interface CudaFacts {
  /** As `linux x64`. */
  platform: string;
  /** `CUDA_VISIBLE_DEVICES`. */
  visible: string | undefined;
  survey: GpuSurvey;
  plugins: Partial<Record<PluginName, EngineStatus>>;
}

/** The plugin to install for this machine. */
export interface CudaChoice {
  plugin: PluginName;
  why: Reason;
}

/** Chooses the plugin to install: one for all GPUs that are seen, so that they can compute together. */
export function cudaPluginFor({ platform, visible, survey }: CudaFacts): CudaChoice {
  const made = pinsFor(platform);
  const { driver } = survey;
  let passed: Reason | null = null;
  for (const pin of made) {
    const unfit = unfitness(pin, driver, visibleGpus(survey.gpus, visible));
    if (!unfit) return { plugin: pin.device, why: passed ?? whyFirst(pin, driver) };
    passed ??= whyPassed(pin, unfit);
  }
  const last = made.at(-1) ?? PLUGIN_PINS[CUDA_PLUGINS[0]];
  return { plugin: last.device, why: passed ?? reason('cuda.other-system', { platform: last.platform }) };
}

function whyFirst({ device: plugin, driver: needed, capability }: PluginPin, driver: string | null): Reason {
  if (driver !== null) return reason('cuda.fits', { driver, plugin });
  return needed === null
    ? reason('cuda.only', { plugin })
    : reason('cuda.unseen', { plugin, driver: needed, capability: capability ?? 0 });
}

function whyPassed({ device: plugin, driver: needed }: PluginPin, unfit: StillhouseError): Reason {
  const { driver = '', name = '', capability = 0, needed: least = 0 } = unfit.params;
  return unfit.code === 'gpu.driver-old'
    ? reason('cuda.driver', { driver, plugin, needed: needed ?? '' })
    : reason('cuda.capability', { name, capability, plugin, needed: least });
}

/**
 * Finds the plugin that computes on some of the GPUs that CUDA shows.
 * @returns why none does, from the machine to the plugin.
 */
export function cudaFor(wanted: readonly number[] | 'all', facts: CudaFacts): Accelerator | StillhouseError {
  const { platform, visible, survey, plugins } = facts;
  const made = pinsFor(platform);
  if (made.length === 0) return new StillhouseError('gpu.platform', { platform });
  const shown = visibleGpus(survey.gpus, visible);
  const why = whyNoDriver(made, survey) ?? whyNoSuch(wanted, shown, visible);
  if (why) return why;
  const gpus = wanted === 'all' ? shown : wanted.map((index) => shown[index]);
  const fitting = made.filter((pin) => !unfitness(pin, survey.driver, gpus));
  if (fitting.length === 0) return unfitness(made.at(-1)!, survey.driver, gpus)!;
  const tried = fitting.map(({ device }) => devicesOf(device, plugins[device], wanted));
  return (
    tried.find((found) => !(found instanceof StillhouseError)) ??
    tried.find((found) => found instanceof StillhouseError && found.code !== 'gpu.no-engine') ??
    tried[0]
  );
}

function pinsFor(platform: string): PluginPin[] {
  return CUDA_PLUGINS.map((name) => PLUGIN_PINS[name]).filter((pin) => pin.platform === platform);
}

/** Why a plugin computes on none of some GPUs, by their driver and generation; null where it does. */
function unfitness({ device: plugin, ...pin }: PluginPin, driver: string | null, gpus: readonly Gpu[]) {
  if (driver !== null && pin.driver !== null && isOlder(driver, pin.driver))
    return new StillhouseError('gpu.driver-old', { driver, plugin, needed: pin.driver });
  const needed = pin.capability ?? 0;
  const old = gpus.find(({ capability }) => capability !== null && capability < needed);
  if (!old) return null;
  return new StillhouseError('gpu.too-old', { name: old.name, capability: old.capability ?? 0, plugin, needed });
}

function whyNoDriver(made: readonly PluginPin[], { driver, gpus, devices, complaint }: GpuSurvey) {
  if (driver === null) return new StillhouseError(devices > 0 ? 'gpu.no-driver' : 'gpu.none', { needed: least(made) });
  if (gpus.length > 0) return null;
  return new StillhouseError('gpu.driver-silent', { reason: complaint ?? reason('gpu.none-shown') });
}

/** The oldest driver that one of them takes. */
function least(made: readonly PluginPin[]): string {
  return made.at(-1)?.driver ?? '';
}

function whyNoSuch(wanted: readonly number[] | 'all', shown: readonly Gpu[], visible: string | undefined) {
  const count = shown.length;
  if (count === 0) return new StillhouseError('gpu.hidden', { value: visible ?? '' });
  const beyond = wanted === 'all' ? undefined : wanted.find((index) => index >= count);
  return beyond === undefined ? null : new StillhouseError('gpu.no-such', { device: `cuda:${beyond}`, count });
}

function devicesOf(plugin: PluginName, status: EngineStatus | undefined, wanted: readonly number[] | 'all') {
  if (!status || status.state === 'missing' || status.state === 'partial')
    return new StillhouseError('gpu.no-engine', { plugin });
  const { state, error, gpus: count, gpuReason, path: folder } = status;
  if (state !== 'verified') {
    const why = error ? reasonOf(fromPlainError(error)) : reason('gpu.never-tried');
    return new StillhouseError('gpu.engine-unready', { plugin, reason: why });
  }
  const seen = count ?? 0;
  const devices = wanted === 'all' ? Array.from({ length: seen }, (_, index) => index) : [...wanted];
  const beyond = seen === 0 ? 0 : devices.find((index) => index >= seen);
  if (beyond === undefined) return { plugin, folder, devices };
  const why = gpuReason ?? reason('gpu.found', { count: seen });
  return new StillhouseError('gpu.not-seen', { plugin, device: `cuda:${beyond}`, reason: why });
}

/** Tells whether a version like `525.60.13` comes before another. */
export function isOlder(version: string, other: string): boolean {
  const [ours, theirs] = [version, other].map((text) => text.split('.').map(Number));
  const at = theirs.findIndex((part, index) => part !== (ours[index] ?? 0));
  return at >= 0 && (ours[at] ?? 0) < theirs[at];
}
