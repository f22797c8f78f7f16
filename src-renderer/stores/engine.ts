import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { EngineStatus } from '../../src-main/protocol/data-types.ts';
import { useJobs } from './jobs.ts';
import { useService } from './service.ts';

/** The TensorFlow library on this machine: what state it is in, and its installation. */
export const useEngine = defineStore('engine', () => {
  const service = useService();
  const jobs = useJobs();
  const status = shallowRef<EngineStatus | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const verifying = ref(false);

  const job = computed(() => jobs.ofKind('engine'));
  const installing = computed(() => job.value?.state === 'running');
  /** The engine's files are whole; `verified` adds that they were loaded and gave a right result. */
  const ready = computed(() => status.value?.state === 'verified' || status.value?.state === 'unpacked');

  const guard = async (work: () => Promise<void>): Promise<void> => {
    error.value = null;
    try {
      await work();
    } catch (thrown) {
      const plain = toPlainError(thrown);
      error.value = plain.code === 'job.cancelled' ? null : plain;
    }
  };
  const refresh = (): Promise<void> =>
    guard(async () => {
      status.value = await service.call('engine.status', {});
    });
  /** Downloads and installs the engine, or takes it from a folder of wheels. */
  const install = (from?: string): Promise<void> =>
    guard(async () => {
      const started = await service.call('engine.install', from === undefined ? {} : { from });
      await jobs.finished(started.job);
      status.value = await service.call('engine.status', {});
    });
  const verify = (): Promise<void> =>
    guard(async () => {
      verifying.value = true;
      try {
        status.value = await service.call('engine.verify', {});
      } finally {
        verifying.value = false;
      }
    });
  const cancel = (): void => {
    if (job.value?.state === 'running') void jobs.cancel(job.value.job);
  };

  service.onEvent((event) => {
    if (event.event === 'engine') void refresh();
  });
  service.onOpen(() => void refresh());
  return { status, error, verifying, job, installing, ready, refresh, install, verify, cancel };
});
