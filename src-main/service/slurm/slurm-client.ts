import { execFile } from 'node:child_process';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason, sayReason } from '../../protocol/reasons.ts';
import type { SlurmPartition } from '../../protocol/slurm.ts';
import {
  SACCT_FORMAT,
  SINFO_FORMAT,
  SQUEUE_FORMAT,
  later,
  parseJobs,
  parsePartitions,
  parseQueued,
  parseRestarts,
  parseSubmitted,
  type JobFacts,
} from './slurm-text.ts';

/** Runs Slurm's own commands, which find the cluster by the machine's configuration or `SLURM_CONF`. */

/** Milliseconds that a command may take: one that cannot reach its controller tries for a while. */
const PATIENCE = 30_000;
const MOST_OUTPUT = 16 * 1024 * 1024;

/** Words and times as they are read here, whatever the person set. */
const PLAIN = { LC_ALL: 'C', SLURM_TIME_FORMAT: 'standard' };

type SlurmCommand = 'sbatch' | 'squeue' | 'sacct' | 'scontrol' | 'scancel' | 'sinfo';

/** Lists the partitions. @throws StillhouseError `slurm.missing`, `slurm.refused`, `slurm.unreadable`. */
export async function listPartitions(): Promise<SlurmPartition[]> {
  return parsePartitions(await slurm('sinfo', ['-h', '-o', SINFO_FORMAT]));
}

/** Submits a script. @returns Slurm's number of the job. @throws StillhouseError as {@link listPartitions}. */
export async function submitScript(path: string): Promise<string> {
  return parseSubmitted(await slurm('sbatch', ['--parsable', path]));
}

/**
 * Finds jobs in the queue and, once they have left it, in the accounting, where the cluster keeps one. A job that
 * nobody knows is missing in the answer.
 * @throws StillhouseError as {@link listPartitions}.
 */
export async function findJobs(jobs: readonly string[]): Promise<JobFacts[]> {
  if (jobs.length === 0) return [];
  const queued = await inQueue(jobs);
  const left = jobs.filter((job) => !queued.some((found) => found.job === job));
  return [...queued, ...(left.length > 0 ? await inAccounting(left) : [])];
}

async function inQueue(jobs: readonly string[]): Promise<JobFacts[]> {
  const asked = ['-h', '-t', 'all', '-j', jobs.join(','), '-o', SQUEUE_FORMAT];
  const output = await unless(/Invalid job id/, slurm('squeue', asked));
  return Promise.all(
    parseJobs(output, 'squeue').map(async (facts) => {
      const shown = await unless(/Invalid job id/, slurm('scontrol', ['show', 'job', '-o', facts.job]));
      return { ...facts, restarts: parseRestarts(shown), queued: parseQueued(shown) };
    }),
  );
}

async function inAccounting(jobs: readonly string[]): Promise<JobFacts[]> {
  const asked = ['-X', '-n', '-P', '-j', jobs.join(','), `--format=${SACCT_FORMAT}`];
  return parseJobs(await unless(/accounting storage is disabled/i, slurm('sacct', asked)), 'sacct');
}

/** Ends a job. @throws StillhouseError as {@link listPartitions}. */
export async function cancelJob(job: string): Promise<void> {
  await slurm('scancel', [job]);
}

/**
 * Seconds from the end of a start to the next one. A node refuses a start whose permission is not younger than the end of
 * the one before, by the second and by two clocks, and Slurm then ends the job for good.
 */
const REST = 10;

/** Has a job that was put back begin soon: Slurm itself holds it for two minutes. */
export async function beginSoon({ job, queued }: JobFacts): Promise<void> {
  if (queued !== '') await slurm('scontrol', ['update', `jobid=${job}`, `starttime=${later(queued, REST)}`]);
}

/** The output of a command; '' where it was refused with such words. */
async function unless(words: RegExp, output: Promise<string>): Promise<string> {
  try {
    return await output;
  } catch (error) {
    if (error instanceof StillhouseError && words.test(sayReason(error.params['message'] ?? ''))) return '';
    throw error;
  }
}

function slurm(command: SlurmCommand, words: readonly string[]): Promise<string> {
  const options = { timeout: PATIENCE, maxBuffer: MOST_OUTPUT, env: { ...process.env, ...PLAIN } };
  return new Promise((resolve, reject) => {
    execFile(command, words, options, (error, output, told) => {
      if (error) reject(failureOf(command, error, `${told}${output}`));
      else resolve(output);
    });
  });
}

/** Words of a command that found no controller, or no configuration that names one. */
const NO_CONTROLLER =
  /unable to contact slurm controller|configuration (source|file)|unable to establish (control|connection)|communication connection failure|slurm_load_ctl_conf|connection refused/i;

function failureOf(command: SlurmCommand, error: Error & { code?: unknown; killed?: boolean }, told: string) {
  if (error.code === 'ENOENT')
    return new StillhouseError('slurm.missing', { reason: reason('slurm.no-command', { command }) });
  if (error.killed) return new StillhouseError('slurm.silent', { command, seconds: PATIENCE / 1000 });
  const message = saidBy(command, told) || error.message;
  if (NO_CONTROLLER.test(told))
    return new StillhouseError('slurm.missing', { reason: reason('raw.text', { text: message }) });
  return new StillhouseError('slurm.refused', { command, message });
}

/** The words of a command without its name before each line: the last line says most. */
function saidBy(command: string, told: string): string {
  const lines = told.split('\n').map((line) => line.replace(new RegExp(`^${command}: (error: |fatal: )?`), '').trim());
  return [...new Set(lines.filter((line) => line !== ''))].join('; ').replace(/\.$/, '').slice(0, 500);
}
