import { defineStore } from 'pinia';
import { computed, ref, shallowReactive, shallowRef } from 'vue';
import type { QueueEntry, QueueReport } from '../../src-main/protocol/data-types.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { latest } from '../composables/latest.ts';
import { useNotices } from './notices.ts';
import { useService } from '../composables/use-service.ts';

/** Waiting runs that a forecast of their time is asked for. */
const MOST_TIMED = 50;

/** The runs that wait for their turn. */
export const useQueue = defineStore('queue', () => {
  const service = useService();
  const notices = useNotices();
  const report = shallowRef<QueueReport>({ entries: [], atOnce: 1, paused: null });
  const entries = computed(() => report.value.entries);
  /** True while the queue is on screen. */
  const shown = ref(false);
  /** The one that was removed last, while that can be taken back. */
  const removed = shallowRef<QueueEntry | null>(null);
  /** Seconds that waiting recipes are expected to take, by the id of their entry; null where nothing tells. */
  const times = shallowReactive(new Map<string, number | null>());

  let timing = false;
  const time = async (): Promise<void> => {
    if (timing) return;
    timing = true;
    try {
      for (;;) {
        const next = entries.value.slice(0, MOST_TIMED).find(({ id, recipe }) => recipe && !times.has(id));
        if (!next?.recipe) return;
        const forecast = await service
          .call('recipe.time', { recipe: next.recipe, processes: next.processes })
          .catch(() => null);
        times.set(next.id, forecast?.seconds ?? null);
      }
    } finally {
      timing = false;
    }
  };
  const take = (now: QueueReport): void => {
    report.value = now;
    void time();
  };
  const reports = latest();
  const refresh = async (): Promise<void> => {
    await reports.ask(() => service.call('queue.list', {}), take, notices.fail);
  };
  /** Changes the queue. @returns how it is then; null when it failed, which is shown. */
  const quietly = async (work: () => Promise<QueueReport>): Promise<QueueReport | null> => {
    const isNewest = reports.begin();
    try {
      const now = await work();
      if (isNewest()) take(now);
      return now;
    } catch (thrown) {
      notices.fail(thrown);
      return null;
    }
  };
  /** Has a recipe, or a run to resume, wait for its turn. */
  const add = async (what: CallParams<'queue.add'>): Promise<boolean> => {
    const now = await quietly(() => service.call('queue.add', what));
    if (!now) return false;
    notices.tell('queue.added', { n: Math.max(1, now.entries.length) });
    return true;
  };
  const move = (id: string, to: number): Promise<unknown> => quietly(() => service.call('queue.move', { id, to }));
  const removals = latest();
  const remove = async (entry: QueueEntry): Promise<void> => {
    const isNewest = removals.begin();
    if ((await quietly(() => service.call('queue.remove', { id: entry.id }))) && isNewest()) removed.value = entry;
  };
  const restore = async (): Promise<void> => {
    const id = removed.value?.id;
    if (!id || !(await quietly(() => service.call('queue.restore', { id })))) return;
    if (removed.value?.id === id) removed.value = null;
  };
  const set = (what: CallParams<'queue.set'>): Promise<unknown> => quietly(() => service.call('queue.set', what));

  service.onEvent((event) => {
    if (event.event === 'queue') void refresh();
  });
  service.onOpen(() => void refresh());
  const close = (): void => {
    shown.value = false;
    removals.drop();
    removed.value = null;
  };
  return { report, entries, shown, removed, times, close, add, move, remove, restore, set };
});
