import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { DatasetReport, DatasetSummary, PicturePage } from '../../src-main/protocol/data-types.ts';
import { useJobs } from './jobs.ts';
import { isText, isTextList, keep, readKept } from './kept.ts';
import { useService } from './service.ts';
import { useSystem } from './system.ts';

export type Split = 'train' | 'val';

const MOST_RECENT = 8;

/** The chosen data folder: what it holds, its check, its pictures page by page. */
export const useDataset = defineStore('dataset', () => {
  const service = useService();
  const jobs = useJobs();
  const system = useSystem();
  const path = ref(readKept('data-path', '', isText));
  const recent = ref(readKept('data-recent', [], isTextList));
  const summary = shallowRef<DatasetSummary | null>(null);
  const report = shallowRef<DatasetReport | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const checkError = shallowRef<PlainError | null>(null);
  const reading = ref(false);

  const sampleJob = computed(() => jobs.ofKind('sample'));
  const checkJob = computed(() => jobs.ofKind('check'));

  /** Reads the folder at `chosen` and makes it the data set; a failure leaves the old summary out and says why. */
  const open = async (chosen: string): Promise<void> => {
    const wanted = chosen.trim();
    if (!wanted) return;
    path.value = wanted;
    reading.value = true;
    error.value = checkError.value = summary.value = report.value = null;
    try {
      const read = await service.call('dataset.inspect', { path: wanted });
      const known = await service.call('dataset.report', { path: wanted });
      if (path.value !== wanted) return;
      summary.value = read;
      report.value = known;
      recent.value = [wanted, ...recent.value.filter((other) => other !== wanted)].slice(0, MOST_RECENT);
    } catch (thrown) {
      if (path.value === wanted) error.value = toPlainError(thrown);
    } finally {
      if (path.value === wanted) reading.value = false;
    }
  };
  const forget = (gone: string): void => {
    recent.value = recent.value.filter((other) => other !== gone);
  };
  const quietly = (thrown: unknown): PlainError | null => {
    const plain = toPlainError(thrown);
    return plain.code === 'job.cancelled' ? null : plain;
  };
  /** Builds the sample data set, or finds it built, and opens it. */
  const useSample = async (): Promise<void> => {
    error.value = null;
    try {
      const { job } = await service.call('dataset.sample', {});
      const done = await jobs.finished(job);
      await system.refresh();
      await open(String(done.result));
    } catch (thrown) {
      error.value = quietly(thrown);
    }
  };
  /** Decodes every picture; afterwards `report` names the unreadable ones. */
  const check = async (): Promise<void> => {
    checkError.value = null;
    const checked = path.value;
    try {
      const { job } = await service.call('dataset.check', { path: checked });
      const done = await jobs.finished(job);
      if (path.value === checked) report.value = done.result as DatasetReport;
    } catch (thrown) {
      checkError.value = quietly(thrown);
    }
  };
  const pictures = (split: Split, of: string, offset: number, limit: number): Promise<PicturePage> =>
    service.call('dataset.pictures', { path: path.value, split, ...(of ? { class: of } : {}), offset, limit });

  watch(path, (now) => keep('data-path', now));
  watch(recent, (now) => keep('data-recent', now));
  service.onOpen(() => {
    if (path.value && !summary.value) void open(path.value);
  });
  return {
    path,
    recent,
    summary,
    report,
    error,
    checkError,
    reading,
    sampleJob,
    checkJob,
    open,
    forget,
    useSample,
    check,
    pictures,
    cancel: (job: string): Promise<void> => jobs.cancel(job),
  };
});
