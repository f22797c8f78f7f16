import * as v from 'valibot';
import { flag, measured, number, oneOf, plainError, text } from './shapes.ts';
import { stepValues } from './step-numbers.ts';

/** Facts that a job reports: already true when sent. Times are milliseconds since 1970. */

export const runState = oneOf([
  'starting',
  'running',
  'pausing',
  'paused',
  'stopping',
  'stopped',
  'finished',
  'failed',
  'crashed',
]);
export type RunState = v.InferOutput<typeof runState>;
/** States that a run does not leave by itself: no trainer works on it. */
export const ENDED: readonly RunState[] = ['stopped', 'finished', 'failed', 'crashed'];

/** One row of the training history, written each few steps and at each epoch's end; its numbers are STEP_NUMBERS. */
const stepRow = v.object({
  type: v.literal('step'),
  time: number,
  epoch: number,
  /** Global optimizer step, from 1. */
  step: number,
  stepsPerEpoch: number,
  secondsLeft: measured,
  ...stepValues.entries,
});
export type StepRow = v.InferOutput<typeof stepRow>;

/** Accuracies in percent of one head. */
export const headScore = v.object({ loss: measured, acc1: measured, acc5: measured });
export type HeadScore = v.InferOutput<typeof headScore>;

/** One row for each finished epoch, after its evaluation. */
export const epochRow = v.object({
  type: v.literal('epoch'),
  time: number,
  /** From 0. */
  epoch: number,
  step: number,
  trainLoss: measured,
  trainLr: measured,
  /** The number DeiT reports: both heads fused (mean of logits), or the class head alone. */
  test: headScore,
  classHead: headScore,
  /** null for a model without a distillation head. */
  distillationHead: v.nullable(headScore),
  /** As `test`, of the moving average of the model; missing where none is kept. */
  testEma: v.optional(headScore),
  /** Share of validation images, in percent, on which student (fused) and teacher decide alike; null without a teacher. */
  agreement: v.nullable(number),
  parameters: number,
  /** Training and evaluation. */
  seconds: number,
  /** Evaluation alone; missing in rows of a version that did not measure it. */
  evaluationSeconds: v.optional(number),
});
export type EpochRow = v.InferOutput<typeof epochRow>;

/** One of the processes that train a run together, as rank 0 knows it. */
export const rankState = v.object({
  rank: number,
  /** Its address, as rank 0 sees it. */
  host: text,
  step: number,
  imagesPerSecond: number,
  /** Resident bytes. */
  memory: number,
  /** When it was heard last. */
  seen: number,
});
export type RankState = v.InferOutput<typeof rankState>;

/** Something the person should know that does not end the run. */
const noteRow = v.object({ type: v.literal('note'), time: number, note: plainError });
export type NoteRow = v.InferOutput<typeof noteRow>;

const stateRow = v.object({
  type: v.literal('state'),
  time: number,
  state: runState,
  /** Why it failed, crashed or, where nobody asked for it, paused. */
  error: v.nullable(plainError),
});
export type StateRow = v.InferOutput<typeof stateRow>;

const checkpointRow = v.object({
  type: v.literal('checkpoint'),
  time: number,
  file: text,
  epoch: number,
  step: number,
  bytes: number,
  /** Writing it; missing in rows of a version that did not measure it. */
  seconds: v.optional(number),
});
export type CheckpointRow = v.InferOutput<typeof checkpointRow>;

/** What came of an export that the recipe asks for once the run has finished. */
const exportRow = v.object({
  type: v.literal('export'),
  time: number,
  /** As in EXPORT_FORMATS; another version may know more. */
  format: text,
  /** Of the moving average of the model; left out: of the model. */
  average: v.optional(flag),
  path: text,
  bytes: number,
  /** Why there is none. */
  error: v.nullable(plainError),
  /** Whether it passed its check; null where nothing was checked. */
  passed: v.nullable(flag),
});
export type ExportRow = v.InferOutput<typeof exportRow>;

/** One line of `history.jsonl`. */
const historyRow = v.variant('type', [stepRow, epochRow, noteRow, stateRow, checkpointRow, exportRow]);
export type HistoryRow = v.InferOutput<typeof historyRow>;

const ROW_TYPES: ReadonlySet<unknown> = new Set(historyRow.options.map(({ entries }) => entries.type.literal));

/** Rows of a history. Kinds that another version will have thought of are left out. */
export const historyRows = v.pipe(
  v.custom<{ type: unknown }[]>(
    (value) => Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null),
    'rows',
  ),
  v.transform((rows) => rows.filter(({ type }) => ROW_TYPES.has(type))),
  v.array(historyRow),
);

const jobKind = oneOf([
  'engine',
  'plugin',
  'sample',
  'sample-run',
  'weights',
  'check',
  'export',
  'evaluate',
  'measure',
  'teach',
  'distil',
  'study',
]);
export type JobKind = v.InferOutput<typeof jobKind>;
const jobState = oneOf(['running', 'done', 'failed', 'cancelled']);

/** Jobs whose result is a text: a path or an id. */
const TEXT_RESULTS: readonly JobKind[] = ['sample', 'weights', 'evaluate'];

/** The steps of a sample run, by the names of its job's stages. */
export const SAMPLE_STEPS = ['engine', 'data', 'weights', 'teacher', 'student'] as const;
export type SampleStep = (typeof SAMPLE_STEPS)[number];

/** Progress of a job that is not a run. */
export const jobProgress = v.pipe(
  v.object({
    job: text,
    kind: jobKind,
    state: jobState,
    /** Stage of the job: `download`, `unpack`, `verify`, `build`, … */
    stage: text,
    done: measured,
    /** 0 while unknown. */
    total: measured,
    unit: oneOf(['bytes', 'files']),
    /** Units a second over the last seconds. */
    rate: measured,
    /** null while unknown. */
    secondsLeft: v.nullable(number),
    error: v.nullable(plainError),
    /** The product of the job, when done: a path or a report as JSON data. */
    result: v.unknown(),
  }),
  v.check(
    ({ state, kind, result }) => state !== 'done' || !TEXT_RESULTS.includes(kind) || typeof result === 'string',
    'a path or an id',
  ),
);
export type JobProgress = v.InferOutput<typeof jobProgress>;

/** Everything the service tells its windows. */
export const serviceEvent = v.variant('event', [
  v.object({ event: v.literal('job'), progress: jobProgress }),
  v.object({ event: v.literal('run'), run: text, rows: historyRows }),
  v.object({ event: v.literal('ranks'), run: text, ranks: v.array(rankState) }),
  v.object({ event: v.literal('runs') }),
  v.object({ event: v.literal('queue') }),
  v.object({ event: v.literal('distillations') }),
  v.object({ event: v.literal('studies') }),
  v.object({ event: v.literal('slurm') }),
  v.object({ event: v.literal('engine') }),
  v.object({ event: v.literal('weights') }),
]);
export type ServiceEvent = v.InferOutput<typeof serviceEvent>;
