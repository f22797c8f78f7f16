import { StillhouseError } from '../../protocol/errors.ts';
import { SLURM_STATES, hasEnded, type SlurmPartition, type SlurmState } from '../../protocol/slurm.ts';

/** Reads what Slurm's commands print when they are asked for parsable output. Nothing here runs a command. */

/** Holds what Slurm says of one job now. */
export interface JobFacts {
  job: string;
  state: SlurmState;
  reason: string;
  nodes: string;
  elapsed: number;
  restarts: number;
  /** When it came into the queue for the last time: see {@link parseQueued}. */
  queued: string;
}

/** Fields of `squeue -o`: number, state, reason, nodes and time. */
export const SQUEUE_FORMAT = '%A|%T|%r|%N|%M';

/** Fields of `sacct --format`; the same, as far as accounting keeps them. */
export const SACCT_FORMAT = 'JobIDRaw,State,Reason,NodeList,Elapsed';

/** Fields of `sinfo -o`: partition (`*` marks the default), state, nodes, processors, generic resources, time limit. */
export const SINFO_FORMAT = '%P|%a|%D|%c|%G|%l';

/** Reads the number out of `sbatch --parsable`: `123` or `123;cluster`. @throws StillhouseError `slurm.unreadable` */
export function parseSubmitted(output: string): string {
  const [, job] = /^(\d+)(;\S+)?$/m.exec(output.trim()) ?? [];
  if (job === undefined) throw unreadable('sbatch', output);
  return job;
}

/** Reads the lines of `squeue -h -o` {@link SQUEUE_FORMAT}, or of `sacct -n -P`. @throws StillhouseError `slurm.unreadable` */
export function parseJobs(output: string, command: 'squeue' | 'sacct'): JobFacts[] {
  return linesOf(output).map((line) => {
    const [job, state, reason, nodes, elapsed, ...more] = line.split('|');
    const seconds = parseTime(elapsed ?? '');
    if (!/^\d+$/.test(job) || seconds === null || more.length > 0) throw unreadable(command, line);
    const names = /^(\(null\)|None assigned|)$/.test(nodes) ? '' : nodes;
    const now = parseState(state);
    // Slurm keeps the last reason of a job that waits for nothing any more.
    const why = hasEnded(now) ? '' : parseReason(reason);
    return { job, state: now, reason: why, nodes: names, elapsed: seconds, restarts: 0, queued: '' };
  });
}

/** Reads how often a job was put back, from `scontrol show job -o`; 0 where it does not say. */
export function parseRestarts(output: string): number {
  return Number(/\bRestarts=(\d+)/.exec(output)?.[1] ?? 0);
}

/**
 * Reads when a job was submitted or last put back, from `scontrol show job -o`: `2026-01-31T15:45:00` on the controller's
 * clock, in this machine's time zone; '' where it does not say.
 */
export function parseQueued(output: string): string {
  return /\bSubmitTime=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\b/.exec(output)?.[1] ?? '';
}

/** Returns a time of {@link parseQueued} so many seconds later. */
export function later(time: string, seconds: number): string {
  return new Date(Date.parse(`${time}Z`) + seconds * 1000).toISOString().slice(0, 19);
}

/**
 * Reads the lines of `sinfo -h -o` {@link SINFO_FORMAT}: a partition has one for each kind of its nodes.
 * @throws StillhouseError `slurm.unreadable`
 */
export function parsePartitions(output: string): SlurmPartition[] {
  const found = new Map<string, SlurmPartition>();
  for (const line of linesOf(output)) {
    const [named, available, nodes, cpus, resources, limit, ...more] = line.split('|');
    const [, name, star] = /^(.+?)(\*?)$/.exec(named) ?? [];
    const [size, least] = [parseInt(nodes, 10), parseInt(cpus, 10)];
    if (!name || limit === undefined || more.length > 0 || !(size >= 0) || !(least >= 0))
      throw unreadable('sinfo', line);
    const other = found.get(name);
    found.set(name, {
      name,
      isDefault: star === '*',
      up: available === 'up',
      nodes: size + (other?.nodes ?? 0),
      cpus: Math.min(least, other?.cpus ?? Infinity),
      gpus: Math.max(countGpus(resources), other?.gpus ?? 0),
      minutes: minutesOf(limit),
    });
  }
  return [...found.values()];
}

/** Counts the GPUs of a node: `gpu:4`, `gpu:v100:4(S:0-1),shard:8`. */
function countGpus(resources: string): number {
  const counts = [...resources.matchAll(/(?:^|,)gpu(?::[^:,()]+)?:(\d+)/g)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function minutesOf(limit: string): number | null {
  const seconds = parseTime(limit);
  return seconds === null ? null : seconds / 60;
}

/** Reads seconds from `[days-][hours:]minutes:seconds`; null for `infinite`, `UNLIMITED` or no time. */
export function parseTime(text: string): number | null {
  const [, days = '0', hours = '0', minutes, seconds] = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$/.exec(text) ?? [];
  if (minutes === undefined) return null;
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

/** States that Slurm has and nobody here tells apart, by what they come to. */
const LIKE: Readonly<Record<string, SlurmState>> = {
  CONFIGURING: 'PENDING',
  REQUEUE_HOLD: 'PENDING',
  REQUEUE_FED: 'PENDING',
  SPECIAL_EXIT: 'PENDING',
  RESV_DEL_HOLD: 'PENDING',
  RESIZING: 'RUNNING',
  SIGNALING: 'RUNNING',
  STAGE_OUT: 'COMPLETING',
  STOPPED: 'SUSPENDED',
  BOOT_FAIL: 'FAILED',
  DEADLINE: 'FAILED',
  REVOKED: 'GONE',
};

/** Accounting adds who did it: `CANCELLED by 1000`. */
function parseState(text: string): SlurmState {
  const [word] = text.split(' ');
  return SLURM_STATES.find((state) => state === word) ?? LIKE[word] ?? 'GONE';
}

function parseReason(text: string): string {
  return /^(None|\(null\))?$/.test(text) ? '' : text;
}

function linesOf(output: string): string[] {
  return output.split('\n').filter((line) => line.trim() !== '');
}

function unreadable(command: string, output: string): StillhouseError {
  return new StillhouseError('slurm.unreadable', { command, got: output.trim().slice(0, 200) });
}
