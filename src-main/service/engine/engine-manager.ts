import type { EngineDevice, EngineReport, EngineStatus, PluginStatus } from '../../protocol/data-types.ts';
import {
  CUDA_PLUGINS,
  PLUGIN_NAMES,
  askedAccelerator,
  isPlugin,
  type Device,
  type PluginName,
} from '../../protocol/device.ts';
import {
  StillhouseError,
  fromPlainError,
  toPlainError,
  type ErrorCode,
  type PlainError,
} from '../../protocol/errors.ts';
import { machineName } from '../../base/platform.ts';
import { ENGINES, PLUGIN_PINS, requirementsOf } from '../../install/engine-pin.ts';
import {
  bytesNeeded,
  fitsHere,
  install,
  status,
  tryInstalled,
  verifyInstalled,
  type Sight,
} from '../../install/engine-store.ts';
import { surveyGpus, visibleGpus, type GpuSurvey } from '../../install/gpus.ts';
import { cudaPluginFor } from '../../jobs/cuda-choice.ts';
import { chooseDevice, requireDevice, type DeviceFacts } from '../../jobs/device-choice.ts';
import { freeBytes } from '../../jobs/disk-cost.ts';
import type { JobContext } from '../jobs/jobs.ts';
import type { SpawnJob } from '../runs/run-control.ts';
import { runJob } from '../jobs/run-job.ts';
import type { EngineChoice } from '../../jobs/job-protocol.ts';

/** An engine to compute with, and what it computes on. */
export interface ChosenEngine extends EngineChoice {
  device: Device;
  /** Why no accelerator computes; null when one does. */
  reason: StillhouseError | null;
}

/** Manages the engines of this machine: verifies each at most once at a time, and tells the windows when that ends. */
export class EngineManager {
  private readonly verifying = new Map<EngineDevice, Promise<EngineReport>>();
  private survey: Promise<GpuSurvey> | undefined;
  private readonly ending = new AbortController();

  /**
   * @param folders where each engine lies.
   * @param tell says that the status may have changed.
   */
  constructor(
    private readonly folders: Record<EngineDevice, string>,
    private readonly spawn: SpawnJob,
    private readonly tell: () => void,
  ) {}

  /** Reports which engines are installed, which GPUs there are, and which device `asked` (`auto`, `cpu`, `cuda:N`) chooses. */
  async status(asked = 'auto'): Promise<EngineReport> {
    const facts = await this.facts();
    const { device, reason } = chooseDevice(asked, facts);
    const { plugin, why } = cudaPluginFor(facts);
    return {
      ...facts.tensorflow,
      gpu: {
        plugin,
        why,
        bytesNeeded: await bytesNeeded(this.folders[plugin], ENGINES[plugin]),
        bytesFree: await freeBytes(this.folders[plugin]),
        driver: facts.survey.driver,
        gpus: visibleGpus(facts.survey.gpus, facts.visible),
        device,
        reason: reason && toPlainError(reason),
      },
      plugins: await Promise.all(PLUGIN_NAMES.map((name) => this.plugin(name))),
    };
  }

  private async plugin(device: PluginName): Promise<PluginStatus> {
    const pin = PLUGIN_PINS[device];
    const { tried, experimental, needs, licences } = pin;
    const facts = { fits: fitsHere(pin), tried, experimental, needs, licences: [...licences] };
    return { ...(await status(this.folders[device], pin)), device, ...facts };
  }

  /**
   * The engine for a device that was asked for.
   * @throws StillhouseError `engine.missing`, why the last verification failed, `gpu.*` for a GPU asked for by name.
   */
  async choose(asked = 'auto'): Promise<ChosenEngine> {
    const facts = await this.facts();
    const { device, accelerator, reason } = requireDevice(asked, facts);
    const { state, version, error, path } = facts.tensorflow;
    if (error) throw fromPlainError(error);
    if (state !== 'unpacked' && state !== 'verified') throw new StillhouseError('engine.missing', { version });
    return { engine: path, device, gpu: accelerator, reason, note: noteOf(reason) };
  }

