import { EPOCH_NUMBER_NAMES, epochNumber } from '../../src-main/protocol/epoch-numbers.ts';
import type {
  CheckpointRow,
  EpochRow,
  ExportRow,
  HistoryRow,
  NoteRow,
  StateRow,
  StepRow,
} from '../../src-main/protocol/events.ts';
import {
  RUN_TIME_PARTS,
  RunTimeMeter,
  type RunTimes,
  type RunTimePart,
  type TaughtOnce,
} from '../../src-main/protocol/run-times.ts';
import { STEP_NUMBER_NAMES, stepNumber } from '../../src-main/protocol/step-numbers.ts';
import { Columns } from './columns.ts';
import { RunMarks, type Place, type RunMark } from './run-marks.ts';

/** The three that charts have as their x axis. */
const PLACE_COLUMNS = ['step', 'epoch', 'time'] as const;
export const STEP_COLUMNS = [...PLACE_COLUMNS, ...STEP_NUMBER_NAMES] as const;
export const EPOCH_COLUMNS = [...PLACE_COLUMNS, ...EPOCH_NUMBER_NAMES] as const;
/** Names the column of a part; one of the parts has the same name as a place. */
export function timeColumn(part: RunTimePart): `time.${RunTimePart}` {
  return `time.${part}`;
}
/** Seconds of an epoch by part. */
const TIME_COLUMNS = [...PLACE_COLUMNS, ...RUN_TIME_PARTS.map(timeColumn)] as const;
type Numbers = Record<string, number | null>;
export type StepColumn = (typeof STEP_COLUMNS)[number];
export type EpochColumn = (typeof EPOCH_COLUMNS)[number];

/**
 * The history of one run as columns to plot. `epoch` counts finished epochs with fractions, `time` is seconds spent
 * training: the hours between a stop and its resume are left out. A run resumed from an earlier checkpoint overwrites
 * what came after it, so that `step` only grows.
 */
export class RunHistory {
  readonly steps = new Columns<StepColumn>(STEP_COLUMNS, PLACE_COLUMNS);
  readonly epochs = new Columns<EpochColumn>(EPOCH_COLUMNS);
  readonly timesByEpoch = new Columns<(typeof TIME_COLUMNS)[number]>(TIME_COLUMNS);
  readonly notes: NoteRow[] = [];
  readonly checkpoints: CheckpointRow[] = [];
  /** What came of the exports that the recipe asks for, since it trained last. */
  exports: ExportRow[] = [];
  state: StateRow | null = null;
  lastStep: StepRow | null = null;
  lastEpoch: EpochRow | null = null;
  private active = 0;
  private clock: number | null = null;
  private readonly timing = new RunTimeMeter();
  /** The times of the run when the last epoch ended. */
  private counted: RunTimes | null = null;
  private readonly marking = new RunMarks();

  /** Lists the events of the run beside its numbers, in the order of its steps. */
  get marks(): readonly RunMark[] {
    return this.marking.list;
  }

  /** Where the run is. */
  get place(): Place {
    const step = this.lastStep?.step ?? 0;
    return { step, epoch: this.lastStep ? epochsOf(this.lastStep) : 0, time: this.active };
  }

  append(row: HistoryRow): void {
    this.advance(row);
    const compiled = this.timing.add(row);
    if (row.type === 'step') this.appendStep(row, compiled);
    else this.appendOther(row);
    this.marking.add(row, this.place, this.lastStep?.stepsPerEpoch ?? 0);
  }

  private appendOther(row: Exclude<HistoryRow, StepRow>): void {
    switch (row.type) {
      case 'epoch':
        return this.appendEpoch(row);
      case 'note':
        this.notes.push(row);
        return;
      case 'checkpoint':
        this.checkpoints.push(row);
        return this.countCheckpoint(row);
      case 'export':
        this.exports = [...this.exports, row];
        return;
      case 'state':
        if (row.state === 'starting' || row.state === 'running') this.exports = [];
        this.state = row;
    }
  }

  /** Seconds of the run by part. */
  /** What kept answers of a teacher did for the run. */
  get taught(): TaughtOnce {
    return this.timing.taught;
  }

  get times(): RunTimes {
    return this.timing.times;
  }

  /** Moves the clock of training on, unless the run stood still since the row before. */
  private advance(row: HistoryRow): void {
    // It comes after the end.
    if (row.type === 'export') return;
    if (this.clock !== null && row.time > this.clock) this.active += (row.time - this.clock) / 1000;
    const still = row.type === 'state' && !['running', 'pausing', 'stopping'].includes(row.state);
    this.clock = still ? null : row.time;
  }

  /** The time of a step that compiled is left out: beside it no other could be seen. */
  private appendStep(row: StepRow, compiled: boolean): void {
    this.rewind(row.step);
    this.lastStep = row;
    const numbers = STEP_NUMBER_NAMES.map((name) => [name, stepNumber(row, name)]);
    const place = { step: row.step, epoch: epochsOf(row), time: this.active };
    this.steps.push({ ...place, ...(Object.fromEntries(numbers) as Numbers), ...(compiled && { stepTime: null }) });
  }

  private appendEpoch(row: EpochRow): void {
    cut(this.epochs, row.step);
    this.lastEpoch = row;
    const numbers = EPOCH_NUMBER_NAMES.map((name) => [name, epochNumber(row, name)]);
    this.epochs.push({
      step: row.step,
      epoch: row.epoch + 1,
      time: this.active,
      ...(Object.fromEntries(numbers) as Numbers),
    });
    this.countEpoch(row);
  }

  /** Counts the times since the epoch before. */
  private countEpoch(row: EpochRow): void {
    cut(this.timesByEpoch, row.step);
    const { times } = this.timing;
    const since = Object.fromEntries(
      RUN_TIME_PARTS.map((part) => [timeColumn(part), times[part] - (this.counted?.[part] ?? 0)]),
    );
    this.counted = { ...times };
    this.timesByEpoch.push({ ...since, step: row.step, epoch: row.epoch + 1, time: this.active });
  }

  /** The checkpoint that an epoch ends with is written after its row, and is a part of it. */
  private countCheckpoint({ step, seconds = 0 }: CheckpointRow): void {
    if (!this.counted || step !== this.timesByEpoch.last('step')) return;
    this.counted.checkpoint += seconds;
    this.timesByEpoch.addToLast('time.checkpoint', seconds);
  }

  private rewind(step: number): void {
    if (!(this.steps.last('step') >= step)) return;
    cut(this.steps, step);
    cut(this.epochs, step);
    cut(this.timesByEpoch, step);
    this.active = Math.max(0, this.steps.last('time') || 0);
    const [last, epoch] = [this.steps.last('step') || 0, this.steps.last('epoch') || 0];
    this.marking.rewind(step, { step: last, epoch, time: this.active });
  }
}

/** Finished epochs, with fractions. */
const epochsOf = ({ step, stepsPerEpoch }: StepRow): number => step / Math.max(1, stepsPerEpoch);

type StepTable = Pick<Columns<'step'>, 'length' | 'truncate'> & { column(name: 'step'): ArrayLike<number> };

/** Drops the rows from the first whose step is at least `step`. */
function cut(columns: StepTable, step: number): void {
  const steps = columns.column('step');
  let length = columns.length;
  while (length > 0 && steps[length - 1] >= step) length--;
  columns.truncate(length);
}
