import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { DistilOffer, DistilReport, DistilRequest } from '../../src-main/protocol/distillation.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { latest } from '../composables/latest.ts';
import { liveList } from '../composables/live-list.ts';
import { useService } from '../composables/use-service.ts';
import { useDataset } from './dataset.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';

/** Milliseconds between two readings of the progress while a run reports its steps. */
const LOOK_INTERVAL = 1000;

/** The distillation of the open folder: what it would come to, and how far it is. The service does it. */
export const useDistillation = defineStore('distillation', () => {
  const offers = distilOffers();
  const progress = distilProgress();
  const { teacherEpochs, studentEpochs, newTeacher, offer, error } = offers;
  const { report, job } = progress;
  return {
    ...{ teacherEpochs, studentEpochs, newTeacher, offer, error, report, job },
    ...distilActions(offers, progress),
  };
});

/** Keeps what a person wishes for, and asks the service what that would come to. */
function distilOffers() {
  const service = useService();
  const dataset = useDataset();
  const teacherEpochs = ref<number | null>(null);
  const studentEpochs = ref<number | null>(null);
  const newTeacher = ref(false);
  const offer = shallowRef<DistilOffer | null>(null);
  const error = shallowRef<PlainError | null>(null);

  const request = computed<DistilRequest>(() => ({
    dataPath: dataset.path,
    ...(newTeacher.value && { newTeacher: true }),
    ...(teacherEpochs.value !== null && { teacher: { epochs: teacherEpochs.value } }),
    ...(studentEpochs.value !== null && { student: { epochs: studentEpochs.value } }),
  }));
  const requests = latest();
  const ask = async (): Promise<void> => {
    await requests.ask(
      async () => (dataset.summary ? service.call('distil.offer', request.value) : null),
      (found) => {
        offer.value = found;
        error.value = null;
      },
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  watch(
    () => dataset.path,
    () => {
      teacherEpochs.value = studentEpochs.value = offer.value = error.value = null;
      newTeacher.value = false;
    },
  );
  watch([request, () => dataset.summary], () => void ask());
  service.onOpen(() => void ask());
  return { teacherEpochs, studentEpochs, newTeacher, offer, error, request, ask };
}

/** Follows the distillations that were begun, of which one may be that of the open folder. */
function distilProgress() {
  const service = useService();
  const dataset = useDataset();
  const jobs = useJobs();
  const notices = useNotices();
  const read = (): Promise<DistilReport[]> => service.call('distil.list', {});
  const { list: reports, refresh, lookSoon } = liveList(read, notices.fail);
  const report = computed(() => reports.value.find(({ plan }) => plan.dataPath === dataset.path) ?? null);
  const job = computed(() => (report.value?.job ? (jobs.all.get(report.value.job) ?? null) : null));

  service.onEvent(({ event }) => {
    if (event === 'distillations' || event === 'queue' || event === 'runs') lookSoon(0);
    if (event === 'run' && reports.value.some(({ training }) => training !== null)) lookSoon(LOOK_INTERVAL);
  });
  service.onOpen(() => void refresh());
  return { report, job, refresh };
}

/** Begins, measures, stops and goes on. */
function distilActions(
  { error, request, ask }: ReturnType<typeof distilOffers>,
  { report, refresh }: ReturnType<typeof distilProgress>,
) {
  const service = useService();
  const dataset = useDataset();
  const jobs = useJobs();
  const notices = useNotices();
  const measuring = ref(false);

  /** Says what went wrong with a folder: in its place, or in passing where another one is open by now. */
  const fail = (of: string, thrown: unknown): void => {
    const plain = toPlainError(thrown);
    if (plain.code === 'job.cancelled') return;
    if (dataset.path === of) error.value = plain;
    else notices.fail(thrown);
  };
  /** Does something, and shows what came of it or why it was refused. @returns whether it was done. */
  const doing = async (work: () => Promise<unknown>): Promise<boolean> => {
    const { path } = dataset;
    error.value = null;
    try {
      await work();
    } catch (thrown) {
      fail(path, thrown);
      return false;
    }
    await refresh();
    return true;
  };
  const begin = (): Promise<boolean> => doing(() => service.call('distil.start', request.value));
  const of = (call: 'distil.continue' | 'distil.stop' | 'distil.forget') => (): Promise<boolean> =>
    doing(async () => report.value && service.call(call, { plan: report.value.plan.id }));
  const measure = async (): Promise<void> => {
    measuring.value = true;
    const isMeasured = await doing(async () => {
      const { job } = await service.call('distil.measure', request.value);
      await jobs.finished(job);
    });
    measuring.value = false;
    // A new offer would hide why it could not be measured.
    if (isMeasured) await ask();
  };
  /** Puts it away, so that another can be begun on the folder. */
  const forget = async (): Promise<void> => {
    if (await of('distil.forget')()) await ask();
  };
  return { measuring, begin, measure, forget, proceed: of('distil.continue'), stop: of('distil.stop') };
}
