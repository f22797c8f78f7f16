import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { QueueEntry, RunSummary } from '../../protocol/data-types.ts';
import type { DistilOffer, DistilPlan, DistilReport, DistilRequest } from '../../protocol/distillation.ts';
import { StillhouseError, fromPlainError, toPlainError } from '../../protocol/errors.ts';
import type { Handlers } from '../../protocol/service.ts';
import { defaultRecipe } from '../../protocol/recipe.ts';
import { listPlans, planFolder, removePlan, writePlan } from '../../runs/distil-file.ts';
import { lockRun } from '../../runs/lock.ts';
import { absolute, type Datasets } from '../data/datasets.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import type { RunControl } from '../runs/run-control.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { RunStore } from '../runs/run-store.ts';
import { costOf, trainingsOf, type CostParts } from './cost.ts';
import { Distiller, withoutTeacher, type Begun, type DistillerParts } from './distiller.ts';
import { makePlan } from './plan.ts';
import { reportOf } from './report.ts';

interface Parts extends CostParts, Pick<DistillerParts, 'homeFolder' | 'begin' | 'resume'> {
  sampleFolder: string;
  jobs: Jobs;
  datasets: Datasets;
  shelf: RunStore;
  control: RunControl;
  queue: RunQueue;
  /** Starts the job that fetches a network's ImageNet weights. */
  fetch(model: string): string;
  /** Starts the job that times a recipe. */
  measure(recipe: Record<string, unknown>): Promise<string>;
  /** A plan looks different. */
  onChange(): void;
}

/**
 * Distillations from a folder alone. A window's wait in the queue as one entry, whose turn comes for the teacher and
 * again for the student; the command line walks through both itself.
 */
export class DistilCalls {
  private readonly distiller: Distiller;
  /** Plans whose teacher trains here: their turn comes when it has ended and that was seen. */
  private readonly taught = new Set<string>();
  /** Plans that a command walks through, and what fetches for a plan. */
  private readonly walked = new Map<string, string>();
  private readonly fetching = new Map<string, string>();

  constructor(private readonly parts: Parts) {
    const { homeFolder, control, begin, resume } = parts;
    const run = (id: string): RunSummary | null => this.find(id);
    const trains = (id: string): boolean => control.stateOf(id) !== undefined;
    const fetchWeights = (model: string, plan: string): Promise<string> => this.fetchFor(plan, model);
    this.distiller = new Distiller({ homeFolder, run, trains, fetchWeights, begin, resume });
  }

  handlers() {
    return {
      'distil.offer': (asked) => this.offer(asked),
      'distil.measure': async (asked) => ({ job: await this.measure(asked) }),
      'distil.start': async (asked) => this.start(await this.planFor(asked)),
      'distil.walk': async (asked) => ({ job: this.walk(await this.planFor(asked)) }),
      'distil.continue': async ({ plan }) => this.start(this.distiller.plan(plan)),
      'distil.stop': async ({ plan }) => (this.stop(this.distiller.plan(plan)), null),
      'distil.forget': async ({ plan }) => (this.forget(this.distiller.plan(plan)), null),
      'distil.list': async () => this.list(),
    } satisfies Partial<Handlers>;
  }

  /** Whether an entry's turn in the queue can come. */
  ready({ plan }: QueueEntry): boolean {
    return plan === undefined || !this.taught.has(plan);
  }

  /** Takes a waiting plan one training further. @returns true while it is to wait for another turn. Throws as that does. */
  async begin(entry: QueueEntry, plan: string): Promise<boolean> {
    const begun = await this.proceed(plan);
    if (begun?.step !== 'teacher') return false;
    this.taught.add(plan);
    void this.parts.control.ended(begun.run).then(() => {
      this.taught.delete(plan);
      const run = this.find(begun.run);
      if (run && run.state !== 'finished') this.parts.queue.fail(entry.id, toPlainError(withoutTeacher(run)));
      this.parts.queue.advance();
      this.parts.onChange();
    });
    return true;
  }

  private async proceed(id: string): Promise<Begun> {
    const lock = lockRun(planFolder(this.parts.homeFolder, this.distiller.plan(id).id));
    try {
      return await this.distiller.proceed(id);
    } finally {
      lock.release();
      this.parts.onChange();
    }
  }

  private async offer(asked: DistilRequest): Promise<DistilOffer> {
    const plan = await this.planFor(asked);
    const begun = listPlans(this.parts.homeFolder).some(({ id }) => id === plan.id);
    return { plan, cost: await costOf(plan, this.parts), begun };
  }

