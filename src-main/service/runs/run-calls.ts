import { join } from 'node:path';
import type { RunState } from '../../protocol/events.ts';
import type { ReportRequest } from '../../protocol/study.ts';
import type { CallParams, CallResult, Handlers } from '../../protocol/service.ts';
import { deleteCheckpoint, listCheckpoints } from '../../runs/checkpoint.ts';
import { exportHistory } from '../../runs/history-export.ts';
import { lockOwner, lockedError } from '../../runs/lock.ts';
import { changeNotes, pinCheckpoint } from '../../runs/run-notes.ts';
import { trashRun } from '../../runs/trash.ts';
import { absolute } from '../data/datasets.ts';
import { renderRun } from '../studies/report/run-page.ts';
import { writeReport } from '../studies/report/write-report.ts';
import { RunSeriesCache } from './run-series-cache.ts';
import type { RunStore } from './run-store.ts';
import { TrashCalls } from './trash-calls.ts';

export interface RunCallsOptions {
  shelf: RunStore;
  /** State of a run that this service trains; undefined for all others. */
  stateOf(id: string): RunState | undefined;
  /** Called when the runs, their notes, checkpoints or the trash have changed. */
  onChange(): void;
}

/** Answers calls about runs beside their training: look, compare, note, pin, delete and take back. */
export class RunCalls {
  private readonly trash: TrashCalls;
  private readonly series = new RunSeriesCache();

  constructor(private readonly options: RunCallsOptions) {
    this.trash = new TrashCalls(options.shelf, options.onChange);
  }

  close(): void {
    this.trash.close();
  }

  handlers() {
    const { shelf, stateOf } = this.options;
    return {
      'run.list': async () => shelf.list(stateOf),
      'run.detail': async ({ run }) => this.series.detail(shelf.pathOf(run), shelf.detail(run, stateOf)),
      'run.series': ({ run, from, count }) => this.series.series(shelf.pathOf(run), from, count),
      'run.recipes': async ({ runs }) => runs.map((run) => ({ run, recipe: shelf.recipeOf(shelf.pathOf(run)) })),
      'run.open': async ({ path }) => this.changed({ run: shelf.open(absolute(path)) }),
      'run.forget': async ({ run }) => this.changed((shelf.forget(run), null)),
      'run.annotate': async ({ run, ...notes }) => this.changed((changeNotes(shelf.pathOf(run), notes), null)),
      'run.delete': async ({ run }) => this.changed((this.delete(run), null)),
      'run.restore': async ({ run }) => this.changed((this.trash.restoreRun(run), null)),
      'history.export': ({ run, ...what }) => exportHistory(shelf.pathOf(run), what),
      'run.report': async ({ run, ...asked }) => this.report(run, asked),
      'checkpoint.list': async ({ run }) => listCheckpoints(shelf.pathOf(run)),
      'checkpoint.pin': async ({ run, file, pinned }) =>
        this.changed((pinCheckpoint(shelf.pathOf(run), file, pinned), null)),
      'checkpoint.delete': async ({ run, file }) => this.changed((deleteCheckpoint(shelf.pathOf(run), file), null)),
      'checkpoint.restore': async ({ run, file }) => this.changed({ file: this.trash.restoreCheckpoint(run, file) }),
      'export.restore': async ({ run, file }) => this.changed((this.trash.restoreExport(run, file), null)),
      'trash.list': async () => this.trash.list(),
      'trash.empty': async ({ items }) => this.changed(this.trash.empty(items)),
    } satisfies Partial<Handlers>;
  }

  private report(run: string, asked: ReportRequest): CallResult<'run.report'> {
    const path = this.options.shelf.pathOf(run);
    const place = { own: join(path, 'exports'), subject: run };
    return writeReport(renderRun(path, asked.format, asked.language), asked, place);
  }

  // Its trainer may not have taken the lock yet.
  private delete(run: CallParams<'run.delete'>['run']): void {
    const path = this.options.shelf.pathOf(run);
    if (this.options.stateOf(run)) throw lockedError(path, lockOwner(path));
    trashRun(path);
  }

  private changed<Result>(result: Result): Result {
    this.options.onChange();
    return result;
  }
}
