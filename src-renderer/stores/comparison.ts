import { defineStore } from 'pinia';
import { computed, markRaw, ref, shallowReactive, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { HistoryRow } from '../../src-main/protocol/events.ts';
import { gathered } from '../composables/gathered.ts';
import { isTextList, keep, readKept } from '../composables/kept.ts';
import { RunHistory } from '../history/run-history.ts';
import { useService } from '../composables/use-service.ts';
import { appendLate, historyOf, wholeHistory } from '../history/whole-history.ts';

/** Most runs that are drawn beside the open one. */
export const MOST_COMPARED = 20;
/** Milliseconds between two paintings of new points. */
const REPAINT_INTERVAL = 250;

/** A run beside the open one. */
export interface ComparedRun {
  id: string;
  /** null while it is being read. */
  history: RunHistory | null;
  error: PlainError | null;
}

/** Runs that are drawn in the charts of the open one, with their whole histories. `version` tells of new points. */
export const useComparison = defineStore('comparison', () => {
  const service = useService();
  const ids = ref<string[]>(readKept('comparison', [], isTextList).slice(0, MOST_COMPARED));
  /** Runs that are named but not drawn; the open one can be among them. */
  const hidden = ref<string[]>([]);
  const version = ref(0);
  const read = shallowReactive(new Map<string, ComparedRun>());
  /** Rows that came for the runs that are being read; new ones for each reading. */
  const late = new Map<string, HistoryRow[]>();
  const list = computed(() => ids.value.map((id) => read.get(id) ?? { id, history: null, error: null }));
  let queue = Promise.resolve();

  const wholeOf = async (run: string): ReturnType<typeof wholeHistory> => {
    const source = historyOf(service, run);
    const detail = await source.detail();
    if (detail.stepRows) return wholeHistory(source, detail);
    const whole = new RunHistory();
    detail.history.forEach((row) => whole.append(row));
    return { whole, detail };
  };
  const load = async (id: string): Promise<void> => {
    if (!ids.value.includes(id) || read.has(id)) return;
    const rows: HistoryRow[] = [];
    late.set(id, rows);
    // Taken out meanwhile, and perhaps put in again: then it is read anew.
    const isNewest = (): boolean => late.get(id) === rows;
    try {
      const { whole: history, detail } = await wholeOf(id);
      if (!isNewest()) return;
      appendLate(history, detail.history, rows);
      read.set(id, { id, history: markRaw(history), error: null });
    } catch (thrown) {
      if (isNewest()) read.set(id, { id, history: null, error: toPlainError(thrown) });
    } finally {
      if (isNewest()) late.delete(id);
      version.value++;
    }
  };
  const forget = (id: string): void => {
    read.delete(id);
    late.delete(id);
  };
  /** Draws these runs beside the open one; they are read one after the other. */
  const overlay = (wanted: readonly string[]): void => {
    const next = [...new Set(wanted)].slice(0, MOST_COMPARED);
    const gone = ids.value.filter((id) => !next.includes(id));
    ids.value = next;
    gone.forEach(forget);
    hidden.value = hidden.value.filter((id) => !gone.includes(id));
    for (const id of ids.value) if (!read.has(id)) queue = queue.then(() => load(id));
    version.value++;
  };
  const toggle = (id: string): void => {
    hidden.value = hidden.value.includes(id) ? hidden.value.filter((other) => other !== id) : [...hidden.value, id];
  };
  watch(ids, () => keep('comparison', ids.value));

  const painted = gathered(() => version.value++, REPAINT_INTERVAL);
  service.onEvent((event) => {
    if (event.event !== 'run') return;
    late.get(event.run)?.push(...event.rows);
    const history = read.get(event.run)?.history;
    if (!history) return;
    event.rows.forEach((row) => history.append(row));
    painted();
  });
  // Rows may have been missed while the port was closed.
  service.onOpen(() => {
    ids.value.forEach(forget);
    overlay(ids.value);
  });
  return { ids, hidden, list, version, overlay, toggle };
});
