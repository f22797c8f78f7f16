import { defineStore } from 'pinia';
import { shallowRef, watch } from 'vue';
import type { BadStep } from '../../src-main/protocol/data-types.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useNotices } from './notices.ts';
import { useRun } from './run.ts';

/** The batch that the open run ended at, while a person looks at it. */
export const useBadStep = defineStore('bad-step', () => {
  const service = useService();
  const notices = useNotices();
  const run = useRun();
  const shown = shallowRef<BadStep | null>(null);
  const reading = latest();

  const open = async (id: string): Promise<void> => {
    await reading.ask(
      () => service.call('run.bad-step', { run: id }),
      (read) => (shown.value = read),
      notices.fail,
    );
  };
  const close = (): void => {
    reading.drop();
    shown.value = null;
  };
  watch(() => run.currentId, close);
  return { shown, open, close };
});
