import { randomUUID } from 'node:crypto';
import type { QueueEntry, RunSummary } from '../../protocol/data-types.ts';
import { ENDED, type EpochRow } from '../../protocol/events.ts';
import type { EvaluationFacts } from '../../protocol/evaluation.ts';
import type { CallResult, Handlers } from '../../protocol/service.ts';
import {
  parseStudy,
  type ReportRequest,
  type Study,
  type StudyCell,
  type StudyCost,
  type StudyReport,
  type StudyTables,
} from '../../protocol/study.ts';
import { latestCheckpoint } from '../../runs/checkpoint.ts';
import { evaluationsFolder, lastEvaluations, readAnswers, type KeptAnswers } from '../../runs/evaluation-file.ts';
import { readHistory } from '../../runs/history.ts';
import { lockRun } from '../../runs/lock.ts';
import { readThroughput } from '../../runs/throughput-file.ts';
import { listStudies, readStudy, removeStudy, studyFile, studyFolder, writeStudy } from '../../runs/study-file.ts';
import { shareOf } from '../distillations/extent.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import { checkpointOf } from '../evaluations/evaluations.ts';
import type { RunControl } from '../runs/run-control.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { RunStore } from '../runs/run-store.ts';
import { hardwareName } from '../system.ts';
import { cellsOf } from './cells.ts';
import { renderStudy } from './report/render.ts';
import { writeReport } from './report/write-report.ts';
import { studyCost, type CostParts } from './study-cost.ts';
import { makeStudy } from './templates.ts';
import { readStudyText, writeStudyText } from './study-text.ts';
import { StudyRunner, type CellRun, type RunnerParts } from './study-runner.ts';
import { disagreementOf, rowsOf, type Trained } from './tables.ts';

interface Parts extends CostParts, Pick<RunnerParts, 'homeFolder' | 'begin' | 'resume'> {
  jobs: Jobs;
  shelf: RunStore;
  control: RunControl;
  queue: RunQueue;
  /** Starts the job that times a recipe. */
  measure(recipe: Record<string, unknown>): Promise<string>;
  /** Starts the job that scores a checkpoint and keeps its answers. */
  evaluate(run: string, checkpoint: string): Promise<string>;
  /** Times how fast the networks of runs answer, and keeps it in their folders. */
  throughput(folders: readonly string[], context: JobContext): Promise<void>;
  /** A study looks different. */
  onChange(): void;
}

/** Studies. A window's wait in the queue as one entry with a turn for each training; the command line walks through one itself. */
export class StudyCalls {
  private readonly runner: StudyRunner;
  /** Runs that were begun for a study since a person asked for it. */
  private readonly tried = new Map<string, Set<string>>();
  private readonly working = new Map<string, string>();

  constructor(private readonly parts: Parts) {
    const { homeFolder, begin, resume, shelf } = parts;
    const lastCheckpoint = (run: string): string => checkpointOf(shelf.pathOf(run), undefined, 'last');
    this.runner = new StudyRunner({ homeFolder, run: (id) => this.find(id), lastCheckpoint, begin, resume });
  }

  handlers() {
    return {
      'study.list': async () => listStudies(this.parts.homeFolder).map((study) => this.reportFor(study)),
      'study.make': async ({ template, asked }) => makeStudy(template, asked),
      'study.save': async ({ study, spec }) => this.save(study, spec),
      'study.text': async ({ study }) => writeStudyText(this.runner.study(study).spec),
      'study.read': async ({ study, text }) => this.save(study, readStudyText(text, '')),
      'study.cost': async ({ study }) => this.cost(this.runner.study(study)),
      'study.measure': async ({ study }) => ({ job: this.measure(this.runner.study(study)) }),
      'study.start': async ({ study }) => this.start(this.runner.study(study)),
      'study.walk': async ({ study }) => ({ job: this.walk(this.runner.study(study)) }),
      'study.evaluate': async ({ study }) => ({ job: this.evaluate(this.runner.study(study)) }),
      'study.stop': async ({ study }) => (this.stop(this.runner.study(study)), null),
      'study.remove': async ({ study }) => (this.remove(this.runner.study(study)), null),
      'study.tables': async ({ study }) => this.tables(this.runner.study(study)),
      'study.write': async ({ study, ...how }) => this.write(this.runner.study(study), how),
    } satisfies Partial<Handlers>;
  }

  /** Whether an entry's turn in the queue can come: a training can begin, or the last one has ended. */
  ready({ study: id }: QueueEntry): boolean {
    if (id === undefined) return true;
    const study = readStudy(this.parts.homeFolder, id);
    return study === null || this.runner.next(study, this.triedOf(id)) !== null || !this.trains(study);
  }

