import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { RunProfile } from '../../src-main/protocol/data-types.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';

/** The profiled step of the run that is open. */
export const useProfile = defineStore('profile', () => {
  const service = useService();
  const profile = shallowRef<RunProfile | null>(null);
  const readings = latest();
  let wanted = '';

  /** Reads the profile of a run; null while there is none. */
  const open = async (run: string): Promise<void> => {
    if (wanted !== run) profile.value = null;
    wanted = run;
    // A run that is gone has none.
    const none = (): void => void (profile.value = null);
    const read = async () => (run ? service.call('run.profile', { run }) : null);
    await readings.ask(read, (found) => (profile.value = found), none);
  };
  return { profile, open };
});
