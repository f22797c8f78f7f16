import type {
  CheckpointRow,
  EpochRow,
  HistoryRow,
  NoteRow,
  StateRow,
  StepRow,
} from '../../src-main/protocol/events.ts';
import { SpentMeter, type Spent } from '../../src-main/protocol/spent.ts';
import { Columns } from './columns.ts';

export const STEP_COLUMNS = [
  'step',
  'epoch',
  'time',
  'loss',
  'lossClass',
  'lossDistillation',
  'lr',
  'imagesPerSecond',
  'memory',
  'dataWait',
  'feed',
  'stepTime',
  'teacher',
] as const;
export const EPOCH_COLUMNS = [
  'step',
  'epoch',
  'time',
  'trainLoss',
  'loss',
  'acc1',
  'acc5',
  'classAcc1',
  'classAcc5',
  'distillationAcc1',
  'averageAcc1',
  'averageAcc5',
  'distillationAcc5',
  'agreement',
] as const;
export type StepColumn = (typeof STEP_COLUMNS)[number];
export type EpochColumn = (typeof EPOCH_COLUMNS)[number];

/**
 * The history of one run as columns to plot. `epoch` counts finished epochs with fractions, `time` is seconds spent
 * training: the hours between a stop and its resume are left out. A run resumed from an earlier checkpoint overwrites
 * what came after it, so that `step` only grows.
 */
export class RunHistory {
  readonly steps = new Columns<StepColumn>(STEP_COLUMNS);
  readonly epochs = new Columns<EpochColumn>(EPOCH_COLUMNS);
  readonly notes: NoteRow[] = [];
  readonly checkpoints: CheckpointRow[] = [];
  state: StateRow | null = null;
  lastStep: StepRow | null = null;
  lastEpoch: EpochRow | null = null;
  private active = 0;
  private clock: number | null = null;
  private readonly spending = new SpentMeter();

  append(row: HistoryRow): void {
    this.advance(row);
    const compiled = this.spending.add(row);
    switch (row.type) {
      case 'step':
        return this.appendStep(row, compiled);
      case 'epoch':
        return this.appendEpoch(row);
      case 'note':
        this.notes.push(row);
        return;
      case 'checkpoint':
        this.checkpoints.push(row);
        return;
      case 'state':
        this.state = row;
    }
  }

  /** Seconds by what they were spent on. */
  get spent(): Spent {
    return this.spending.spent;
  }

  /** Moves the clock of training on, unless the run stood still since the row before. */
  private advance(row: HistoryRow): void {
    if (this.clock !== null && row.time > this.clock) this.active += (row.time - this.clock) / 1000;
    const still = row.type === 'state' && !['running', 'pausing', 'stopping'].includes(row.state);
    this.clock = still ? null : row.time;
  }

  /** The time of a step that compiled is left out: beside it no other could be seen. */
  private appendStep(row: StepRow, compiled: boolean): void {
    this.rewind(row.step);
    this.lastStep = row;
    this.steps.push({
      ...row,
      epoch: row.step / Math.max(1, row.stepsPerEpoch),
      time: this.active,
      dataWait: row.anatomy.dataWait,
      feed: row.anatomy.feed ?? null,
      stepTime: compiled ? null : row.anatomy.step,
      teacher: row.anatomy.teacher ?? null,
    });
  }

  private appendEpoch(row: EpochRow): void {
    cut(this.epochs, row.step);
    this.lastEpoch = row;
    this.epochs.push({
      step: row.step,
      epoch: row.epoch + 1,
      time: this.active,
      trainLoss: row.trainLoss,
      loss: row.test.loss,
      acc1: row.test.acc1,
      acc5: row.test.acc5,
      classAcc1: row.classHead.acc1,
      classAcc5: row.classHead.acc5,
      distillationAcc1: row.distillationHead?.acc1 ?? null,
      averageAcc1: row.testEma?.acc1 ?? null,
      averageAcc5: row.testEma?.acc5 ?? null,
      distillationAcc5: row.distillationHead?.acc5 ?? null,
      agreement: row.agreement,
    });
  }

  private rewind(step: number): void {
    if (!(this.steps.last('step') >= step)) return;
    cut(this.steps, step);
    cut(this.epochs, step);
    this.active = Math.max(0, this.steps.last('time') || 0);
  }
}

type StepTable = Pick<Columns<'step'>, 'length' | 'truncate'> & { column(name: 'step'): Float64Array };

/** Drops the rows from the first whose step is at least `step`. */
function cut(columns: StepTable, step: number): void {
  const steps = columns.column('step');
  let length = columns.length;
  while (length > 0 && steps[length - 1] >= step) length--;
  columns.truncate(length);
}