  /** The plan of the same request that is not done, else a new one. @throws StillhouseError `data.*` */
  private async planFor(given: DistilRequest): Promise<DistilPlan> {
    const asked = { ...given, dataPath: absolute(given.dataPath) };
    if (given.teacherPath) asked.teacherPath = resolve(given.teacherPath);
    const same = listPlans(this.parts.homeFolder).find((plan) => isSame(plan.asked, asked));
    if (same && this.find(same.student.run)?.state !== 'finished') return same;
    const { shelf, control, datasets, sampleFolder } = this.parts;
    const dataset = await datasets.ofRecipe({ ...defaultRecipe(), dataPath: asked.dataPath });
    const stateOf = (id: string) => control.stateOf(id);
    const detailOf = (id: string) => shelf.detail(id, stateOf);
    return makePlan(asked, { dataset, sampleFolder, runs: shelf.list(stateOf), detailOf });
  }

  /** Has a plan wait for its turn, which may be now. @throws StillhouseError `queue.elsewhere`, `disk.*` */
  private start(plan: DistilPlan): DistilReport {
    const { homeFolder, queue } = this.parts;
    writePlan(homeFolder, plan);
    const entry = queue.report().entries.find((one) => one.plan === plan.id);
    if (!entry) queue.add({ recipe: plan.student.recipe, plan: plan.id });
    // A person says so: what stood still since a stop, a failure or an earlier start goes on.
    else if (entry.error || queue.report().paused) queue.set(false, undefined);
    this.parts.onChange();
    return this.reportFor(plan);
  }

  /** Goes through all trainings of a plan as one job; its result is the student's run. */
  private walk(plan: DistilPlan): string {
    writePlan(this.parts.homeFolder, plan);
    const job = this.parts.jobs.start('distil', `distil:${plan.id}`, 'files', async (context) => {
      try {
        return await this.walkThrough(plan.id, context);
      } finally {
        this.walked.delete(plan.id);
      }
    });
    this.walked.set(plan.id, job);
    return job;
  }

  private async walkThrough(id: string, { signal }: JobContext): Promise<string> {
    const cancelFetch = (): void => this.parts.jobs.cancel(this.fetching.get(id) ?? '');
    signal.addEventListener('abort', cancelFetch);
    for (;;) {
      signal.throwIfAborted();
      const begun = await this.proceed(id);
      if (!begun) return this.distiller.plan(id).student.run!;
      await this.parts.control.endedUnder(begun.run, signal);
      const run = this.find(begun.run);
      if (run?.state !== 'finished')
        throw run?.error ? fromPlainError(run.error) : new StillhouseError('job.cancelled');
      if (begun.step === 'student') return begun.run;
    }
  }

  /** Times what nothing tells the time of, one training after the other. */
  private async measure(asked: DistilRequest): Promise<string> {
    const plan = await this.planFor(asked);
    const { jobs, time, measure } = this.parts;
    return jobs.start('distil', `distil-measure:${plan.dataPath}`, 'files', async ({ signal }) => {
      for (const training of trainingsOf(plan))
        if (!(await time(training))) await jobs.outcome(await measure({ ...training }), signal);
      return null;
    });
  }

  /** Stops what fetches or trains for a plan, and takes it out of the queue. What was done stays. */
  private stop(plan: DistilPlan): void {
    const { queue, control, jobs } = this.parts;
    for (const { id } of queue.report().entries.filter((entry) => entry.plan === plan.id)) queue.remove(id);
    for (const job of [this.fetching.get(plan.id), this.walked.get(plan.id)]) if (job) jobs.cancel(job);
    for (const run of [plan.teacher.run, plan.student.run]) if (run) control.stop(run);
    this.parts.onChange();
  }

  private forget(plan: DistilPlan): void {
    this.stop(plan);
    removePlan(this.parts.homeFolder, plan.id);
    this.parts.onChange();
  }

  private list(): DistilReport[] {
    return listPlans(this.parts.homeFolder).map((plan) => this.reportFor(plan));
  }

  private reportFor(plan: DistilPlan): DistilReport {
    const { teacher, student, id } = plan;
    const queue = this.parts.queue.report();
    return reportOf(plan, {
      teacher: teacher.origin === 'made' ? this.find(teacher.run) : null,
      student: this.find(student.run),
      queue: { ...queue, entries: queue.entries.filter((entry) => entry.plan === id) },
      job: this.fetching.get(id) ?? null,
      walked: this.walked.has(id),
    });
  }

  private async fetchFor(plan: string, model: string): Promise<string> {
    const job = this.parts.fetch(model);
    this.fetching.set(plan, job);
    this.parts.onChange();
    try {
      return String(await this.parts.jobs.outcome(job, new AbortController().signal));
    } finally {
      this.fetching.delete(plan);
    }
  }

  private find(run: string | null): RunSummary | null {
    return run === null ? null : this.parts.shelf.find(run, (id) => this.parts.control.stateOf(id));
  }
}

/** A kept request is JSON, which leaves out what is undefined. */
function isSame(kept: DistilRequest, asked: DistilRequest): boolean {
  return isDeepStrictEqual(kept, JSON.parse(JSON.stringify(asked)));
}
