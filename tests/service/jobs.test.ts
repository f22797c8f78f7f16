import { afterEach, describe, expect, test, vi } from 'vitest';
import { StillhouseError } from '../../src-main/protocol/errors.ts';
import type { JobProgress } from '../../src-main/protocol/events.ts';
import { Jobs } from '../../src-main/service/jobs/jobs.ts';
import { turns } from '../helpers/wait.ts';

afterEach(() => void vi.useRealTimers());

function watched(): { jobs: Jobs; events: JobProgress[]; ended(job: string): Promise<JobProgress> } {
  const events: JobProgress[] = [];
  const jobs = new Jobs((progress) => events.push(progress));
  const ended = async (job: string): Promise<JobProgress> => {
    for (;;) {
      const last = events.filter((event) => event.job === job).at(-1);
      if (last && last.state !== 'running') return last;
      await turns(1);
    }
  };
  return { jobs, events, ended };
}

describe('a job', () => {
  test('tells what it made', async () => {
    const { jobs, ended } = watched();
    const job = jobs.start('sample', 'sample', 'files', async ({ report }) => {
      report({ stage: 'build', done: 3, total: 3 });
      return '/made/here';
    });
    expect(await ended(job)).toMatchObject({
      state: 'done',
      stage: 'build',
      done: 3,
      result: '/made/here',
      error: null,
    });
  });

  test('that throws is failed, with its code', async () => {
    const { jobs, ended } = watched();
    const job = jobs.start('engine', 'engine', 'bytes', async () => {
      throw new StillhouseError('engine.download', { reason: 'no route' });
    });
    expect(await ended(job)).toMatchObject({
      state: 'failed',
      error: { code: 'engine.download', params: { reason: 'no route' } },
    });
  });

  test('that is cancelled ends as cancelled, even when it finishes its work', async () => {
    const { jobs, ended } = watched();
    const job = jobs.start('check', 'check', 'files', async ({ signal }) => {
      while (!signal.aborted) await turns(1);
      return 'late';
    });
    jobs.cancel(job);
    expect(await ended(job)).toMatchObject({ state: 'cancelled', error: { code: 'job.cancelled' } });
  });

  test('is not started twice while it runs', async () => {
    const { jobs, ended } = watched();
    const work = ({ signal }: { signal: AbortSignal }): Promise<void> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stop'))));
    const first = jobs.start('engine', 'engine', 'bytes', work);
    expect(jobs.start('engine', 'engine', 'bytes', work)).toBe(first);
    expect(jobs.start('check', 'check:/a', 'files', work)).not.toBe(first);
    await jobs.close();
    await ended(first);
    expect(jobs.start('engine', 'engine', 'bytes', work)).not.toBe(first);
    await jobs.close();
    expect(jobs.list().map(({ state }) => state)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  test('reports a rate and a time left, and a rate that falls when nothing arrives', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const { jobs, events, ended } = watched();
    const job = jobs.start('engine', 'engine', 'bytes', async ({ report }) => {
      for (let done = 0; done <= 1000; done += 50) {
        report({ stage: 'download', done, total: 4000 });
        vi.advanceTimersByTime(50);
      }
      vi.advanceTimersByTime(1500);
    });
    await ended(job);
    const steady = events.find(({ rate, done }) => rate > 0 && done >= 800)!;
    // 50 bytes in 50 milliseconds; what comes between two looks counts at the later one.
    expect(steady.rate).toBeCloseTo(1000, -2);
    expect(steady.secondsLeft).toBeCloseTo((4000 - steady.done) / steady.rate, 5);
    const stalled = events.filter(({ state }) => state === 'running').at(-1)!;
    expect(stalled.rate).toBeLessThan(steady.rate * 0.7);
    const many = events.filter(({ state }) => state === 'running').length;
    expect(many).toBe(1 + Math.floor((21 * 50 + 1500) / 200));
  });
});
