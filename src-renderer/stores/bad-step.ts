import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { BadStep } from '../../src-main/protocol/data-types.ts';
import { useNotices } from './notices.ts';
import { useService } from '../composables/use-service.ts';

/** The batch that a run ended at, while a person looks at it. */
export const useBadStep = defineStore('bad-step', () => {
  const service = useService();
  const notices = useNotices();
  const shown = shallowRef<BadStep | null>(null);

  const open = async (run: string): Promise<void> => {
    try {
      shown.value = await service.call('run.bad-step', { run });
    } catch (thrown) {
      notices.fail(thrown);
    }
  };
  const close = (): void => void (shown.value = null);
  return { shown, open, close };
});
