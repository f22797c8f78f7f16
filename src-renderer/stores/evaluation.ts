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

  const open = async (): Promise<void> => {
    const asked = { id: id.value, head: head.value };
    if (!asked.id) return void (report.value = null);
    try {
      const read = await service.call('evaluation.report', asked);
      if (asked.id === id.value && asked.head === head.value) report.value = read;
    } catch (thrown) {
      report.value = null;
      error.value = toPlainError(thrown);
    }
  };
  const refresh = async (): Promise<void> => {
    list.value = await service.call('evaluation.list', {});
    if (!list.value.some((one) => one.id === id.value)) id.value = list.value[0]?.id ?? '';
  };
  /** Evaluates and opens what came of it. */
  const start = async (asked: CallParams<'evaluation.start'>): Promise<void> => {
    error.value = null;
    try {
      const { job } = await service.call('evaluation.start', asked);
      const { result } = await jobs.finished(job);
      await refresh();
      id.value = String(result);
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
  watch(id, () => (head.value = 'test'));
  service.onOpen(() => void refresh().then(open).catch(notices.fail));
  return { list, id, head, report, error, job, start, remove, images, cancel: jobs.cancel };
});
