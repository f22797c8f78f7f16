import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { useQueue } from './queue.ts';

/** A person's answer to a start while others train; null is to leave it. */
export type BusyAnswer = 'queue' | 'anyway' | null;
interface Question {
  busy: PlainError;
  /** Whether it can wait. */
  queues: boolean;
  answer: (answer: BusyAnswer) => void;
}
/** Asks a person when a run is started while others train. */
export const useStartQuestion = defineStore('start-question', () => {
  const queue = useQueue();
  const asking = shallowRef<Question | null>(null);

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
      if (answer === 'queue' && waiting) await queue.add(waiting);
      return null;
    }
  };
  return { asking, startOr };
});
