import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { CheckpointInfo } from '../../src-main/protocol/data-types.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { latest } from '../composables/latest.ts';
import { useNotices } from './notices.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** The checkpoints of the open run. */
export const useCheckpoints = defineStore('checkpoints', () => {
  const service = useService();
  const notices = useNotices();
  const run = useRun();
  const list = shallowRef<CheckpointInfo[]>([]);
  const readings = latest(() => run.currentId);
  const error = shallowRef<PlainError | null>(null);
  /** The file the export page starts with; '' for the best. */
  const chosen = ref('');
  /** Where the history of the open run was written last. */
  const written = ref('');
  const writings = latest(() => run.currentId);

  const refresh = async (): Promise<void> => {
    const take = (read: CheckpointInfo[], why: PlainError | null): void => {
      list.value = read.sort((one, other) => other.step - one.step);
      error.value = why;
    };
    await readings.ask(
      async () => (run.currentId ? service.call('checkpoint.list', { run: run.currentId }) : []),
      (read) => take(read, null),
      (thrown) => take([], toPlainError(thrown)),
    );
  };
  /** Deletes a checkpoint of the run that it was chosen of, whichever is open by now. */
  const remove = async (of: string, file: string): Promise<void> => {
    try {
      await service.call('checkpoint.delete', { run: of, file });
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
  /** Writes the history of the open run in another format; `written` says where, `notices` why not. */
  const writeHistory = async (format: CallParams<'history.export'>['format']): Promise<void> => {
    const isNewest = writings.begin();
    written.value = '';
    try {
      const { path } = await service.call('history.export', { run: run.currentId, format });
      if (isNewest()) written.value = path;
    } catch (thrown) {
      notices.fail(thrown);
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
      chosen.value = written.value = '';
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
    reading: readings.busy,
    error,
    chosen,
    written,
    refresh,
    remove,
    pin,
    writeHistory,
    of,
  };
});
