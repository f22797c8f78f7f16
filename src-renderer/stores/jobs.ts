import { defineStore } from 'pinia';
import { shallowReactive } from 'vue';
import { StillhouseError, fromPlainError } from '../../src-main/protocol/errors.ts';
import type { JobKind, JobProgress } from '../../src-main/protocol/events.ts';
import { latest } from '../composables/latest.ts';
import { useNotices } from './notices.ts';
import { useService } from '../composables/use-service.ts';

interface Waiting {
  resolve: (progress: JobProgress) => void;
  reject: (error: Error) => void;
}

/** Work that is not a training run: installing, downloading, checking. One entry a job, its latest progress. */
export const useJobs = defineStore('jobs', () => {
  const service = useService();
  const notices = useNotices();
  const all = shallowReactive(new Map<string, JobProgress>());
  const waiting = new Map<string, Waiting[]>();

  const settle = (progress: JobProgress): void => {
    if (progress.state === 'running') return;
    const listeners = waiting.get(progress.job) ?? [];
    waiting.delete(progress.job);
    for (const { resolve, reject } of listeners) {
      if (progress.state === 'done') resolve(progress);
      else if (progress.error) reject(fromPlainError(progress.error));
      else reject(new StillhouseError('job.cancelled'));
    }
  };
  const note = (progress: JobProgress): void => {
    // Set anew, so that the map ends with the job that spoke last.
    all.delete(progress.job);
    all.set(progress.job, progress);
    settle(progress);
  };
  /** The job of a kind that runs, or the last one known of it. */
  const ofKind = (kind: JobKind): JobProgress | null => {
    const known = [...all.values()].filter((progress) => progress.kind === kind).reverse();
    return known.find((progress) => progress.state === 'running') ?? known[0] ?? null;
  };
  /** The job's last progress once it is done; rejects with its error, or `job.cancelled`. */
  const finished = (job: string): Promise<JobProgress> =>
    new Promise((resolve, reject) => {
      waiting.set(job, [...(waiting.get(job) ?? []), { resolve, reject }]);
      const known = all.get(job);
      if (known) settle(known);
    });
  const cancel = async (job: string): Promise<void> => {
    try {
      await service.call('job.cancel', { job });
    } catch (error) {
      notices.fail(error);
    }
  };
  const listings = latest();
  /** Progress that arrived since the list was asked for: it is newer than the list. */
  const since = new Map<string, JobProgress>();
  const take = (listed: JobProgress[]): void => {
    all.clear();
    [...listed.filter(({ job }) => !since.has(job)), ...since.values()].forEach(note);
    for (const [job, listeners] of waiting) {
      if (all.has(job)) continue;
      waiting.delete(job);
      listeners.forEach(({ reject }) => reject(new StillhouseError('rpc.closed')));
    }
  };
  const refresh = async (): Promise<void> => {
    since.clear();
    await listings.ask(() => service.call('job.list', {}), take, notices.fail);
  };

  service.onEvent((event) => {
    if (event.event !== 'job') return;
    if (listings.busy.value) since.set(event.progress.job, event.progress);
    note(event.progress);
  });
  service.onOpen(() => void refresh());
  return { all, ofKind, finished, cancel };
});
