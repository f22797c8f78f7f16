import { defineStore } from 'pinia';
import { ref } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';

/** Something to tell in passing: a failure in the background, or a fact by the key of its message. */
export type Notice = { id: number } & (
  | { kind: 'error'; error: PlainError }
  | { kind: 'fact'; key: string; params: Record<string, string | number>; undo?: () => void }
);

const MOST = 4;
const FACT_STAYS = 12_000;

/** The notices now on screen, newest last. */
export const useNotices = defineStore('notices', () => {
  const list = ref<Notice[]>([]);
  let next = 0;

  const dismiss = (id: number): void => {
    list.value = list.value.filter((notice) => notice.id !== id);
  };
  /** Shows a failure; the same one is not shown twice. */
  const fail = (thrown: unknown): void => {
    const error = toPlainError(thrown);
    const others = list.value.filter((notice) => notice.kind !== 'error' || notice.error.message !== error.message);
    list.value = [...others, { id: next++, kind: 'error' as const, error }].slice(-MOST);
  };
  /** Does something whose failure is shown in passing. @returns whether it was done. */
  const quietly = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (thrown) {
      fail(thrown);
      return false;
    }
  };
  /**
   * Tells a fact, in place of the last one of its kind: for a while, or until it is dismissed where it can be undone.
   * @returns its id.
   */
  const tell = (key: string, params: Record<string, string | number> = {}, undo?: () => void): number => {
    const others = list.value.filter((notice) => notice.kind !== 'fact' || notice.key !== key);
    const id = next++;
    list.value = [...others, { id, kind: 'fact' as const, key, params, ...(undo && { undo }) }].slice(-MOST);
    if (!undo) setTimeout(() => dismiss(id), FACT_STAYS);
    return id;
  };
  const undo = (id: number): void => {
    const notice = list.value.find((one) => one.id === id);
    dismiss(id);
    if (notice?.kind === 'fact') notice.undo?.();
  };
  return { list, dismiss, fail, quietly, tell, undo };
});
