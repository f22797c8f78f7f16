import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch, type Ref } from 'vue';
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
import { useNotices } from './notices.ts';
import { latest } from '../composables/latest.ts';
import { isText, isTextList, keep, readKept } from '../composables/kept.ts';
import { useService } from '../composables/use-service.ts';
import { useSystem } from './system.ts';

export type Split = 'train' | 'val';

const MOST_RECENT = 8;

/** The chosen data folder: what it holds, its check, its images page by page. */
export const useDataset = defineStore('dataset', () => {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const system = useSystem();
  const path = ref(readKept('data-path', '', isText));
  const recent = ref(readKept('data-recent', [], isTextList));
  /** Recent folders that are not there now. */
  const missing = shallowRef<readonly string[]>([]);
  const looks = latest();
  const lookForRecent = async (): Promise<void> => {
    const paths = [...recent.value];
    await looks.ask(
      () => service.call('system.exist', { paths }),
      (there) => (missing.value = paths.filter((_, at) => !there[at])),
      () => (missing.value = []),
    );
  };
  const summary = shallowRef<DatasetSummary | null>(null);
  const report = shallowRef<DatasetReport | null>(null);
  const excluded = shallowRef<ExcludedList | null>(null);
  const error = shallowRef<PlainError | null>(null);
  const checkError = shallowRef<PlainError | null>(null);
  /** How a person said the folder is to be read; '' where nobody did. */
  const chosenReading = ref('');
  const openings = latest();
  /** Counts the times a folder was opened: what is read about it holds for this one. */
  let opened = 0;
  const [counts, reports, lists] = [0, 1, 2].map(() => latest(() => opened));

  const sampleJob = computed(() => jobs.ofKind('sample'));
  const checkJob = computed(() => jobs.ofKind('check'));

  const readNotes = async (of: string): Promise<void> => {
    const [isNewest, isNewestList] = [reports.begin(), lists.begin()];
    const [known, list] = await Promise.all([
      service.call('dataset.report', { path: of }),
      service.call('dataset.excluded', { path: of }),
    ]);
    if (isNewest()) report.value = known;
    if (isNewestList()) excluded.value = list;
  };
  /** Counts the folder again, without what is left out now. */
  const recount = async (of: string): Promise<void> => {
    const isNewest = counts.begin();
    const read = await service.call('dataset.inspect', { path: of });
    if (isNewest()) take(read);
  };
  const take = (read: DatasetSummary): void => {
    summary.value = read;
    chosenReading.value = read.reading ?? '';
  };
  /** What a folder holds; where it cannot be read, why, and how a person said that it is to be. */
  const readFolder = async (wanted: string, as?: string) => {
    const time = opened;
    try {
      const asked = as === undefined ? {} : { reading: as };
      const read = await service.call('dataset.inspect', { path: wanted, ...asked });
      if (time === opened) await readNotes(wanted);
      return { read };
    } catch (thrown) {
      return { thrown, said: await service.call('dataset.reading', { path: wanted }).catch(() => '') };
    }
  };
  /**
   * Reads the folder at `chosen` and makes it the data set; a failure leaves the old summary out and says why.
   * @param as how it is to be read from now on, '' by its contents; as before when left out.
   */
  const open = async (chosen: string, as?: string): Promise<void> => {
    const wanted = chosen.trim();
    if (!wanted) return;
    opened++;
    path.value = wanted;
    error.value = checkError.value = summary.value = report.value = excluded.value = null;
    await openings.ask(
      () => readFolder(wanted, as),
      ({ read, said, thrown }) => {
        if (!read) {
          chosenReading.value = said;
          error.value = toPlainError(thrown);
          return;
        }
        take(read);
        recent.value = [wanted, ...recent.value.filter((other) => other !== wanted)].slice(0, MOST_RECENT);
      },
      (thrown) => (error.value = toPlainError(thrown)),
    );
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
  /** Says what went wrong with a folder: in its place, or in passing where another one is open by now. */
  const fail = (of: string, thrown: unknown, place: Ref<PlainError | null>): void => {
    const plain = quietly(thrown);
    if (path.value === of) place.value = plain;
    else if (plain) notices.fail(thrown);
  };
  /** Builds the sample data set, or finds it built, and opens it unless a person has opened another meanwhile. */
  const useSample = async (): Promise<void> => {
    const before = path.value;
    error.value = null;
    try {
      const { job } = await service.call('dataset.sample', {});
      const done = await jobs.finished(job);
      await system.refresh();
      if (path.value === before) await open(String(done.result));
    } catch (thrown) {
      fail(before, thrown, error);
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
      fail(checked, thrown, checkError);
    }
    if (path.value !== checked) return;
    await readNotes(checked).catch(quietly);
    await recount(checked).catch(quietly);
  };
  /** Leaves out, or uses again, every image that the check found of one kind. */
  const exclude = async (kind: FindingKind, out: boolean): Promise<void> => {
    checkError.value = null;
    const changed = path.value;
    const isNewest = lists.begin();
    try {
      const list = await service.call('dataset.exclude', { path: changed, kind, out });
      if (isNewest()) excluded.value = list;
      if (path.value === changed) await recount(changed);
    } catch (thrown) {
      fail(changed, thrown, checkError);
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
    reading: openings.busy,
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
