import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { DistilOffer, DistilReport, DistilRequest } from '../../src-main/protocol/distillation.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { useService } from '../composables/use-service.ts';
import { useDataset } from './dataset.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';

/** Milliseconds between two looks at how far it is while a run tells of its steps. */
const LOOK_INTERVAL = 1000;

/** The distillation of the open folder: what it would come to, and how far it is. The service does it. */
export const useDistillation = defineStore('distillation', () => {
  const service = useService();
  const dataset = useDataset();
  const jobs = useJobs();
  const notices = useNotices();
  const reports = shallowRef<DistilReport[]>([]);
  const offer = shallowRef<DistilOffer | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const measuring = ref(false);
  const teacherEpochs = ref<number | null>(null);
  const studentEpochs = ref<number | null>(null);
  const newTeacher = ref(false);

  const report = computed(() => reports.value.find(({ plan }) => plan.dataPath === dataset.path) ?? null);
  const job = computed(() => (report.value?.job ? (jobs.all.get(report.value.job) ?? null) : null));
  const request = computed<DistilRequest>(() => ({
    dataPath: dataset.path,
    ...(newTeacher.value && { newTeacher: true }),
    ...(teacherEpochs.value !== null && { teacher: { epochs: teacherEpochs.value } }),
    ...(studentEpochs.value !== null && { student: { epochs: studentEpochs.value } }),
  }));

  let asked = 0;
  const ask = async (): Promise<void> => {
    const ticket = ++asked;
    if (!dataset.summary) {
      offer.value = null;
      return;
    }
    try {
      const found = await service.call('distil.offer', request.value);
      if (ticket !== asked) return;
      offer.value = found;
      error.value = null;
    } catch (thrown) {
      if (ticket === asked) error.value = toPlainError(thrown);
    }
  };
  const refresh = async (): Promise<void> => {
    reports.value = await service.call('distil.list', {});
  };
  /** Does something, and shows what came of it or why it was refused. @returns whether it was done. */
  const doing = async (work: () => Promise<unknown>): Promise<boolean> => {
    error.value = null;
    try {
      await work();
      await refresh();
      return true;
    } catch (thrown) {
      const plain = toPlainError(thrown);
      error.value = plain.code === 'job.cancelled' ? null : plain;
      return false;
    }
  };
  const begin = (): Promise<boolean> => doing(() => service.call('distil.start', request.value));
  const of = (call: 'distil.continue' | 'distil.stop' | 'distil.forget') => (): Promise<boolean> =>
    doing(async () => report.value && service.call(call, { plan: report.value.plan.id }));
  const measure = async (): Promise<void> => {
    measuring.value = true;
    await doing(async () => {
      const { job } = await service.call('distil.measure', request.value);
      await jobs.finished(job);
    });
    measuring.value = false;
    await ask();
  };
  /** Puts it away, so that another can be begun on the folder. */
  const forget = async (): Promise<void> => {
    if (await of('distil.forget')()) await ask();
  };

  let timer: ReturnType<typeof setTimeout> | undefined;
  const lookSoon = (wait: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void refresh().catch(notices.fail);
    }, wait);
  };
  service.onEvent(({ event }) => {
    if (event === 'distillations' || event === 'queue' || event === 'runs') lookSoon(0);
    if (event === 'run' && reports.value.some(({ training }) => training !== null)) lookSoon(LOOK_INTERVAL);
  });
  service.onOpen(() => void Promise.all([refresh(), ask()]).catch(notices.fail));
  watch(
    () => dataset.path,
    () => {
      teacherEpochs.value = studentEpochs.value = offer.value = null;
      newTeacher.value = false;
    },
  );
  watch([request, () => dataset.summary], () => void ask(), { immediate: true });
  return {
    ...{ report, offer, error, job, measuring, teacherEpochs, studentEpochs, newTeacher },
    ...{ begin, measure, forget, proceed: of('distil.continue'), stop: of('distil.stop') },
  };
});
