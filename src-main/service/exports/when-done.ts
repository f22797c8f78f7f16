import { toPlainError, StillhouseError, type PlainError } from '../../protocol/errors.ts';
import type { ExportRow, ServiceEvent } from '../../protocol/events.ts';
import { CHECK_IMAGES, hasPassed } from '../../protocol/export.ts';
import { formatsIn, type ExportFormat } from '../../protocol/export-formats.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { record } from '../runs/run-control.ts';
import type { ExportCalls, FoundExports } from './export-calls.ts';

interface Parts {
  jobs: Jobs;
  exports: Pick<ExportCalls, 'finished'>;
  emit(event: ServiceEvent): void;
}

/** A run that has finished. */
interface FinishedRun {
  id: string;
  path: string;
  recipe: Recipe;
}

/** Exports runs that have finished as their recipes ask for it, and writes down in their histories what came of it. */
export class WhenDone {
  /** Ends the work on a run, by its id. */
  private readonly working = new Map<string, AbortController>();

  constructor(private readonly parts: Parts) {}

  /** Exports the best checkpoint in each format, and has each checked. It never rejects. */
  async export(run: FinishedRun): Promise<ExportRow[]> {
    const formats = formatsIn(run.recipe.export) ?? [];
    if (formats.length === 0) return [];
    const stop = new AbortController();
    this.working.set(run.id, stop);
    const found: FoundExports = { written: [], checks: [] };
    const error = await this.work(run, formats, found, stop.signal);
    this.working.delete(run.id);
    const rows = formats.map((format) => rowOf(format, found, error));
    record(run.path, rows);
    this.parts.emit({ event: 'run', run: run.id, rows });
    this.parts.emit({ event: 'runs' });
    return rows;
  }

  /** Ends the exports of a run; what is whole stays. */
  cancel(id: string): void {
    this.working.get(id)?.abort();
  }

  /** @returns what ended it early. */
  private async work(
    { path, recipe }: FinishedRun,
    formats: readonly ExportFormat[],
    found: FoundExports,
    signal: AbortSignal,
  ): Promise<PlainError | null> {
    const { jobs, exports } = this.parts;
    try {
      const job = jobs.start('export', `export-when-done:${path}`, 'bytes', (context) =>
        exports.finished({ run: path, device: recipe.device, formats, images: CHECK_IMAGES }, found, context),
      );
      await jobs.outcome(job, signal);
      return null;
    } catch (error) {
      return toPlainError(error);
    }
  }
}

function rowOf(format: ExportFormat, { written, checks }: FoundExports, error: PlainError | null): ExportRow {
  const made = written.find((one) => one.format === format);
  const missing = error ?? toPlainError(new StillhouseError('job.cancelled'));
  const { path, bytes, error: refused } = made ?? { path: '', bytes: 0, error: missing };
  const check = checks.find((one) => one.path === path);
  return {
    type: 'export',
    time: Date.now(),
    format,
    path,
    bytes,
    error: refused,
    passed: check ? hasPassed(check) : null,
  };
}