  /** Takes a waiting study one training further. @returns true while it is to wait for another turn. Throws as that does. */
  async begin(id: string): Promise<boolean> {
    const study = this.runner.study(id);
    if (await this.proceed(study)) return true;
    this.evaluate(study);
    return false;
  }

  private async proceed({ id }: Study): Promise<string | null> {
    const lock = lockRun(studyFolder(this.parts.homeFolder, id));
    try {
      this.runner.adopt(id);
      const next = this.runner.next(this.runner.study(id), this.triedOf(id));
      if (!next) return null;
      const run = await this.runner.begin(id, next);
      this.triedOf(id).add(run);
      return run;
    } finally {
      lock.release();
      this.parts.onChange();
    }
  }

  private save(id: string | undefined, given: unknown): StudyReport {
    const spec = parseStudy(given);
    const { homeFolder, onChange } = this.parts;
    const before = id === undefined ? null : readStudy(homeFolder, id);
    const study = { ...(before ?? { id: id ?? randomUUID().slice(0, 8), created: Date.now(), runs: [] }), spec };
    writeStudy(homeFolder, study);
    this.runner.adopt(study.id);
    onChange();
    return this.reportFor(this.runner.study(study.id));
  }

  private cost(study: Study): Promise<StudyCost> {
    const cells = this.runner.cells(study);
    const finished = new Set(cells.filter(({ run }) => run?.state === 'finished').map(({ cell }) => cell));
    return studyCost(cells.map(({ cell }) => cell), (cell) => finished.has(cell), this.parts); // prettier-ignore
  }

  /** Times each variant that nothing tells the time of. */
  private measure(study: Study): string {
    const { jobs, time, measure } = this.parts;
    const [seed] = study.spec.seeds;
    return jobs.start('study', `study-measure:${study.id}`, 'files', async ({ signal }) => {
      for (const { recipe } of cellsOf({ ...study.spec, seeds: [seed] }))
        if (!(await time(recipe))) await jobs.outcome(await measure({ ...recipe }), signal);
      return null;
    });
  }

  /** Has a study wait for its turns, the first of which may be now. */
  private start(study: Study): StudyReport {
    const { queue, onChange } = this.parts;
    this.tried.delete(study.id);
    const entry = queue.report().entries.find((one) => one.study === study.id);
    if (!entry) queue.add({ recipe: study.spec.base, study: study.id });
    else if (entry.error || queue.report().paused) queue.set(false, undefined);
    onChange();
    return this.reportFor(study);
  }

  /** Goes through all trainings of a study, and keeps the answers of each, as one job. */
  private walk(study: Study): string {
    this.tried.delete(study.id);
    return this.work(study, 'walk', async (context) => {
      for (;;) {
        context.signal.throwIfAborted();
        const run = await this.proceed(study);
        if (run === null) break;
        await this.parts.control.endedUnder(run, context.signal);
        context.signal.throwIfAborted();
      }
      await this.evaluateAll(this.runner.study(study.id), context);
      return null;
    });
  }

  private work(study: Study, what: string, body: (context: JobContext) => Promise<unknown>): string {
    const job = this.parts.jobs.start('study', `study-${what}:${study.id}`, 'files', async (context) => {
      try {
        return await body(context);
      } finally {
        this.working.delete(study.id);
        this.parts.onChange();
      }
    });
    this.working.set(study.id, job);
    this.parts.onChange();
    return job;
  }

  private evaluate(study: Study): string {
    return this.work(study, 'evaluate', async (context) => {
      await this.evaluateAll(study, context);
      return null;
    });
  }

  /** Scores the last checkpoint of every finished run whose answers are not kept, and measures what the study asks for. */
  private async evaluateAll(study: Study, context: JobContext): Promise<void> {
    const { signal, report } = context;
    const open = this.runner
      .cells(study)
      .flatMap(({ run }) => (run?.state === 'finished' && !answersOf(run) ? [run] : []));
    const runs = [...new Map(open.map((run) => [run.id, run])).values()];
    for (const [done, run] of runs.entries()) {
      signal.throwIfAborted();
      report({ stage: 'evaluation', done, total: runs.length });
      const last = latestCheckpoint(run.path);
      if (last) await this.parts.jobs.outcome(await this.parts.evaluate(run.id, last.file), signal);
    }
    if (study.spec.measure.includes('throughput')) await this.timeAll(study, context);
  }

  /** Times one run of each variant and stage: seeds do not differ in what they cost. */
  private async timeAll(study: Study, context: JobContext): Promise<void> {
    const kinds = new Map<string, string>();
    for (const { cell, run } of this.runner.cells(study)) {
      const kind = JSON.stringify([cell.variant, cell.stage]);
      if (run?.state === 'finished' && !kinds.has(kind)) kinds.set(kind, run.path);
    }
    await this.parts.throughput([...new Set(kinds.values())], context);
  }

