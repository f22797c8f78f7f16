import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type {
  Answering,
  EvaluatedPage,
  EvaluationFacts,
  EvaluationReport,
} from '../../src-main/protocol/evaluation.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { latest } from '../composables/latest.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';
import { useService } from '../composables/use-service.ts';

/** Evaluations that are kept, the one that is open, and the one that is being made. */
export const useEvaluation = defineStore('evaluation', () => {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const list = shallowRef<EvaluationFacts[]>([]);
  const id = ref('');
  const head = ref<Answering>('test');
  const report = shallowRef<EvaluationReport | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const job = computed(() => jobs.ofKind('evaluate'));

  const readings = latest(() => `${id.value} ${head.value}`);
  const open = async (): Promise<void> => {
    const asked = { id: id.value, head: head.value };
    const fail = (thrown: unknown): void => {
      report.value = null;
      error.value = toPlainError(thrown);
    };
    const read = async () => (asked.id ? service.call('evaluation.report', asked) : null);
    await readings.ask(read, (found) => (report.value = found), fail);
  };
  const listings = latest();
  const take = (now: EvaluationFacts[]): void => {
    list.value = now;
    if (!now.some((one) => one.id === id.value)) id.value = now[0]?.id ?? '';
  };
  const refresh = async (): Promise<void> => {
    await listings.ask(() => service.call('evaluation.list', {}), take, notices.fail);
  };
  /** Evaluates and opens what came of it, unless a person has opened another meanwhile. */
  const start = async (asked: CallParams<'evaluation.start'>): Promise<void> => {
    error.value = null;
    const before = id.value;
    try {
      const { job } = await service.call('evaluation.start', asked);
      const { result } = await jobs.finished(job);
      const isUntouched = id.value === before;
      await refresh();
      if (isUntouched && list.value.some((one) => one.id === result)) id.value = String(result);
    } catch (thrown) {
      const plain = toPlainError(thrown);
      if (plain.code !== 'job.cancelled') error.value = plain;
    }
  };
  const remove = async (): Promise<void> => {
    try {
      await service.call('evaluation.delete', { id: id.value });
      await refresh();
    } catch (thrown) {
      notices.fail(thrown);
    }
  };
  const images = (query: Omit<CallParams<'evaluation.images'>, 'id' | 'head'>): Promise<EvaluatedPage> =>
    service.call('evaluation.images', { id: id.value, head: head.value, ...query });

  watch([id, head], () => void open());
  watch(id, () => {
    head.value = 'test';
    // What another one says must not stand under this one's name.
    report.value = error.value = null;
  });
  service.onOpen(() => void refresh().then(open));
  return { list, id, head, report, error, job, start, remove, images, cancel: jobs.cancel };
});
