import { closeSync, openSync, readSync } from 'node:fs';
import { setTimeout as later } from 'node:timers/promises';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { hasEnded, type SlurmJob } from '../../protocol/slurm.ts';
import type { Command, Shell } from './command.ts';
import { withService, type LocalService } from './local-service.ts';
import type { Parsed } from './options.ts';
import { duration } from './progress.ts';
import { STOPPED } from './train.ts';

/** `stillhouse slurm`: the jobs that were submitted from this home. */
export const slurm: Command = {
  name: 'slurm',
  summary: 'List the jobs that were submitted to Slurm; show, follow or end one.',
  words: '[JOB]',
  count: [0, 1],
  options: [
    { flag: 'follow', value: null, help: 'Show state and log until it ends. Ctrl-C leaves it to Slurm.' },
    { flag: 'log', value: null, help: 'Print the end of its log.', excludes: ['follow'] },
    { flag: 'cancel', value: null, help: 'Have it save and end.', excludes: ['follow', 'log'] },
    { flag: 'forget', value: null, help: 'Forget it with script and log, once it has ended; its run stays.', excludes: ['follow', 'log', 'cancel'] }, // prettier-ignore
  ],
  run: (parsed, shell) => withService(shell, (desk) => about(parsed, shell, desk)),
};

async function about({ words: [wanted], values }: Parsed, shell: Shell, desk: LocalService): Promise<number> {
  const { reporter } = shell;
  const { calls } = desk;
  const wants = (flag: string): boolean => values.get(flag) === true;
  if (wanted === undefined) {
    const flag = ['follow', 'log', 'cancel', 'forget'].find(wants);
    if (flag !== undefined)
      throw new StillhouseError('argument.invalid', { name: `--${flag}`, expected: 'JOB', got: 'nothing' });
    const jobs = await listed(shell, desk);
    reporter.result(jobs.map(describe).join('\n') || 'No job was submitted from here.', jobs.map(rowOf));
    return 0;
  }
  if (wants('follow')) return followJob(wanted, shell, desk);
  if (wants('log')) {
    const log = await calls['slurm.log']({ job: wanted });
    reporter.result(log.text, { type: 'log', ...log });
    return 0;
  }
  if (wants('cancel')) await calls['slurm.cancel']({ job: wanted });
  const job = await found(wanted, shell, desk);
  if (wants('forget')) await calls['slurm.forget']({ job: wanted });
  reporter.result(wants('forget') ? `Forgotten: ${job.name}` : describe(job), rowOf(job));
  return 0;
}

async function listed({ reporter }: Shell, { calls }: LocalService): Promise<SlurmJob[]> {
  const { jobs, failure } = await calls['slurm.list']({});
  if (failure) reporter.note(`${failure.message} What follows is what was known last.`);
  return jobs;
}

async function found(wanted: string, shell: Shell, desk: LocalService): Promise<SlurmJob> {
  const job = (await listed(shell, desk)).find(({ name, job }) => name === wanted || job === wanted);
  if (!job) throw new StillhouseError('slurm.no-job', { job: wanted });
  return job;
}

function rowOf(job: SlurmJob): object {
  return { type: 'slurm-job', ...job };
}

function describe(one: SlurmJob): string {
  const { job, name, state, reason, nodes, elapsed, restarts, folder } = one;
  const facts = [
    reason && `(${reason})`,
    nodes && `on ${nodes}`,
    elapsed > 0 && duration(elapsed),
    restarts > 0 && `put back ${restarts} times`,
  ].filter(Boolean);
  return `${(job ?? '-').padEnd(8)} ${state.padEnd(10)} ${[name, ...facts].join('  ')}\n         ${folder}`;
}

/** Milliseconds between two looks at a job that is followed. */
const LOOK = 2000;

/**
 * Shows state and log of a job until it ends; an interruption leaves it to Slurm.
 * @returns the exit code: 0 for a job that was completed.
 * @throws StillhouseError `slurm.no-job`, and of the questions to Slurm.
 */
export async function followJob(wanted: string, shell: Shell, desk: LocalService): Promise<number> {
  const { reporter, terminal } = shell;
  const leave = new AbortController();
  const interrupts = shell.onInterrupt(
    () => leave.abort(),
    () => process.exit(STOPPED),
  );
  const log = new LogTail(await found(wanted, shell, desk));
  let shown = '';
  try {
    for (;;) {
      const { jobs, failure } = await desk.calls['slurm.list']({});
      if (failure) throw fromPlainError(failure);
      const job = jobs.find(({ name }) => name === log.job.name);
      if (!job) throw new StillhouseError('slurm.no-job', { job: wanted });
      terminal.err(log.more());
      const looks = describe({ ...job, elapsed: 0 });
      if (looks !== shown) reporter.note(looks);
      shown = looks;
      if (hasEnded(job.state)) {
        reporter.result(describe(job), rowOf(job));
        return job.state === 'COMPLETED' ? 0 : 1;
      }
      await later(LOOK, undefined, leave).catch(() => undefined);
      if (!leave.signal.aborted) continue;
      reporter.note(`The job goes on. End it with: stillhouse slurm ${job.job ?? job.name} --cancel`);
      return STOPPED;
    }
  } finally {
    interrupts.release();
  }
}

/** Reads what a log has grown by. */
class LogTail {
  private at = 0;

  constructor(readonly job: SlurmJob) {}

  more(): string {
    let file: number;
    try {
      file = openSync(this.job.log, 'r');
    } catch {
      return '';
    }
    try {
      const bytes = Buffer.alloc(1 << 20);
      const read = readSync(file, bytes, 0, bytes.length, this.at);
      this.at += read;
      return bytes.toString('utf8', 0, read);
    } finally {
      closeSync(file);
    }
  }
}
