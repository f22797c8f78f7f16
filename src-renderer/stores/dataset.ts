import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type {
  DatasetReport,
  DatasetSummary,
  ExcludedList,
  FindingKind,
  ImagePage,
} from '../../src-main/protocol/data-types.ts';
import { withReading } from '../../src-main/protocol/data-reading.ts';
import { useJobs } from './jobs.ts';
import { isText, isTextList, keep, readKept } from '../composables/kept.ts';
import { useService } from '../composables/use-service.ts';
import { useSystem } from './system.ts';

export type Split = 'train' | 'val';

const MOST_RECENT = 8;

/** The chosen data folder: what it holds, its check, its images page by page. */
export const useDataset = defineStore('dataset', () => {
  const service = useService();
  const jobs = useJobs();
  const system = useSystem();
  const path = ref(readKept('data-path', '', isText));
  const recent = ref(readKept('data-recent', [], isTextList));
  /** Recent folders that are not there now. */
  const missing = shallowRef<readonly string[]>([]);
  const lookForRecent = async (): Promise<void> => {
    const paths = [...recent.value];
    const there = await service.call('system.exist', { paths }).catch(() => paths.map(() => true));
    missing.value = paths.filter((_, at) => !there[at]);
  };
  const summary = shallowRef<DatasetSummary | null>(null);
  const report = shallowRef<DatasetReport | null>(null);
  const excluded = shallowRef<ExcludedList | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const checkError = shallowRef<PlainError | null>(null);
  const reading = ref(false);
  /** How a person said the folder is to be read; '' where nobody did. */
  const chosenReading = ref('');
  /** Counts the times a folder was opened: only the newest is shown. */
  let opened = 0;

  const sampleJob = computed(() => jobs.ofKind('sample'));
  const checkJob = computed(() => jobs.ofKind('check'));

  const readNotes = async (of: string): Promise<void> => {
    const [known, list] = await Promise.all([
      service.call('dataset.report', { path: of }),
      service.call('dataset.excluded', { path: of }),
    ]);
    if (path.value !== of) return;
    report.value = known;
    excluded.value = list;
  };
  /** Counts the folder again, without what is left out now. */
  const recount = async (of: string): Promise<void> => {
    const time = opened;
    const read = await service.call('dataset.inspect', { path: of });
    if (path.value === of && time === opened) take(read);
  };
  const take = (read: DatasetSummary): void => {
    summary.value = read;
    chosenReading.value = read.reading ?? '';
  };
  const refuse = async (of: string, thrown: unknown, isNewest: () => boolean): Promise<void> => {
    const said = await service.call('dataset.reading', { path: of }).catch(() => '');
    if (!isNewest()) return;
    chosenReading.value = said;
    error.value = toPlainError(thrown);
  };
  /**
   * Reads the folder at `chosen` and makes it the data set; a failure leaves the old summary out and says why.
   * @param as how it is to be read from now on, '' by its contents; as before when left out.
   */
  const open = async (chosen: string, as?: string): Promise<void> => {
    const wanted = chosen.trim();
    if (!wanted) return;
    const time = ++opened;
    const isNewest = (): boolean => time === opened;
    path.value = wanted;
    reading.value = true;
    error.value = checkError.value = summary.value = report.value = excluded.value = null;
    try {
      const said = as === undefined ? {} : { reading: as };
      const read = await service.call('dataset.inspect', { path: wanted, ...said });
      if (!isNewest()) return;
      await readNotes(wanted);
      if (!isNewest()) return;
      take(read);
      recent.value = [wanted, ...recent.value.filter((other) => other !== wanted)].slice(0, MOST_RECENT);
    } catch (thrown) {
      await refuse(wanted, thrown, isNewest);
    } finally {
      if (isNewest()) reading.value = false;
    }
  };
  /** Reads the folder again as a person says, beside what they said before; '' by its contents alone. */
  const chooseReading = (how: string): Promise<void> => open(path.value, how && withReading(chosenReading.value, how));
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
  /** Decodes what has changed since the last check, `anew` every image; stopped or not, `report` says what it found. */
  const check = async (anew = false): Promise<void> => {
    checkError.value = null;
    const checked = path.value;
    try {
      const { job } = await service.call('dataset.check', { path: checked, anew });
      await jobs.finished(job);
    } catch (thrown) {
      checkError.value = quietly(thrown);
    }
    await readNotes(checked).catch(quietly);
    await recount(checked).catch(quietly);
  };
  /** Leaves out, or uses again, every image that the check found of one kind. */
  const exclude = async (kind: FindingKind, out: boolean): Promise<void> => {
    checkError.value = null;
    const changed = path.value;
    try {
      const list = await service.call('dataset.exclude', { path: changed, kind, out });
      if (path.value === changed) excluded.value = list;
      await recount(changed);
    } catch (thrown) {
      checkError.value = quietly(thrown);
    }
  };
  const images = (split: Split, of: string, offset: number, limit: number): Promise<ImagePage> =>
    service.call('dataset.images', { path: path.value, split, ...(of ? { class: of } : {}), offset, limit });

  watch(path, (now) => keep('data-path', now));
  watch(recent, (now) => keep('data-recent', now));
  service.onOpen(() => {
    void lookForRecent();
    if (path.value && !summary.value) void open(path.value);
  });
  return {
    path,
    recent,
    missing,
    summary,
    report,
    excluded,
    error,
    checkError,
    reading,
    chosenReading,
    sampleJob,
    checkJob,
    open,
    chooseReading,
    forget,
    useSample,
    check,
    exclude,
    images,
    cancel: (job: string): Promise<void> => jobs.cancel(job),
  };
});
