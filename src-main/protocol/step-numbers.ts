import * as v from 'valibot';
import { measured, number } from './shapes.ts';

/** Says how a number is written: digits after the point, or significant ones, of the value divided by `per`. */
export interface NumberStyle {
  fixed?: number;
  significant?: number;
  per?: number;
  /** Greatest value that is possible. */
  most?: number;
}

export const UNITS = {
  plain: { significant: 4 },
  percent: { fixed: 2, most: 100 },
  /** Images a second. */
  rate: { fixed: 1 },
  milliseconds: { fixed: 1 },
  seconds: { fixed: 2 },
  /** Written as gigabytes. */
  bytes: { fixed: 3, per: 1e9 },
} as const satisfies Record<string, NumberStyle>;
export type Unit = keyof typeof UNITS;

interface StepNumber {
  unit: Unit;
  /** Its name in TensorBoard and in CSV files. */
  exported: string;
  /** How a row without it reads: it has null, or nothing at all. Without `missing` every row has it. */
  missing?: 'null' | 'absent';
  /** A part of the time between two steps: its key in the row's `anatomy`. */
  part?: string;
}

/**
 * Every number that a training measures at its steps, each a mean over the steps since the row before. The types and
 * the schema of a row, its way over a port, the window's columns, CSV and TensorBoard follow from this table.
 *
 * To add one: "A measured number" in docs/adding.md.
 */
export const STEP_NUMBERS = {
  loss: { unit: 'plain', exported: 'train/loss' },
  lossClass: { unit: 'plain', exported: 'train/loss_class' },
  /** NaN-free: null without distillation. */
  lossDistillation: { unit: 'plain', exported: 'train/loss_distillation', missing: 'null' },
  lr: { unit: 'plain', exported: 'train/lr' },
  imagesPerSecond: { unit: 'rate', exported: 'speed/images_per_second' },
  /** Waiting for the next batch. */
  dataWait: { unit: 'milliseconds', exported: 'speed/data_wait_ms', part: 'dataWait' },
  /** Copying the batch from the host into the engine. */
  feed: { unit: 'milliseconds', exported: 'speed/feed_ms', part: 'feed', missing: 'absent' },
  /** Forward, backward and update, without the teacher. */
  stepTime: { unit: 'milliseconds', exported: 'speed/step_ms', part: 'step' },
  /**
   * Asking the teacher. One that is part of the compiled step is timed alone, in a few batches at the start of the run,
   * and that time is taken out of `stepTime`. Missing without a teacher.
   */
  teacher: { unit: 'milliseconds', exported: 'speed/teacher_ms', part: 'teacher', missing: 'absent' },
  /** Images whose teacher's answers were kept already. Missing where none are kept. */
  kept: { unit: 'percent', exported: 'teacher/kept_percent', missing: 'absent' },
  /** What the teacher would have taken for these in a step. */
  saved: { unit: 'milliseconds', exported: 'teacher/saved_ms', missing: 'absent' },
  /** Resident memory of the trainer. */
  memory: { unit: 'bytes', exported: 'memory/trainer_bytes' },
  /** The most that the run has held on an accelerator; of several, on the fullest. Missing where nothing tells it. */
  deviceMemory: { unit: 'bytes', exported: 'memory/device_bytes', missing: 'absent' },
  /** Share of the time in which the accelerators computed, in their mean. Missing where nothing tells it. */
  deviceBusy: { unit: 'percent', exported: 'speed/device_busy_percent', missing: 'absent' },
} as const satisfies Record<string, StepNumber>;

type Table = typeof STEP_NUMBERS;
export type StepNumberName = keyof Table;
export const STEP_NUMBER_NAMES = Object.keys(STEP_NUMBERS) as StepNumberName[];

const nullable = v.nullable(number);
const optional = v.optional(measured);
type SchemaOf<Of> = Of extends { missing: 'null' }
  ? typeof nullable
  : Of extends { missing: 'absent' }
    ? typeof optional
    : typeof measured;

type RowEntries = { [Name in StepNumberName as Table[Name] extends { part: string } ? never : Name]: SchemaOf<Table[Name]> }; // prettier-ignore
type PartEntries = { [Name in StepNumberName as Table[Name] extends { part: infer Part extends string } ? Part : never]: SchemaOf<Table[Name]> }; // prettier-ignore

const known: readonly (readonly [StepNumberName, StepNumber])[] = STEP_NUMBER_NAMES.map((name) => [
  name,
  STEP_NUMBERS[name],
]);
const schemaOf = ({ missing }: StepNumber) =>
  missing === 'null' ? nullable : missing === 'absent' ? optional : measured;

/** The entries of a row's schema: its numbers that are no part of the time. */
const ROW_ENTRIES = Object.fromEntries(
  known.flatMap(([name, of]) => (of.part ? [] : [[name, schemaOf(of)]])),
) as RowEntries;

/**
 * Where step time went, in milliseconds. The parts add up to the time between two steps, but for evaluation and
 * checkpoints, which have rows of their own. A part is missing in rows of a version that did not measure it: then its
 * time is in `step`.
 */
const stepTimes = v.object(
  Object.fromEntries(known.flatMap(([, of]) => (of.part ? [[of.part, schemaOf(of)]] : []))) as PartEntries,
);
export type StepTimes = v.InferOutput<typeof stepTimes>;
/** The parts of a step's time, in the order of the table. */
export const STEP_TIME_PARTS = Object.keys(stepTimes.entries) as (keyof StepTimes)[];

/** The numbers of a step row. `anatomy` is the key that its times have had on disk from the first version on. */
export const stepValues = v.object({ ...ROW_ENTRIES, anatomy: stepTimes });
export type StepValues = v.InferOutput<typeof stepValues>;

/** Returns a number of a row; null where the row does not have it. */
export function stepNumber(row: StepValues, name: StepNumberName): number | null {
  const { part }: StepNumber = STEP_NUMBERS[name];
  const values: { readonly [key: string]: unknown } = part ? row.anatomy : row;
  const value = values[part ?? name];
  return typeof value === 'number' ? value : null;
}

/** Builds the numbers of a row from a column each, where NaN stands for a missing one. */
export function stepValuesOf(value: (name: StepNumberName) => number): StepValues {
  const row: Record<string, unknown> = {};
  const anatomy: Record<string, unknown> = {};
  for (const [name, { part, missing }] of known) {
    const found = value(name);
    if (missing === 'absent' && Number.isNaN(found)) continue;
    (part ? anatomy : row)[part ?? name] = missing === 'null' && Number.isNaN(found) ? null : found;
  }
  return { ...row, anatomy } as StepValues;
}
