import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { DatasetReport, ExcludedList, FindingKind } from '../../src-main/protocol/data-types.ts';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useDataset } from './dataset.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';

/** Keeps the findings of a check of the open data folder, and the list of images to leave out. */
export const useDataCheck = defineStore('data-check', () => {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const dataset = useDataset();
  const report = shallowRef<DatasetReport | null>(null);
  const excluded = shallowRef<ExcludedList | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const [reports, lists] = [0, 1].map(() => latest(() => dataset.opened));
  const job = computed(() => jobs.ofKind('check'));

  const readNotes = async (): Promise<void> => {
    const [isNewest, isNewestList] = [reports.begin(), lists.begin()];
    const { path } = dataset;
    const [known, list] = await Promise.all([
      service.call('dataset.report', { path }),
      service.call('dataset.excluded', { path }),
    ]);
    if (isNewest()) report.value = known;
    if (isNewestList()) excluded.value = list;
  };
  /** Says what went wrong with a folder: in its place, or in passing where another one is open by now. */
  const fail = (of: string, thrown: unknown): void => {
    const plain = toPlainError(thrown);
    if (plain.code === 'job.cancelled') return;
    if (dataset.path === of) error.value = plain;
    else notices.fail(thrown);
  };
  /** Decodes what has changed since the last check, `anew` every image; stopped or not, `report` says what it found. */
  const check = async (anew = false): Promise<void> => {
    error.value = null;
    const { path } = dataset;
    try {
      await jobs.finished((await service.call('dataset.check', { path, anew })).job);
    } catch (thrown) {
      fail(path, thrown);
    }
    if (dataset.path !== path) return;
    await Promise.allSettled([readNotes(), dataset.recount()]);
  };
  /** Leaves out, or uses again, every image that the check found of one kind. */
  const exclude = async (kind: FindingKind, out: boolean): Promise<void> => {
    error.value = null;
    const { path } = dataset;
    const isNewest = lists.begin();
    try {
      const list = await service.call('dataset.exclude', { path, kind, out });
      if (isNewest()) excluded.value = list;
      if (dataset.path === path) await dataset.recount();
    } catch (thrown) {
      fail(path, thrown);
    }
  };
  watch(
    () => dataset.opened,
    () => (report.value = excluded.value = error.value = null),
    { flush: 'sync' },
  );
  // Once for each time that a folder was opened and could be read.
  watch(
    () => dataset.summary !== null && dataset.opened,
    (time) => time !== false && void readNotes().catch((thrown: unknown) => fail(dataset.path, thrown)),
    { immediate: true },
  );
  return { report, excluded, error, job, check, exclude };
});
