import type { RunDetail } from '../../protocol/data-types.ts';
import type { RunSeries } from '../../protocol/step-columns.ts';
import { StepColumns } from '../../runs/step-columns.ts';

/** Histories that are kept in memory: those of one comparison are asked for in turn, one run after the other. */
const MOST_KEPT = 4;
/** Most step rows that are sent with a run's detail; the others come in parts (`run.series`). */
const MOST_STEP_ROWS = 4_000;

/** The step rows of runs, read once and then only as they grow. */
export class RunSeriesCache {
  /** By folder, the one used last at the end. */
  private readonly kept = new Map<string, StepColumns>();

  /** Step rows of the run in `folder`, from row `from` on. */
  async series(folder: string, from: number, count: number): Promise<RunSeries> {
    const columns = this.columnsOf(folder);
    // Later parts of a history are asked for one after the other: it is enough to look for news with the first.
    if (from === 0 || from + count > columns.count) await columns.refresh();
    return columns.series(from, count);
  }

  /** The run in `folder` with its history, thinned where it is long: then `stepRows` says how many there are. */
  async detail<Detail extends Omit<RunDetail, 'history'>>(folder: string, detail: Detail): Promise<RunDetail> {
    const columns = this.columnsOf(folder);
    await columns.refresh();
    const thin = columns.count > MOST_STEP_ROWS;
    const { count: stepRows, revision } = columns;
    return { ...detail, history: columns.thinned(MOST_STEP_ROWS), revision, ...(thin && { stepRows }) };
  }

  private columnsOf(folder: string): StepColumns {
    const columns = this.kept.get(folder) ?? new StepColumns(folder);
    this.kept.delete(folder);
    this.kept.set(folder, columns);
    for (const [other] of this.kept) if (this.kept.size > MOST_KEPT) this.kept.delete(other);
    return columns;
  }
}
