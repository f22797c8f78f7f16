import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { DatasetSummary, ImagePage } from '../../src-main/protocol/data-types.ts';
import { withReading } from '../../src-main/protocol/data-reading.ts';
import { isText, isTextList, keep, readKept } from '../composables/kept.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';
import { useJobs } from './jobs.ts';
import { useNotices } from './notices.ts';
import { useSystem } from './system.ts';

export type Split = 'train' | 'val';

const MOST_RECENT = 8;

/** The chosen data folder: what it holds, its images page by page, and the folders before it. */
export const useDataset = defineStore('dataset', () => {
  const service = useService();
  const folder = openFolder();
  const { path, summary } = folder;
  const recent = recentFolders();
  watch(summary, (now, before) => now && !before && recent.remember(path.value), { flush: 'sync' });
  const images = (split: Split, of: string, offset: number, limit: number): Promise<ImagePage> =>
    service.call('dataset.images', { path: path.value, split, ...(of ? { class: of } : {}), offset, limit });
  service.onOpen(() => {
    if (path.value && !summary.value) void folder.open(path.value);
  });
  return { ...folder, ...recent, ...sampleData(folder), images };
});

/** The folder that is open, and how it is read. */
function openFolder() {
  const service = useService();
  const path = ref(readKept('data-path', '', isText));
  const summary = shallowRef<DatasetSummary | null>(null);
  const error = shallowRef<PlainError | null>(null);
  /** How a person said the folder is to be read; '' where nobody did. */
  const chosenReading = ref('');
  /** Counts the times a folder was opened: what is read about it holds for this one. */
  const opened = ref(0);
  const openings = latest();
  const counts = latest(() => opened.value);

  const take = (read: DatasetSummary): void => {
    summary.value = read;
    chosenReading.value = read.reading ?? '';
  };
  /** Counts the folder again, without what is left out now. */
  const recount = async (): Promise<void> => {
    const isNewest = counts.begin();
    const read = await service.call('dataset.inspect', { path: path.value });
    if (isNewest()) take(read);
  };
  /** Reads a folder; where it cannot be read, keeps why, and how a person said that it is to be read. */
  const readFolder = async (wanted: string, as?: string) => {
    try {
      return {
        read: await service.call('dataset.inspect', { path: wanted, ...(as !== undefined && { reading: as }) }),
      };
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
    opened.value++;
    path.value = wanted;
    error.value = summary.value = null;
    const fail = (thrown: unknown): void => void (error.value = toPlainError(thrown));
    await openings.ask(
      () => readFolder(wanted, as),
      ({ read, said, thrown }) => {
        if (read) return take(read);
        chosenReading.value = said;
        fail(thrown);
      },
      fail,
    );
  };
  /** Reads the folder again as a person says, beside what they said before; '' by its contents alone. */
  const chooseReading = (how: string): Promise<void> => open(path.value, how && withReading(chosenReading.value, how));
  watch(path, (now) => keep('data-path', now));
  return { path, summary, error, chosenReading, opened, reading: openings.busy, open, chooseReading, recount };
}

/** Folders that were opened, the last one first, and which of them are not there now. */
function recentFolders() {
  const service = useService();
  const recent = ref(readKept('data-recent', [], isTextList));
  const missing = shallowRef<readonly string[]>([]);
  const looks = latest();
  const look = async (): Promise<void> => {
    const paths = [...recent.value];
    await looks.ask(
      () => service.call('system.exist', { paths }),
      (there) => (missing.value = paths.filter((_, at) => !there[at])),
      () => (missing.value = []),
    );
  };
  const forget = (gone: string): void => {
    recent.value = recent.value.filter((other) => other !== gone);
  };
  const remember = (path: string): void => {
    recent.value = [path, ...recent.value.filter((other) => other !== path)].slice(0, MOST_RECENT);
  };
  watch(recent, (now) => keep('data-recent', now));
  service.onOpen(() => void look());
  return { recent, missing, forget, remember };
}

/** The sample data set. */
function sampleData({ path, error, open }: ReturnType<typeof openFolder>) {
  const service = useService();
  const jobs = useJobs();
  const notices = useNotices();
  const system = useSystem();
  const sampleJob = computed(() => jobs.ofKind('sample'));
  /** Builds it, or finds it built, and opens it unless a person has opened another folder meanwhile. */
  const useSample = async (): Promise<void> => {
    const before = path.value;
    error.value = null;
    try {
      const { job } = await service.call('dataset.sample', {});
      const done = await jobs.finished(job);
      await system.refresh();
      if (path.value === before) await open(String(done.result));
    } catch (thrown) {
      const plain = toPlainError(thrown);
      if (plain.code === 'job.cancelled') return;
      if (path.value === before) error.value = plain;
      else notices.fail(thrown);
    }
  };
  return { sampleJob, useSample };
}
