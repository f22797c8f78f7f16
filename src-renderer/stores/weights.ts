import { defineStore } from 'pinia';
import { computed, ref, shallowReactive, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { JobProgress } from '../../src-main/protocol/events.ts';
import type { WeightList } from '../../src-main/protocol/weight-data.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { foundRows, rowsOf, sortedRows, type WeightColumn, type WeightRow } from '../composables/weight-rows.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';

/** Weights that others publish: what there is, how far each is on this machine, and fetching them. */
export const useWeights = defineStore('weights', () => {
  const listed = weightList();
  return { ...listed, ...weightTable(listed), ...weightFiles(listed) };
});

/** Keeps the list of the service. */
function weightList() {
  const service = useService();
  const list = shallowRef<WeightList | null>(null);
  const error = shallowRef<PlainError | null>(null);

  const listings = latest();
  const refresh = async (): Promise<void> => {
    await listings.ask(
      () => service.call('weights.list', {}),
      (now) => {
        list.value = now;
        error.value = null;
      },
      (thrown) => (error.value = toPlainError(thrown)),
    );
  };
  service.onEvent((event) => {
    if (event.event === 'weights') void refresh();
  });
  service.onOpen(() => void refresh());
  return { list, error, refresh };
}
type Listed = ReturnType<typeof weightList>;

/** Searches and sorts the list, and keeps the line that is chosen. */
function weightTable({ list }: Listed) {
  const search = ref('');
  /** Every training of a network, and not only the one that its name means. */
  const all = ref(false);
  const column = ref<WeightColumn | null>(null);
  const down = ref(false);
  const chosenName = ref('');

  const rows = computed(() => sortedRows(foundRows(rowsOf(list.value, all.value), search.value), column.value, down.value)); // prettier-ignore
  const chosen = computed(() => rows.value.find(({ name }) => name === chosenName.value) ?? null);
  const sortBy = (by: WeightColumn): void => {
    down.value = column.value === by ? !down.value : /^(parameters|gflops|top)/.test(by);
    column.value = by;
  };
  // What was chosen is gone: the first line takes its place.
  watch(rows, (now) => {
    if (now.length > 0 && !now.some(({ name }) => name === chosenName.value)) chosenName.value = now[0].name;
  });
  return { search, all, column, down, rows, chosen, chosenName, sortBy };
}

/** Fetches, finds and removes the files of weights. */
function weightFiles({ list }: Listed) {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  /** Why fetching failed last, by what was asked for. */
  const failures = shallowReactive(new Map<string, PlainError>());

  /** Fetches weights by name or address. @returns where they are; null where that failed, `failures` says why. */
  const get = async (what: string): Promise<string | null> => {
    failures.delete(what);
    try {
      const { job } = await service.call('weights.get', { what });
      const { result } = await jobs.finished(job);
      return String(result);
    } catch (thrown) {
      const plain = toPlainError(thrown);
      if (plain.code !== 'job.cancelled') failures.set(what, plain);
      return null;
    }
  };
  /** Where a line's weights are, fetched first where they are not here. */
  const ensure = async ({ name, place }: WeightRow): Promise<string | null> => place.path ?? get(name);
  const progressOf = ({ place }: WeightRow): JobProgress | null => {
    const progress = place.job === null ? null : (jobs.all.get(place.job) ?? null);
    return progress?.state === 'running' ? progress : null;
  };
  const cancel = async ({ place }: WeightRow): Promise<void> => {
    if (place.job !== null) await jobs.cancel(place.job);
  };
  const remove = async ({ place }: WeightRow): Promise<void> => {
    if (place.id === null) return;
    try {
      await service.call('weights.remove', { id: place.id });
    } catch (thrown) {
      notices.fail(thrown);
    }
  };
  const names = computed(() => new Map((list.value?.published ?? []).flatMap(({ name, model, first }) => [[name, name], ...(first ? [[model, name]] : [])] as [string, string][]))); // prettier-ignore
  /** The full name of the published weights that a name means; '' where there are none. */
  const publishedOf = (name: string): string => names.value.get(name) ?? '';
  /** Where weights of an address or a name are on this machine; null where they are not, and for half an address. */
  const find = async (what: string): Promise<string | null> => {
    const found = await service.call('weights.find', { what }).catch(() => null);
    return found && found.path;
  };
  /** The job that fetches what was asked for, while it runs. */
  const fetching = (what: string): JobProgress | null => {
    const name = publishedOf(what) || what;
    const row = rowsOf(list.value, true).find((row) => row.name === name || row.published?.url === name);
    return row ? progressOf(row) : null;
  };
  return { failures, get, ensure, progressOf, cancel, remove, find, publishedOf, fetching, cancelJob: jobs.cancel };
}