  /** Stops what trains or works for a study, and takes it out of the queue. What was done stays. */
  private stop(study: Study): void {
    const { queue, control, jobs, onChange } = this.parts;
    for (const { id } of queue.report().entries.filter((entry) => entry.study === study.id)) queue.remove(id);
    const job = this.working.get(study.id);
    if (job !== undefined) jobs.cancel(job);
    for (const { run } of this.runner.cells(study)) if (run && control.stateOf(run.id)) control.stop(run.id);
    onChange();
  }

  private remove(study: Study): void {
    this.stop(study);
    removeStudy(this.parts.homeFolder, study.id);
    this.parts.onChange();
  }

  private tables(study: Study): StudyTables {
    const trained = this.runner.cells(study).map((one) => trainedOf(one));
    const answers = trained.find((one) => one.answers !== null)?.answers ?? null;
    return {
      report: this.reportFor(study),
      rows: rowsOf(study.spec, trained),
      disagreement: disagreementOf(study.spec, trained),
      images: answers?.labels.length ?? null,
      machine: hardwareName(),
    };
  }

  private write(study: Study, asked: ReportRequest): CallResult<'study.write'> {
    const text = renderStudy(this.tables(study), asked.format, asked.language);
    const own = studyFolder(this.parts.homeFolder, study.id);
    return writeReport(text, asked, { own, subject: study.spec.name });
  }

  private triedOf(id: string): Set<string> {
    const tried = this.tried.get(id) ?? new Set();
    this.tried.set(id, tried);
    return tried;
  }

  private trains(study: Study): boolean {
    return this.runner.cells(study).some(({ run }) => run !== null && !ENDED.includes(run.state));
  }

  private find(id: string): RunSummary | null {
    return this.parts.shelf.find(id, (run) => this.parts.control.stateOf(run));
  }

  private reportFor(study: Study): StudyReport {
    const cells = this.runner.cells(study);
    const queue = this.parts.queue.report();
    const entry = queue.entries.find((one) => one.study === study.id) ?? null;
    const job = this.working.get(study.id) ?? null;
    return {
      ...{ id: study.id, path: studyFile(this.parts.homeFolder, study.id), created: study.created, spec: study.spec },
      ...{ job, state: stateOf(cells, { job, entry }), error: entry ? (entry.error ?? queue.paused) : null },
      cells: cells.map(cellReport),
    };
  }
}

function stateOf(
  cells: readonly CellRun[],
  { job, entry }: { job: string | null; entry: QueueEntry | null },
): StudyReport['state'] {
  const states = cells.map(({ run }) => run?.state ?? null);
  if (job !== null || states.some((state) => state !== null && !ENDED.includes(state))) return 'running';
  if (entry) return entry.error ? 'failed' : 'waiting';
  if (states.every((state) => state === 'finished')) return 'done';
  if (states.every((state) => state === null)) return 'new';
  return states.some((state) => state === 'failed' || state === 'crashed') ? 'failed' : 'stopped';
}

function cellReport({ cell: { variant, stage, seed }, run }: CellRun): StudyCell {
  return {
    ...{ variant, stage, seed, run: run?.id ?? null, state: run?.state ?? null, error: run?.error ?? null },
    ...{ share: shareOf(run), acc1: run?.lastAcc1 ?? null, evaluated: run !== null && keptEvaluation(run) !== null },
  };
}

function trainedOf({ cell, run }: CellRun): Trained {
  if (run?.state !== 'finished')
    return { cell, run, last: null, seconds: 0, answers: null, tokenCosine: null, throughput: null };
  const epochs = readHistory(run.path).filter((row): row is EpochRow => row.type === 'epoch');
  const seconds = epochs.reduce((sum, row) => sum + row.seconds, 0);
  const kept = keptEvaluation(run);
  const answers = kept && answersIn(run, kept);
  const last = epochs.at(-1) ?? null;
  return { ...{ cell, run, last, seconds, answers }, tokenCosine: kept?.tokenCosine ?? null, throughput: readThroughput(run.path) }; // prettier-ignore
}

/** The newest evaluation of a run's last checkpoint on its validation images. */
function keptEvaluation({ path }: RunSummary): EvaluationFacts | null {
  return lastEvaluations(path)[0] ?? null;
}

function answersOf(run: RunSummary): KeptAnswers | null {
  const kept = keptEvaluation(run);
  return kept && answersIn(run, kept);
}

/** Reads the answers of an evaluation; null where they are damaged, to be made anew. */
function answersIn({ path }: RunSummary, { id }: EvaluationFacts): KeptAnswers | null {
  try {
    return readAnswers(evaluationsFolder(path), id);
  } catch {
    return null;
  }
}
