import { join } from 'node:path';
import { isRun, newRunId } from '../../runs/run-folder.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import { defaultRecipe } from '../../protocol/recipe.ts';
import type { CallParams, Handlers } from '../../protocol/service.ts';
import { hasEnded, type SlurmCluster, type SlurmJob, type SlurmJobs, type SlurmScript } from '../../protocol/slurm.ts';
import { lockOwner } from '../../runs/lock.ts';
import { slurmFolder } from '../../runs/places.ts';
import { refusal } from '../recipe/recipe-check.ts';
import type { RunRequest, RunStarter } from '../runs/run-starter.ts';
import { JobRecords, readLog, type JobRecord } from './job-records.ts';
import { planJob, tasksOf, type JobWish } from './job-plan.ts';
import { beginSoon, cancelJob, findJobs, listPartitions, submitScript } from './slurm-client.ts';
import type { JobFacts } from './slurm-text.ts';

interface Parts {
  homeFolder: string;
  cacheFolder: string;
  runsFolder: string;
  plan(request: RunRequest): Promise<Planned>;
  /** Puts the run in a folder on the shelf. @returns its id. */
  shelve(folder: string): string;
  /** A job looks different than before. */
  onChange(): void;
}

type Planned = Awaited<ReturnType<RunStarter['plan']>>;
type Asked = CallParams<'slurm.submit'>;

/** Milliseconds between two questions to Slurm while a job of ours has not ended. */
const INTERVAL = 10_000;

