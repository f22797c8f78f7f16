import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { EngineDevice, EngineReport, EngineStatus } from '../../src-main/protocol/data-types.ts';
import { isPlugin, type PluginName } from '../../src-main/protocol/device.ts';
import { latest } from '../composables/latest.ts';
import { useJobs } from './jobs.ts';
import { useService } from '../composables/use-service.ts';

const isThere = ({ state }: EngineStatus): boolean => state === 'verified' || state === 'unpacked';

/** What a person asks of each engine, and the errors of the last of it. */
function engineActs(refresh: () => Promise<void>) {
  const actErrors = shallowRef<Partial<Record<EngineDevice, PlainError>>>({});
  const acts = new Map<EngineDevice, ReturnType<typeof latest>>();
  const actsOf = (device: EngineDevice): ReturnType<typeof latest> => {
    const found = acts.get(device) ?? latest();
    acts.set(device, found);
    return found;
  };
  const setError = (device: EngineDevice, error?: PlainError): void => {
    actErrors.value = { ...actErrors.value, [device]: error };
  };
  /** Does what a person asked for, and reads the status after it: others may have been read meanwhile. */
  const act = async (device: EngineDevice, work: () => Promise<unknown>): Promise<void> => {
    setError(device);
    const fail = (thrown: unknown): void => {
      const plain = toPlainError(thrown);
      setError(device, plain.code === 'job.cancelled' ? undefined : plain);
    };
    if (await actsOf(device).ask(work, () => undefined, fail)) await refresh();
  };
  return { actErrors, act };
}

/** The engines on this machine, TensorFlow and the plugins: what state they are in, which GPUs there are, and their installation. */
export const useEngine = defineStore('engine', () => {
  const service = useService();
  const jobs = useJobs();
  const status = shallowRef<EngineReport | null>(null);
  const readError = shallowRef<PlainError | null>(null);
  const verifying = ref<EngineDevice | null>(null);
  const checking = ref(false);

  const job = computed(() => jobs.ofKind('engine'));
  const pluginJob = computed(() => jobs.ofKind('plugin'));
  /** The plugin that was last asked for here. */
  const pluginAsked = ref<PluginName | null>(null);
  const installing = computed(() => job.value?.state === 'running');
  /** The files of an engine are whole; `verified` adds that they were loaded and gave a right result. */
  const ready = computed(() => status.value !== null && isThere(status.value));

  const readings = latest();
  const refresh = async (): Promise<void> => {
    const take = (read: EngineReport | null, why: PlainError | null): void => {
      if (read) status.value = read;
      readError.value = why;
    };
    await readings.ask(
      () => service.call('engine.status', {}),
      (read) => take(read, null),
      (thrown) => take(null, toPlainError(thrown)),
    );
  };
  const { actErrors, act } = engineActs(refresh);
  const error = computed(() => actErrors.value.cpu ?? readError.value);
  const checkError = shallowRef<PlainError | null>(null);
  /** Downloads and installs an engine, or takes it from a folder of wheels. */
  const install = (from?: string, device: EngineDevice = 'cpu'): Promise<void> =>
    act(device, async () => {
      if (isPlugin(device)) pluginAsked.value = device;
      const started = await service.call('engine.install', { device, ...(from === undefined ? {} : { from }) });
      await jobs.finished(started.job);
    });
  const verify = (device: EngineDevice = 'cpu'): Promise<void> =>
    act(device, async () => {
      verifying.value = device;
      await service.call('engine.verify', { device }).finally(() => (verifying.value = null));
    });
  const checks = latest();
  /** Looks for NVIDIA's GPUs again. */
  const check = async (): Promise<void> => {
    checking.value = true;
    checkError.value = null;
    await checks.ask(
      () => service.call('engine.check', {}).finally(() => (checking.value = false)),
      () => undefined,
      (thrown) => (checkError.value = toPlainError(thrown)),
    );
    await refresh();
  };
  const cancel = (device: EngineDevice = 'cpu'): void => {
    const running = device === 'cpu' ? job.value : pluginJob.value;
    if (running?.state === 'running') void jobs.cancel(running.job);
  };

  service.onEvent((event) => {
    if (event.event === 'engine') void refresh();
  });
  service.onOpen(() => void refresh());
  return {
    status,
    error,
    checkError,
    verifying,
    checking,
    job,
    pluginJob,
    pluginAsked,
    actErrors,
    installing,
    ready,
    refresh,
    install,
    verify,
    check,
    cancel,
  };
});
