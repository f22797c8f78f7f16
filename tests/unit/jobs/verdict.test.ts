import { describe, expect, it } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import type { JobRequest } from '../../../src-main/jobs/job-protocol.ts';
import { JobOutcome } from '../../../src-main/jobs/job-outcome.ts';
import { verdictOf, type Exit } from '../../../src-main/jobs/verdict.ts';

const recipe = parseRecipe({ model: 'deit_tiny_patch16_224', batchSize: 16, microBatch: 16, numWorkers: 2 });
const training: JobRequest = { kind: 'train', engine: '/engine', run: '/run', recipe, resume: 'new' };
const check: JobRequest = { kind: 'check', engine: '/engine', dataPath: '/data', results: '/results' };
const LIGHTER = '--micro-batch 8 --recompute --num-workers 1, or --batch-size 8';
const HEAP =
  '<--- Last few GCs --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xe45a1e node::OOMErrorHandler [node]\n';
const ABORTED = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n";

const exit = (more: Partial<Exit>): Exit => ({ code: null, signal: null, ...more });
const judge = (job: JobRequest, how: Partial<Exit>, words = '', { resident = 0, kernelKills = 0 } = {}) => {
  const { code, params, message } = verdictOf(job, exit(how), words, { resident, kernelKills });
  return { code, params, message };
};

describe('a job process that died without a word', () => {
  it.each([
    ['an exit code', { code: 3 }, '', 'exit code 3'],
    ['an exit code and last words', { code: 1 }, 'one\n\nTypeError: two \n', 'exit code 1: TypeError: two'],
    ['a signal', { signal: 'SIGSEGV' }, '', 'killed by SIGSEGV'],
    ['a signal and last words', { signal: 'SIGABRT' }, 'Check failed: x', 'killed by SIGABRT: Check failed: x'],
    ['neither', {}, '', 'exit code null'],
    ['a status of Windows', { code: 0xc0000005 }, '', 'Windows ended it with 0xC0000005, STATUS_ACCESS_VIOLATION'],
    ['such a status with a sign', { code: -1073741515 }, 'x', 'Windows ended it with 0xC0000135, STATUS_DLL_NOT_FOUND: x'], // prettier-ignore
    ['a program that is not there', { failure: new Error('spawn node ENOENT') }, '', 'spawn node ENOENT'],
    ['SIGKILL, which nobody here sent', { signal: 'SIGKILL' }, 'loading', 'killed by SIGKILL; if nobody did that, the system ran out of memory'], // prettier-ignore
  ])('of %s is told with it', (_name, how, words, reason) => {
    expect(judge(training, how, words)).toMatchObject({
      code: 'run.died',
      message: `The training process ended unexpectedly (${reason}). Nothing that was saved is lost: resume from the last checkpoint.`,
    });
    expect(judge(check, how, words)).toMatchObject({
      code: 'job.died',
      message: `The process of this job ended unexpectedly (${reason}). Nothing else was harmed: start it again.`,
    });
  });

  it.each([
    ['the kernel', { signal: 'SIGKILL' }, '', 1, 'the system ended it'],
    ['V8', { signal: 'SIGABRT' }, HEAP, 0, /^killed by SIGABRT: FATAL ERROR: Reached heap limit/],
    ['C++', { signal: 'SIGABRT' }, ABORTED, 0, /^killed by SIGABRT: what\(\): {2}std::bad_alloc/],
    ['Windows', { code: 0xc0000017 }, '', 0, /^Windows ended it with 0xC0000017, STATUS_NO_MEMORY$/],
    [
      'Windows with a sign',
      { code: -1073741523 },
      '',
      0,
      /^Windows ended it with 0xC000012D, STATUS_COMMITMENT_LIMIT$/,
    ],
    ['TensorFlow', { code: 1 }, 'OOM when allocating tensor', 0, /^exit code 1: OOM when/],
  ])('for want of memory, by %s, is told with what to change', (_name, how, words, kernelKills, reason) => {
    const said = judge(training, how, words, { resident: 2_500_000_000, kernelKills });
    expect(said).toMatchObject({ code: 'run.out-of-memory', params: { settings: LIGHTER } });
    const told = /^The training ran out of memory: (.*); it held 2\.5 GB\. Nothing/.exec(said.message)?.[1];
    expect(told).toMatch(reason);
    expect(judge(training, how, words, { kernelKills }).message).not.toContain('held');
    expect(judge(check, how, words, { kernelKills }).code).toBe('job.out-of-memory');
  });

  it('is not the kernel’s doing when the kernel ended others and this one died otherwise', () => {
    expect(judge(training, { signal: 'SIGSEGV' }, '', { kernelKills: 2 }).code).toBe('run.died');
    expect(judge(training, { code: 1 }, 'no such file', { kernelKills: 2 }).code).toBe('run.died');
  });

  it('at the hands of its owner is told with the reason that was given, whatever else happened meanwhile', () => {
    const because = new StillhouseError('run.stalled', { minutes: 3 });
    for (const how of [{ signal: 'SIGKILL' }, { code: 0 }, { signal: 'SIGABRT' }] as const) {
      const killed = { because };
      expect(verdictOf(training, exit({ ...how, killed }), HEAP, { resident: 1, kernelKills: 1 })).toBe(because);
      expect(judge(training, { ...how, killed: { because: null } }, HEAP, { kernelKills: 1 })).toMatchObject({
        code: 'run.died',
        params: { reason: { code: 'process.killed', params: { signal: 'SIGKILL' } } },
      });
    }
  });
});

describe('what comes of a job process', () => {
  const outcome = () => new JobOutcome(training, () => undefined);

  it('is what it said last, however it ended then', async () => {
    const [done, failed] = [outcome(), outcome()];
    done.hear({ tell: 'done', result: { state: 'stopped' } });
    done.kill(null);
    done.end({ code: null, signal: 'SIGKILL' });
    expect(await done.done).toEqual({ state: 'stopped' });
    failed.hear({ tell: 'failed', error: { code: 'disk.full', params: { path: '/run' }, message: '' } });
    failed.write(HEAP);
    failed.end({ code: 1, signal: null });
    await expect(failed.done).rejects.toMatchObject({ code: 'disk.full', params: { path: '/run' } });
  });

  it('is judged by the end of its output and the memory that it held', async () => {
    const dead = outcome();
    dead.hear({ tell: 'alive', time: 1, memory: 4_000_000_000 });
    for (const text of ['x'.repeat(100_000), '\nstd::bad', '_alloc\n']) dead.write(text);
    dead.end({ code: null, signal: 'SIGABRT' });
    await expect(dead.done).rejects.toMatchObject({
      code: 'run.out-of-memory',
      message: expect.stringContaining('killed by SIGABRT: std::bad_alloc; it held 4.0 GB') as string,
    });
  });
});