/** Writes, submits and follows jobs of Slurm. */
export class SlurmCalls {
  private readonly records: JobRecords;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly parts: Parts) {
    this.records = new JobRecords(slurmFolder(parts.homeFolder));
  }

  handlers() {
    return {
      'slurm.cluster': () => this.cluster(),
      'slurm.script': (asked) => this.script(asked),
      'slurm.submit': (asked) => this.submit(asked),
      'slurm.list': () => this.list(),
      'slurm.log': async ({ job }) => readLog(this.records.find(job)),
      'slurm.cancel': ({ job }) => this.cancel(job),
      'slurm.forget': async ({ job }) => this.forget(job),
    } satisfies Partial<Handlers>;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private async cluster(): Promise<SlurmCluster> {
    try {
      return { partitions: await listPartitions(), missing: null };
    } catch (error) {
      return { partitions: [], missing: toPlainError(error) };
    }
  }

  private async script(asked: Asked): Promise<SlurmScript> {
    const planned = await this.plan(asked);
    const { partitions } = await this.cluster();
    return planJob(this.wish(asked, planned, this.nameOf(planned)), partitions);
  }

  /**
   * Writes the script and hands it to Slurm; where none answers, the job is only written.
   * @throws StillhouseError what keeps the recipe from being trained, `run.exists`, `argument.invalid`, `slurm.*`.
   */
  private async submit(asked: Asked): Promise<SlurmJob> {
    const planned = await this.trainable(asked);
    const { partitions, missing } = await this.cluster();
    const wish = (name: string): JobWish => this.wish(asked, planned, name);
    const name = this.records.writeScript(this.nameOf(planned), (name) => planJob(wish(name), partitions).text);
    const { folder, form, recipe } = wish(name);
    const times = { elapsed: 0, restarts: 0, submitted: Date.now() };
    const record = { name, ...times, reason: '', nodes: '', model: recipe.model, tasks: tasksOf(form) };
    const written: JobRecord = { ...record, job: null, folder, run: null, state: 'WRITTEN' };
    try {
      const job = missing ? null : await submitScript(this.records.pathsOf(name).script);
      const number = { job, folder: folder.replaceAll('%j', job ?? '%j') };
      this.records.keep(job === null ? written : { ...written, ...number, state: 'PENDING' });
    } catch (error) {
      this.records.remove(name);
      throw error;
    }
    this.parts.onChange();
    this.followLater();
    return this.records.find(name);
  }

  private plan({ recipe, resume = '' }: Asked): Promise<Planned> {
    return this.parts.plan({ given: recipe, resume });
  }

  /** What cannot be known here of the machine that will train does not count. */
  private async trainable(asked: Asked): Promise<Planned> {
    const planned = await this.plan(asked);
    const { checked, source } = planned;
    const problems = checked.check.problems.filter(({ key }) => key !== 'precision');
    const refused = refusal({ ...checked, check: { ...checked.check, problems } });
    if (refused) throw refused;
    const { folder } = this.wish(asked, planned, '');
    if (source.run === null && isRun(folder)) throw new StillhouseError('run.exists', { path: folder });
    return planned;
  }

  /** A run that begins here in the same second has another name. */
  private nameOf({ checked }: Planned): string {
    return `${newRunId(this.parts.runsFolder, checked.recipe)}-slurm`;
  }

  private wish({ form, resume = '' }: Asked, { checked: { recipe }, source }: Planned, name: string): JobWish {
    const { homeFolder, cacheFolder, runsFolder } = this.parts;
    const folder = source.run ?? (recipe.outputDir || join(runsFolder, name));
    const base = { ...defaultRecipe(), ...source.base };
    return { recipe, base, form, resume, folder, log: this.records.pathsOf(name).log, homeFolder, cacheFolder };
  }

  /** Asks Slurm about every job that has not ended. */
  private async list(): Promise<SlurmJobs> {
    const jobs = this.records.list();
    const open = jobs.flatMap(({ job, state }) => (job !== null && !hasEnded(state) ? [job] : []));
    try {
      const facts = await findJobs(open);
      for (const job of jobs.filter((one) => one.job !== null && open.includes(one.job)))
        await this.hear(
          job,
          facts.find((found) => found.job === job.job),
        );
      return { jobs: this.records.list(), failure: null };
    } catch (error) {
      return { jobs, failure: toPlainError(error) };
    } finally {
      this.followLater();
    }
  }

  private async hear(before: SlurmJob, facts: JobFacts | undefined): Promise<void> {
    const { script: _script, log: _log, ...record } = before;
    const run = record.run ?? (isRun(record.folder) ? this.parts.shelve(record.folder) : null);
    const { queued: _queued, ...heard } = facts ?? { state: 'GONE' as const, reason: '' };
    const now = { ...record, ...heard, run };
    // Only a run that nobody holds was saved: one whose node is gone keeps its lock for a while.
    const held = facts?.state === 'PENDING' && facts.reason === 'BeginTime' && facts.restarts > 0;
    if (held && lockOwner(record.folder) === null) await beginSoon(facts).catch(() => undefined);
    if (JSON.stringify(now) !== JSON.stringify(record)) this.records.keep(now);
  }

  private followLater(): void {
    clearTimeout(this.timer);
    if (this.closed || this.records.list().every(({ state }) => hasEnded(state))) return;
    this.timer = setTimeout(() => void this.follow(), INTERVAL);
    this.timer.unref();
  }

  private async follow(): Promise<void> {
    const before = this.looks();
    await this.list();
    if (!this.closed && this.looks() !== before) this.parts.onChange();
  }

  /** How the jobs look, but for the time that passes. */
  private looks(): string {
    return JSON.stringify(this.records.list().map((job) => ({ ...job, elapsed: 0 })));
  }

  private async cancel(wanted: string): Promise<null> {
    const { job, state } = this.records.find(wanted);
    if (job !== null && !hasEnded(state)) await cancelJob(job);
    this.parts.onChange();
    return null;
  }

  private forget(wanted: string): null {
    const job = this.records.find(wanted);
    if (!hasEnded(job.state)) throw new StillhouseError('slurm.not-ended', { job: job.job ?? job.name });
    this.records.remove(job.name);
    this.parts.onChange();
    return null;
  }
}
