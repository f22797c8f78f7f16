import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { ExportCheck, ExportInfo, WrittenExport } from '../../src-main/protocol/export.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { latest } from '../composables/latest.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';
import { useRun } from './run.ts';
import { useService } from '../composables/use-service.ts';

/** The wish of the export form. */
export type ExportWish = Omit<CallParams<'export.write'>, 'run' | 'weights'>;
type OtherWish = Omit<CallParams<'export.write'>, 'run' | 'checkpoint'>;

/** As the job of an export answers. */
interface Found {
  written: WrittenExport[];
  checks: ExportCheck[];
}

/** The exports of the open run, and what checking them found. */
export const useExports = defineStore('exports', () => {
  const listed = exportList();
  const { list, chosen, open, error } = listed;
  return { list, chosen, open, error, ...exportWork(listed) };
});

/** Keeps the exports of the open run, and which of them is looked at. */
function exportList() {
  const service = useService();
  const notices = useNotices();
  const run = useRun();
  const list = shallowRef<ExportInfo[]>([]);
  /** Path of the one that is looked at. */
  const chosen = ref('');
  const error = shallowRef<PlainError | null>(null);
  const open = computed(() => list.value.find(({ path }) => path === chosen.value) ?? null);

  const readings = latest(() => run.currentId);
  const take = (read: ExportInfo[]): void => {
    list.value = read;
    if (!read.some(({ path }) => path === chosen.value)) chosen.value = read[0]?.path ?? '';
  };
  const refresh = async (): Promise<void> => {
    const read = async () => (run.currentId ? service.call('export.list', { run: run.currentId }) : []);
    await readings.ask(read, take, notices.fail);
  };
  /** Says what went wrong with an export: beside its run's others, or in passing where another run is open by now. */
  const fail = (of: string, thrown: unknown): void => {
    const plain = toPlainError(thrown);
    if (plain.code === 'job.cancelled') return;
    if (of === run.currentId) error.value = plain;
    else notices.fail(thrown);
  };
  watch(
    () => run.currentId,
    () => {
      [list.value, chosen.value, error.value] = [[], '', null];
      void refresh();
    },
  );
  // One may have come out of the trash.
  service.onEvent((event) => {
    if (event.event === 'runs') void refresh();
  });
  service.onOpen(() => void refresh());
  return { list, chosen, open, error, refresh, fail };
}

/** Writes, checks and deletes exports. */
function exportWork({ chosen, error, refresh, fail }: ReturnType<typeof exportList>) {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const run = useRun();
  /** Path of the file that is being checked. */
  const checking = ref('');
  const job = computed(() => jobs.ofKind('export'));

  const checks = latest();
  const check = async (path: string, images: number, of = run.currentId): Promise<void> => {
    const isNewest = checks.begin();
    checking.value = path;
    if (of === run.currentId) [error.value, chosen.value] = [null, path];
    try {
      const { job } = await service.call('export.check', { run: of, path, images });
      await jobs.finished(job);
    } catch (thrown) {
      fail(of, thrown);
    } finally {
      if (isNewest()) checking.value = '';
      await refresh();
    }
  };
  const writes = latest();
  /** Formats of the last export that were refused, each with its reason. */
  const refused = shallowRef<WrittenExport[]>([]);
  /** Writes a checkpoint for others, and has each export checked, where that is wished. */
  const write = async (wish: ExportWish): Promise<void> => {
    const [of, before] = [run.currentId, chosen.value];
    [error.value, refused.value] = [null, []];
    const writeAll = async (): Promise<WrittenExport[]> => {
      const { job } = await service.call('export.write', { run: of, ...wish });
      return ((await jobs.finished(job)).result as Found).written;
    };
    let path = '';
    await writes.ask(
      writeAll,
      (written) => {
        path = written.find((one) => !one.error)?.path ?? '';
        if (of === run.currentId) refused.value = written.filter((one) => one.error);
      },
      (thrown) => fail(of, thrown),
    );
    // A person may have chosen another one, or opened another run.
    const isUntouched = of === run.currentId && chosen.value === before;
    await refresh();
    if (path && isUntouched && of === run.currentId) chosen.value = path;
  };
  /** What was written last of weights of no run, and what checking it found. */
  const found = shallowRef<Found>({ written: [], checks: [] });
  /** Writes weights of no run for others, and has each export checked, where that is wished. */
  const writeOther = async (wish: OtherWish): Promise<void> => {
    const of = run.currentId;
    [error.value, refused.value, found.value] = [null, [], { written: [], checks: [] }];
    const writeAll = async (): Promise<Found> => {
      const { job } = await service.call('export.write', wish);
      return (await jobs.finished(job)).result as Found;
    };
    const take = (now: Found): void => {
      found.value = now;
      refused.value = now.written.filter((one) => one.error);
    };
    await writes.ask(writeAll, take, (thrown) => fail(of, thrown));
    // They may be of a run after all.
    await refresh();
  };
  const made = computed(() => found.value.written.filter((one) => !one.error));
  const madeChecks = computed(() => found.value.checks);
  /** Deletes an export of the run that it was chosen of, whichever is open by now. */
  const remove = async (of: string, path: string): Promise<void> => {
    try {
      await service.call('export.delete', { run: of, path });
      await refresh();
    } catch (thrown) {
      notices.fail(thrown);
    }
  };
  watch(
    () => run.currentId,
    () => (refused.value = []),
  );
  return { writing: writes.busy, refused, made, madeChecks, checking, job, check, write, writeOther, remove, cancel: jobs.cancel }; // prettier-ignore
}
