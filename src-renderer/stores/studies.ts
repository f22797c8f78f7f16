import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type {
  ReportRequest,
  StudyCost,
  StudyReport,
  StudyRequest,
  StudyTables,
  StudyTemplate,
} from '../../src-main/protocol/study.ts';
import { latest } from '../composables/latest.ts';
import { liveList } from '../composables/live-list.ts';
import { useService } from '../composables/use-service.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';

/** Milliseconds between two readings of the studies while a run reports its steps. */
const LOOK_INTERVAL = 1000;

/** Studies: what there is, how far each is, and what came out of the open one. */
export const useStudies = defineStore('studies', () => {
  const listed = studyList();
  const shown = studyShown(listed);
  return { ...listed, ...shown, ...studyActions(listed, shown) };
});

function studyList() {
  const service = useService();
  const notices = useNotices();
  const read = (): Promise<StudyReport[]> => service.call('study.list', {});
  const { list, refresh, lookSoon } = liveList(read, notices.fail);
  const openId = ref('');
  const open = computed(() => list.value.find(({ id }) => id === openId.value) ?? list.value[0] ?? null);

  service.onEvent(({ event }) => {
    if (event === 'studies' || event === 'queue' || event === 'runs') lookSoon(0);
    if (event === 'run' && list.value.some(({ state }) => state === 'running')) lookSoon(LOOK_INTERVAL);
  });
  service.onOpen(() => void refresh());
  return { list, open, openId, refresh };
}
type Listed = ReturnType<typeof studyList>;

/** The cost and the tables of the open study, which follow how far it is. */
function studyShown({ open }: Listed) {
  const service = useService();
  const notices = useNotices();
  const cost = shallowRef<StudyCost | null>(null);
  const tables = shallowRef<StudyTables | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const subject = (): string | undefined => open.value?.id;

  const costs = latest(subject);
  const askCost = async (): Promise<void> => {
    const study = subject();
    await costs.ask(
      async () => (study ? service.call('study.cost', { study }) : null),
      (now) => {
        cost.value = now;
        error.value = null;
      },
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  const results = latest(subject);
  const askTables = async (): Promise<void> => {
    const study = subject();
    await results.ask(
      async () => (study ? service.call('study.tables', { study }) : null),
      (now) => (tables.value = now),
      notices.fail,
    );
  };
  const extent = computed(() => {
    const { id, spec, cells } = open.value ?? {};
    return JSON.stringify([id, spec, cells?.map(({ state, evaluated }) => [state === 'finished', evaluated])]);
  });
  watch(
    () => open.value?.id,
    () => (cost.value = tables.value = error.value = null),
  );
  watch(extent, () => void Promise.all([askCost(), askTables()]), { immediate: true });
  return { cost, tables, error, askCost };
}

/** Makes, begins, measures, stops, edits and reports. */
function studyActions({ open, openId, refresh }: Listed, { error, askCost }: ReturnType<typeof studyShown>) {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const measuring = ref(false);

  /** Does something with the open study, and shows why it was refused. @returns whether it was done. */
  const doing = async (work: (study: string) => Promise<unknown>): Promise<boolean> => {
    const study = open.value?.id;
    if (!study) return false;
    error.value = null;
    try {
      await work(study);
    } catch (thrown) {
      const plain = toPlainError(thrown);
      if (plain.code === 'job.cancelled') return false;
      if (open.value?.id === study) error.value = plain;
      else notices.fail(thrown);
      return false;
    }
    await refresh();
    return true;
  };
  const make = async (template: StudyTemplate, asked: StudyRequest): Promise<void> => {
    const spec = await service.call('study.make', { template, asked });
    const { id } = await service.call('study.save', { spec });
    openId.value = id;
    await refresh();
  };
  const measure = async (): Promise<void> => {
    measuring.value = true;
    const isMeasured = await doing(async (study) =>
      jobs.finished((await service.call('study.measure', { study })).job),
    );
    measuring.value = false;
    if (isMeasured) await askCost();
  };
  const evaluate = (): Promise<boolean> =>
    doing(async (study) => jobs.finished((await service.call('study.evaluate', { study })).job));
  const write = (study: string, asked: ReportRequest): Promise<{ path: string }> =>
    service.call('study.write', { study, ...asked });
  const textOf = async (): Promise<string> => (open.value ? service.call('study.text', { study: open.value.id }) : '');
  const edit = (text: string): Promise<boolean> => doing((study) => service.call('study.read', { study, text }));
  const start = (): Promise<boolean> => doing((study) => service.call('study.start', { study }));
  const stop = (): Promise<boolean> => doing((study) => service.call('study.stop', { study }));
  const remove = (): Promise<boolean> => doing((study) => service.call('study.remove', { study }));
  return { measuring, make, measure, evaluate, write, textOf, edit, start, stop, remove };
}
