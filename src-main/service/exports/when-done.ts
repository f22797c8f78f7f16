import { toPlainError, StillhouseError, type PlainError } from '../../protocol/errors.ts';
import type { ExportRow, ServiceEvent } from '../../protocol/events.ts';
import { CHECK_IMAGES, hasPassed } from '../../protocol/export.ts';
import { wantedExports, type WantedExport } from '../../protocol/export-formats.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { takeExports, type OwedExports } from '../../runs/owed-exports.ts';
import type { JobContext, Jobs } from '../jobs/jobs.ts';
import { record } from '../runs/run-control.ts';
import type { ExportCalls, FoundExports } from './export-calls.ts';

interface Parts {
  jobs: Jobs;
  exports: Pick<ExportCalls, 'finished'>;
  emit(event: ServiceEvent): void;
}

/** A run that has finished. */
export interface FinishedRun {
  id: string;
  path: string;
  recipe: Recipe;
}

/** What came of the weights of the model, and of those of its moving average. */
type Found = Record<'model' | 'average', FoundExports>;

/**
 * Exports runs that have finished as their recipes ask for it, and writes down in their histories what came of it. What
 * the end of the service cuts short is owed, and made by the next one that opens.
 */
export class WhenDone {
  /** Ends the work on a run, by its id. */
  private readonly working = new Map<string, AbortController>();
  private closing = false;

  constructor(private readonly parts: Parts) {}

  /** Exports the best checkpoint in each format, and has each checked. It never rejects. */
  async export(run: FinishedRun): Promise<ExportRow[]> {
    const wanted = wantedExports(run.recipe);
    if (wanted.length === 0) return [];
    let owed: OwedExports;
    try {
      owed = takeExports(run.path);
    } catch (error) {
      const { code } = toPlainError(error);
      return code === 'run.locked' ? [] : this.note(run, wanted.map((one) => rowOf(one, NOTHING, toPlainError(error)))); // prettier-ignore
    }
    if (!this.closing) return this.make(run, wanted, owed);
    owed.leave();
    return [];
  }

  /** Makes what earlier services have left, one run after another. It never rejects. */
  async takeUp(runs: readonly FinishedRun[]): Promise<void> {
    for (const run of runs) {
      if (this.closing) return;
      await this.export(run);
    }
  }

  /** Ends the exports of a run; what is whole stays. */
  cancel(id: string): void {
    this.working.get(id)?.abort();
  }

  /** The service ends: what is under way is left to the next one. */
  close(): void {
    this.closing = true;
  }

  private async make(run: FinishedRun, wanted: WantedExport[], owed: OwedExports): Promise<ExportRow[]> {
    const stop = new AbortController();
    this.working.set(run.id, stop);
    const found: Found = { model: { written: [], checks: [] }, average: { written: [], checks: [] } };
    const error = await this.work(run, wanted, found, stop.signal);
    this.working.delete(run.id);
    if (this.closing && error?.code === 'job.cancelled') {
      owed.leave();
      return [];
    }
    const rows = this.note(run, wanted.map((one) => rowOf(one, found[one.weights], error))); // prettier-ignore
    owed.settle();
    return rows;
  }

  private note(run: FinishedRun, rows: ExportRow[]): ExportRow[] {
    record(run.path, rows);
    this.parts.emit({ event: 'run', run: run.id, rows });
    this.parts.emit({ event: 'runs' });
    return rows;
  }

  /** @returns what ended it early. */
  private async work(
    run: FinishedRun,
    wanted: readonly WantedExport[],
    found: Found,
    signal: AbortSignal,
  ): Promise<PlainError | null> {
    const { jobs } = this.parts;
    try {
      const job = jobs.start('export', `export-when-done:${run.path}`, 'bytes', async (context) => {
        for (const weights of ['model', 'average'] as const) await this.weights(run, wanted, { weights, found }, context); // prettier-ignore
      });
      await jobs.outcome(job, signal);
      return null;
    } catch (error) {
      return toPlainError(error);
    }
  }

  /** Exports the weights of the model, or those of its moving average, in the formats that are wanted of them. */
  private async weights(
    { path: run, recipe: { device } }: FinishedRun,
    wanted: readonly WantedExport[],
    { weights, found }: { weights: keyof Found; found: Found },
    context: JobContext,
  ): Promise<void> {
    const formats = wanted.filter((one) => one.weights === weights).map(({ format }) => format);
    if (formats.length === 0 || context.signal.aborted) return;
    const order = { run, device, formats, average: weights === 'average', images: CHECK_IMAGES };
    await this.parts.exports.finished(order, found[weights], context);
  }
}

const NOTHING: FoundExports = { written: [], checks: [] };

function rowOf(
  { format, weights }: WantedExport,
  { written, checks }: FoundExports,
  error: PlainError | null,
): ExportRow {
  const made = written.find((one) => one.format === format);
  const missing = error ?? toPlainError(new StillhouseError('job.cancelled'));
  const { path, bytes, error: refused } = made ?? { path: '', bytes: 0, error: missing };
  const check = checks.find((one) => one.path === path);
  return {
    ...{ type: 'export', time: Date.now(), format, ...(weights === 'average' && { average: true }), path, bytes },
    ...{ error: refused, passed: check ? hasPassed(check) : null },
  };
}
