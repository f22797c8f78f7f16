import type { PlainError } from './errors.ts';

/** Facts that a job reports: already true when sent. Times are milliseconds since 1970. */

export type RunState =
  'starting' | 'running' | 'pausing' | 'paused' | 'stopping' | 'stopped' | 'finished' | 'failed' | 'crashed';

/**
 * Where step time went, in milliseconds, means over the row's steps. The parts add up to the time between two steps,
 * but for evaluation and checkpoints, which have rows of their own. A part is missing in rows of a version that did not
 * measure it: then its time is in `step`.
 */
export interface StepAnatomy {
  /** Waiting for the next batch. */
  dataWait: number;
  /** Copying the batch from the host into the engine. */
  feed?: number;
  /** Forward, backward and update, without the teacher. */
  step: number;
  /**
   * Asking the teacher. One that is part of the compiled step is timed alone, in a few batches at the start of the run,
   * and that time is taken out of `step`. Missing without a teacher.
   */
  teacher?: number;
}

/** One row of the training history; written each few steps and at each epoch's end. */
export interface StepRow {
  type: 'step';
  time: number;
  epoch: number;
  /** Global optimizer step, from 1. */
  step: number;
  stepsPerEpoch: number;
  /** Mean over the steps since the last row. */
  loss: number;
  lossClass: number;
  /** NaN-free: null without distillation. */
  lossDistillation: number | null;
  lr: number;
  imagesPerSecond: number;
  secondsLeft: number;
  /** Resident memory of the trainer, bytes. */
  memory: number;
  /** The GPU that it trains on, where one does and its driver tells: bytes in use on it, and percent busy. */
  gpu?: { memory: number; use: number | null };
  anatomy: StepAnatomy;
}

/** Accuracies in percent of one head. */
export interface HeadScore {
  loss: number;
  acc1: number;
  acc5: number;
}

/** One row for each finished epoch, after its evaluation. */
export interface EpochRow {
  type: 'epoch';
  time: number;
  /** From 0. */
  epoch: number;
  step: number;
  trainLoss: number;
  trainLr: number;
  /** The number DeiT reports: both heads fused (mean of logits), or the class head alone. */
  test: HeadScore;
  classHead: HeadScore;
  /** null for a model without a distillation head. */
  distillationHead: HeadScore | null;
  /** As `test`, of the moving average of the model; missing where none is kept. */
  testEma?: HeadScore;
  /** Share of validation pictures, in percent, on which student (fused) and teacher decide alike; null without a teacher. */
  agreement: number | null;
  parameters: number;
  /** Training and evaluation. */
  seconds: number;
  /** Evaluation alone; missing in rows of a version that did not measure it. */
  evaluationSeconds?: number;
}

/** Something the person should know that does not end the run. */
export interface NoteRow {
  type: 'note';
  time: number;
  note: PlainError;
}

export interface StateRow {
  type: 'state';
  time: number;
  state: RunState;
  /** Why it failed, crashed or, where nobody asked for it, paused. */
  error: PlainError | null;
}

export interface CheckpointRow {
  type: 'checkpoint';
  time: number;
  file: string;
  epoch: number;
  step: number;
  bytes: number;
  /** Writing it; missing in rows of a version that did not measure it. */
  seconds?: number;
}

/** One line of `history.jsonl`. */
export type HistoryRow = StepRow | EpochRow | NoteRow | StateRow | CheckpointRow;

export type JobKind = 'engine' | 'gpu-engine' | 'sample' | 'weights' | 'check' | 'export' | 'evaluate' | 'measure';
export type JobState = 'running' | 'done' | 'failed' | 'cancelled';

/** Progress of a job that is not a run. */
export interface JobProgress {
  job: string;
  kind: JobKind;
  state: JobState;
  /** Stage of the job: `download`, `unpack`, `verify`, `build`, … */
  stage: string;
  done: number;
  /** 0 while unknown. */
  total: number;
  unit: 'bytes' | 'files';
  /** Units a second over the last seconds. */
  rate: number;
  /** null while unknown. */
  secondsLeft: number | null;
  error: PlainError | null;
  /** What the job produced, when done: a path or a report as JSON data. */
  result: unknown;
}

/** Everything the service tells its windows. */
export type ServiceEvent =
  | { event: 'job'; progress: JobProgress }
  | { event: 'run'; run: string; rows: HistoryRow[] }
  | { event: 'runs' }
  | { event: 'queue' }
  | { event: 'engine' };
