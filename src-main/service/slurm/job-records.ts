import { openSync, readFileSync, readSync, closeSync, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError } from '../../protocol/errors.ts';
import { SLURM_STATES, type SlurmJob, type SlurmLog } from '../../protocol/slurm.ts';
import { namesIn, requireFolder, writeFileAtomic, writeNewFile } from '../../base/files.ts';
import { removeNow } from '../../base/moves.ts';

/** Keeps the jobs of a home: for each its script, its log, and what was last heard of it, in `<home>/slurm`. */

/** A job as it is kept: its files follow from its name. */
export type JobRecord = Omit<SlurmJob, 'script' | 'log'>;

const MOST_LOG = 64 * 1024;

export class JobRecords {
  constructor(private readonly folder: string) {}

  /** Paths of a job's files. */
  pathsOf(name: string): { script: string; log: string } {
    return { script: join(this.folder, `${name}.sbatch`), log: join(this.folder, `${name}.log`) };
  }

  /**
   * Finds a name that no job has, and keeps the script that `text` makes of it.
   * @throws StillhouseError `disk.*`, and what `text` throws.
   */
  writeScript(base: string, text: (name: string) => string): string {
    requireFolder(this.folder);
    for (let count = 1; ; count++) {
      const name = count === 1 ? base : `${base}-${count}`;
      if (writeNewFile(this.pathsOf(name).script, text(name))) return name;
    }
  }

  keep(record: JobRecord): void {
    writeFileAtomic(this.recordPath(record.name), `${JSON.stringify(record, null, 2)}\n`);
  }

  /** Lists the jobs, the newest first; a damaged record is left out. */
  list(): SlurmJob[] {
    const names = namesIn(this.folder).filter((file) => file.endsWith('.json'));
    const jobs = names.map((file) => this.read(file.slice(0, -5))).filter((job) => job !== null);
    return jobs.sort((a, b) => b.submitted - a.submitted || (a.name < b.name ? 1 : -1));
  }

  /** Finds a job by its name or Slurm's number. @throws StillhouseError `slurm.no-job`. */
  find(wanted: string): SlurmJob {
    const found = this.list().find(({ name, job }) => name === wanted || job === wanted);
    if (!found) throw new StillhouseError('slurm.no-job', { job: wanted });
    return found;
  }

  /** Forgets a job with its script and log; its run stays. */
  remove(name: string): void {
    const { script, log } = this.pathsOf(name);
    for (const path of [this.recordPath(name), script, log]) removeNow(path);
  }

  private recordPath(name: string): string {
    return join(this.folder, `${name}.json`);
  }

  private read(name: string): SlurmJob | null {
    try {
      const record = JSON.parse(readFileSync(this.recordPath(name), 'utf8')) as JobRecord;
      const whole = typeof record.submitted === 'number' && SLURM_STATES.includes(record.state);
      return whole ? { ...record, name, ...this.pathsOf(name) } : null;
    } catch {
      return null;
    }
  }
}

/** Reads the end of a job's log. @throws StillhouseError `slurm.no-log`. */
export function readLog({ log, job, name }: SlurmJob): SlurmLog {
  let file: number;
  try {
    file = openSync(log, 'r');
  } catch (error) {
    throw new StillhouseError('slurm.no-log', { job: job ?? name }, { cause: error });
  }
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, MOST_LOG));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return { path: log, cut: size > MOST_LOG, text: bytes.toString('utf8', 0, read) };
  } finally {
    closeSync(file);
  }
}
