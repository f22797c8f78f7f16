import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { RunProfile } from '../../src-main/protocol/data-types.ts';
import { useService } from '../composables/use-service.ts';

/** The profiled step of the run that is open. */
export const useProfile = defineStore('profile', () => {
  const service = useService();
  const profile = shallowRef<RunProfile | null>(null);
  let wanted = '';

  /** Reads the profile of a run; null while there is none. */
  const open = async (run: string): Promise<void> => {
    if (wanted !== run) profile.value = null;
    wanted = run;
    // A run that is gone has none.
    const read = run ? await service.call('run.profile', { run }).catch(() => null) : null;
    if (wanted === run) profile.value = read;
  };
  return { profile, open };
});
