import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { ExportInfo } from '../../src-main/protocol/export.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** What the export form asks for; an empty `output` leaves the place to the service. */
export type ExportWish = Omit<CallParams<'export.write'>, 'run'> & {
  output: string;
  /** Images of the check that follows; null: none follows. */
  images: number | null;
};

/** The exports of the open run, and what checking them found. */
export const useExports = defineStore('exports', () => {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const run = useRun();
  const list = shallowRef<ExportInfo[]>([]);
  /** Path of the one that is looked at. */
  const chosen = ref('');
  const writing = ref(false);
  const error = shallowRef<PlainError | null>(null);
  /** Path of the file that is being checked. */
  const checking = ref('');
  const job = computed(() => jobs.ofKind('export'));
  const open = computed(() => list.value.find(({ path }) => path === chosen.value) ?? null);

  const refresh = async (): Promise<void> => {
    const of = run.currentId;
    const read = of ? await service.call('export.list', { run: of }) : [];
    if (of !== run.currentId) return;
    list.value = read;
    if (!read.some(({ path }) => path === chosen.value)) chosen.value = read[0]?.path ?? '';
  };
  const fail = (thrown: unknown): void => {
    const plain = toPlainError(thrown);
    if (plain.code !== 'job.cancelled') error.value = plain;
  };
  const check = async (path: string, images: number): Promise<void> => {
    error.value = null;
    [checking.value, chosen.value] = [path, path];
    try {
      const { job } = await service.call('export.check', { run: run.currentId, path, images });
      await jobs.finished(job);
    } catch (thrown) {
      fail(thrown);
    } finally {
      checking.value = '';
      await refresh().catch(notices.fail);
    }
  };
  /** Writes a checkpoint for others and has the file checked, where that is wished. */
  const write = async ({ images, output, ...wish }: ExportWish): Promise<void> => {
    [writing.value, error.value] = [true, null];
    try {
      const target = output.trim() ? { output: output.trim() } : {};
      const { path } = await service.call('export.write', { run: run.currentId, ...wish, ...target });
      await refresh();
      chosen.value = path;
      writing.value = false;
      if (images !== null) await check(path, images);
    } catch (thrown) {
      fail(thrown);
    } finally {
      writing.value = false;
    }
  };
  const remove = async (path: string): Promise<void> => {
    try {
      await service.call('export.delete', { run: run.currentId, path });
      await refresh();
    } catch (thrown) {
      notices.fail(thrown);
    }
  };

  watch(
    () => run.currentId,
    () => {
      [list.value, chosen.value, error.value] = [[], '', null];
      void refresh().catch(notices.fail);
    },
  );
  // One may have come out of the trash.
  service.onEvent((event) => {
    if (event.event === 'runs') void refresh().catch(notices.fail);
  });
  service.onOpen(() => void refresh().catch(notices.fail));
  return { list, chosen, open, writing, error, checking, job, check, write, remove, cancel: jobs.cancel };
});
