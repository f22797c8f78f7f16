import { defineStore } from 'pinia';
import { computed, ref, shallowReactive, shallowRef } from 'vue';
import type { QueueEntry, QueueReport } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { latest } from '../composables/latest.ts';
import { useNotices } from './notices.ts';
import { useService } from '../composables/use-service.ts';

/** What a person wants of a start while others train; null is to leave it. */
export type BusyAnswer = 'queue' | 'anyway' | null;
interface Question {
  busy: PlainError;
  /** Whether it can wait. */
  queues: boolean;
  answer: (answer: BusyAnswer) => void;
}
/** Waiting runs that a forecast of their time is asked for. */
const MOST_TIMED = 50;

/** The runs that wait for their turn, and what is asked when one is started while others train. */
export const useQueue = defineStore('queue', () => {
  const service = useService();
  const notices = useNotices();
  const report = shallowRef<QueueReport>({ entries: [], atOnce: 1, paused: null });
  const entries = computed(() => report.value.entries);
  /** True while the queue is on screen. */
  const shown = ref(false);
  /** The one that was removed last, while that can be taken back. */
  const removed = shallowRef<QueueEntry | null>(null);
  const asking = shallowRef<Question | null>(null);
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
        const forecast = await service.call('recipe.time', { recipe: next.recipe }).catch(() => null);
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

  /** Asks a person; a question that is still open is left, and its start with it. */
  const question = (busy: PlainError, queues: boolean): Promise<BusyAnswer> => {
    asking.value?.answer(null);
    return new Promise((resolve) => {
      const answer = (given: BusyAnswer): void => {
        asking.value = null;
        resolve(given);
      };
      asking.value = { busy, queues, answer };
    });
  };
  /**
   * Starts what `begin` starts. Where others train, a person says whether it is started beside them or waits in the
   * queue. @returns what it began; null when it waits or was left. @throws what the service refuses it for.
   */
  const startOr = async <Result>(
    begin: (anyway: boolean) => Promise<Result>,
    waiting: CallParams<'queue.add'> | null,
  ): Promise<Result | null> => {
    try {
      return await begin(false);
    } catch (thrown) {
      const busy = toPlainError(thrown);
      if (busy.code !== 'run.busy') throw thrown;
      const queues = waiting !== null;
      const answer = await question(busy, queues);
      if (answer === 'anyway') return begin(true);
      if (answer === 'queue' && waiting) await add(waiting);
      return null;
    }
  };

  service.onEvent((event) => {
    if (event.event === 'queue') void refresh();
  });
  service.onOpen(() => void refresh());
  const close = (): void => {
    shown.value = false;
    removals.drop();
    removed.value = null;
  };
  return { report, entries, shown, removed, asking, times, close, add, move, remove, restore, set, startOr };
});
