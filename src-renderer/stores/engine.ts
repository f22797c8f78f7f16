import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { EngineDevice, EngineReport, EngineStatus } from '../../src-main/protocol/data-types.ts';
import { useJobs } from './jobs.ts';
import { useService } from '../composables/use-service.ts';

const isThere = ({ state }: EngineStatus): boolean => state === 'verified' || state === 'unpacked';

/** The TensorFlow libraries on this machine: what state they are in, which GPUs there are, and their installation. */
export const useEngine = defineStore('engine', () => {
  const service = useService();
  const jobs = useJobs();
  const status = shallowRef<EngineReport | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const gpuError = shallowRef<PlainError | null>(null);
  const verifying = ref<EngineDevice | null>(null);
  const checking = ref(false);

  const job = computed(() => jobs.ofKind('engine'));
  const gpuJob = computed(() => jobs.ofKind('gpu-engine'));
  const installing = computed(() => job.value?.state === 'running');
  /** The files of an engine are whole; `verified` adds that they were loaded and gave a right result. */
  const ready = computed(() => status.value !== null && (isThere(status.value) || isThere(status.value.gpu.engine)));
  /** The engine that `auto` computes with. */
  const current = computed<EngineStatus | null>(() => {
    if (!status.value) return null;
    const { engine, device } = status.value.gpu;
    const fallsBack = !isThere(status.value) && isThere(engine);
    return device !== 'cpu' || fallsBack ? engine : status.value;
  });

  const guard = async (device: EngineDevice, work: () => Promise<void>): Promise<void> => {
    const told = device === 'cuda' ? gpuError : error;
    told.value = null;
    try {
      await work();
    } catch (thrown) {
      const plain = toPlainError(thrown);
      told.value = plain.code === 'job.cancelled' ? null : plain;
    }
  };
  const refresh = (): Promise<void> =>
    guard('cpu', async () => {
      status.value = await service.call('engine.status', {});
    });
  /** Downloads and installs an engine, or takes it from a folder of wheels. */
  const install = (from?: string, device: EngineDevice = 'cpu'): Promise<void> =>
    guard(device, async () => {
      const started = await service.call('engine.install', { device, ...(from === undefined ? {} : { from }) });
      await jobs.finished(started.job);
      status.value = await service.call('engine.status', {});
    });
  const verify = (device: EngineDevice = 'cpu'): Promise<void> =>
    guard(device, async () => {
      verifying.value = device;
      try {
        status.value = await service.call('engine.verify', { device });
      } finally {
        verifying.value = null;
      }
    });
  /** Looks for GPUs again. */
  const check = (): Promise<void> =>
    guard('cuda', async () => {
      checking.value = true;
      try {
        status.value = await service.call('engine.check', {});
      } finally {
        checking.value = false;
      }
    });
  const cancel = (device: EngineDevice = 'cpu'): void => {
    const running = device === 'cuda' ? gpuJob.value : job.value;
    if (running?.state === 'running') void jobs.cancel(running.job);
  };

  service.onEvent((event) => {
    if (event.event === 'engine') void refresh();
  });
  service.onOpen(() => void refresh());
  return {
    status,
    current,
    error,
    gpuError,
    verifying,
    checking,
    job,
    gpuJob,
    installing,
    ready,
    refresh,
    install,
    verify,
    check,
    cancel,
  };
});
