import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { CheckpointInfo } from '../../src-main/protocol/data-types.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { useNotices } from './notices.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** The checkpoints of the open run. */
export const useCheckpoints = defineStore('checkpoints', () => {
  const service = useService();
  const notices = useNotices();
  const run = useRun();
  const list = shallowRef<CheckpointInfo[]>([]);
  const reading = ref(false);
  const error = shallowRef<PlainError | null>(null);
  /** The file the export page starts with; '' for the best. */
  const chosen = ref('');

  const refresh = async (): Promise<void> => {
    const of = run.currentId;
    if (!of) {
      list.value = [];
      return;
    }
    reading.value = true;
    try {
      const read = await service.call('checkpoint.list', { run: of });
      if (of === run.currentId) list.value = read.sort((one, other) => other.step - one.step);
      error.value = null;
    } catch (thrown) {
      if (of !== run.currentId) return;
      list.value = [];
      error.value = toPlainError(thrown);
    } finally {
      reading.value = false;
    }
  };
  const remove = async (file: string): Promise<void> => {
    try {
      await service.call('checkpoint.delete', { run: run.currentId, file });
    } catch (thrown) {
      notices.fail(thrown);
    }
    await refresh();
  };
  const pin = async (file: string, pinned: boolean): Promise<void> => {
    try {
      await service.call('checkpoint.pin', { run: run.currentId, file, pinned });
    } catch (thrown) {
      notices.fail(thrown);
    }
    await refresh();
  };
  /** Writes the history of the open run in another format. @returns where; '' when it failed, which is shown. */
  const writeHistory = async (format: CallParams<'history.export'>['format']): Promise<string> => {
    try {
      return (await service.call('history.export', { run: run.currentId, format })).path;
    } catch (thrown) {
      notices.fail(thrown);
      return '';
    }
  };
  /** The checkpoints of any run, best first; what the teacher picker offers. */
  const of = async (id: string): Promise<CheckpointInfo[]> =>
    (await service.call('checkpoint.list', { run: id })).sort(
      (one, other) => Number(other.best) - Number(one.best) || other.step - one.step,
    );
  watch(
    () => run.currentId,
    () => {
      list.value = [];
      chosen.value = '';
      void refresh();
    },
  );
  service.onOpen(() => void refresh());
  service.onEvent((event) => {
    const rows = event.event === 'run' && event.run === run.currentId && event.rows.some((row) => row.type !== 'step');
    const news = rows || event.event === 'runs';
    if (news) void refresh();
  });
  return {
    list,
    reading,
    error,
    chosen,
    refresh,
    remove,
    pin,
    writeHistory,
    of,
  };
});
