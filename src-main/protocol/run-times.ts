import type { HistoryRow, StepRow } from './events.ts';

/** The parts of a run's time; `compile` is the first step of each process, without its teacher and its data. */
export const RUN_TIME_PARTS = ['step', 'teacher', 'feed', 'dataWait', 'evaluation', 'checkpoint', 'compile'] as const;
export type RunTimePart = (typeof RUN_TIME_PARTS)[number];
/** Seconds by part. */
export type RunTimes = Record<RunTimePart, number>;

/** Says what kept answers of a teacher did for a run. */
export interface TaughtOnce {
  /** Of the images whose answers might have been kept, in percent; null where none are kept. */
  kept: number | null;
  /** Seconds that the teacher would have taken for these. */
  saved: number;
}

/** Adds up where the time of a run went, from its history. */
export class RunTimeMeter {
  readonly times: RunTimes = { step: 0, teacher: 0, feed: 0, dataWait: 0, evaluation: 0, checkpoint: 0, compile: 0 };
  private readonly answers = { steps: 0, kept: 0, saved: 0 };
  private compiles = false;
  private step = 0;

  get taught(): TaughtOnce {
    const { steps, kept, saved } = this.answers;
    return { kept: steps > 0 ? kept / steps : null, saved };
  }

  /** Takes in the next row. @returns whether it is the first step of a process, which compiles. */
  add(row: HistoryRow): boolean {
    if (row.type === 'step') return this.addSteps(row);
    if (row.type === 'epoch') this.times.evaluation += row.evaluationSeconds ?? 0;
    else if (row.type === 'checkpoint') this.times.checkpoint += row.seconds ?? 0;
    else if (row.type === 'state') this.compiles ||= row.state === 'starting' || row.state === 'running';
    return false;
  }

  /** A row holds means over the steps since the one before it. After a rewind that one comes later in the run. */
  private addSteps({ step, anatomy, kept, saved = 0 }: StepRow): boolean {
    const steps = step > this.step ? step - this.step : 1;
    const add = (part: RunTimePart, milliseconds = 0) => (this.times[part] += (steps * milliseconds) / 1000);
    if (kept !== undefined) {
      this.answers.steps += steps;
      this.answers.kept += steps * kept;
      this.answers.saved += (steps * saved) / 1000;
    }
    add('dataWait', anatomy.dataWait);
    add('feed', anatomy.feed);
    add('teacher', anatomy.teacher);
    const compiled = this.compiles && steps === 1;
    add(compiled ? 'compile' : 'step', anatomy.step);
    this.compiles = false;
    this.step = step;
    return compiled;
  }
}