  /** Tells whether an accelerator computes for `asked`, or is asked for by name, which `choose` refuses where none can. */
  async mayUseGpu(asked: string): Promise<boolean> {
    return askedAccelerator(asked) !== null || chooseDevice(asked, await this.facts()).device !== 'cpu';
  }

  /** The wheels of an engine as pip's requirements, with hashes. */
  wheels(device: EngineDevice): string {
    return requirementsOf(ENGINES[device]);
  }

  /** The work of an installation; `from` is a folder of wheels. Its result is the new status of that engine. */
  async install({ signal, report }: JobContext, from?: string, device: EngineDevice = 'cpu'): Promise<EngineStatus> {
    const [folder, pin] = [this.folders[device], ENGINES[device]];
    try {
      const force = (await status(folder, pin)).state === 'broken';
      const verify = this.tryOut(device);
      return await install({ folder, from, force, signal, onProgress: report, verify, pin });
    } finally {
      this.tell();
    }
  }

  /**
   * Checks every byte of an engine and runs an op; a broken engine is the answer, not an error.
   * @throws StillhouseError `engine.missing`, `engine.no-plugin`.
   */
  verify(device: EngineDevice = 'cpu'): Promise<EngineReport> {
    return this.alone(device, () => verifyInstalled(this.trial(device)));
  }

  /** Looks for NVIDIA's GPUs again, and has their plugins that are installed look too. */
  async check(asked = 'auto'): Promise<EngineReport> {
    this.survey = undefined;
    for (const device of CUDA_PLUGINS) {
      const { state } = await status(this.folders[device], ENGINES[device]);
      if (state !== 'missing' && state !== 'partial') await this.alone(device, () => tryInstalled(this.trial(device)));
    }
    return this.status(asked);
  }

  /** Ends a verification that is under way. */
  async close(): Promise<void> {
    this.ending.abort();
    await Promise.allSettled(this.verifying.values());
  }

  private async facts(): Promise<DeviceFacts> {
    this.survey ??= surveyGpus();
    const [survey, tensorflow, ...plugins] = await Promise.all([
      this.survey,
      status(this.folders.cpu, ENGINES.cpu),
      ...PLUGIN_NAMES.map((name) => status(this.folders[name], PLUGIN_PINS[name])),
    ]);
    const named = Object.fromEntries(PLUGIN_NAMES.map((name, index) => [name, plugins[index]]));
    return {
      platform: machineName(),
      visible: process.env.CUDA_VISIBLE_DEVICES,
      survey,
      tensorflow,
      plugins: named,
    };
  }

  private alone(device: EngineDevice, work: () => Promise<unknown>): Promise<EngineReport> {
    const running =
      this.verifying.get(device) ??
      this.attempt(work).finally(() => {
        this.verifying.delete(device);
        this.tell();
      });
    this.verifying.set(device, running);
    return running;
  }

  private async attempt(work: () => Promise<unknown>): Promise<EngineReport> {
    try {
      await work();
    } catch (error) {
      const known = error instanceof StillhouseError && /^(engine|device)\./.test(error.code);
      if (!known || error.code === 'engine.missing' || error.code === 'engine.no-plugin') throw error;
    }
    return this.status();
  }

  private trial(device: EngineDevice) {
    const { signal } = this.ending;
    return { folder: this.folders[device], pin: ENGINES[device], signal, verify: this.tryOut(device) };
  }

  private tryOut(device: EngineDevice) {
    return async (engine: string, signal?: AbortSignal): Promise<Sight | undefined> => {
      const job = { kind: 'verify-engine', engine, ...(isPlugin(device) && { plugin: device }) } as const;
      const { sight } = await runJob(this.spawn, job, { signal });
      return sight ?? undefined;
    };
  }
}

/** Reasons that nobody wonders about. */
const PLAIN: readonly ErrorCode[] = ['gpu.cpu-chosen', 'gpu.none', 'gpu.platform'];

function noteOf(reason: StillhouseError | null): PlainError | null {
  return reason && !PLAIN.includes(reason.code) ? toPlainError(reason) : null;
}
