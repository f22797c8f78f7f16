import * as v from 'valibot';
import type { StepRow } from './events.ts';
import { number } from './shapes.ts';
import { STEP_NUMBER_NAMES, stepNumber, stepValuesOf, type StepNumberName } from './step-numbers.ts';

/**
 * Step rows as columns: how a long history crosses a port. Steps and times keep all of their digits, measurements
 * seven. What a row does not have is NaN.
 */

/** Every column by its name, with the bytes of a value. */
export const STEP_FIELDS = {
  /** How many rows of other types come before it in the history. */
  after: 4,
  time: 8,
  epoch: 4,
  step: 8,
  stepsPerEpoch: 4,
  secondsLeft: 4,
  ...measuredFields(),
} as const;
export type StepField = keyof typeof STEP_FIELDS;
export const STEP_FIELD_NAMES = Object.keys(STEP_FIELDS) as StepField[];

/** Most step rows of one answer: about 1.6 MB of text. */
export const MOST_SERIES_ROWS = 16_384;

/** The little-endian floats of each column as base64; 4 or 8 bytes a value, as `STEP_FIELDS` says. */
const columns = v.custom<Record<StepField, string>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    STEP_FIELD_NAMES.every((name) => typeof (value as Record<string, unknown>)[name] === 'string'),
  'columns',
);

/** Some step rows of a run. Columns are looked at by type and length alone: they may be long. */
export const runSeries = v.pipe(
  v.object({
    /** Step rows that the run has. */
    total: number,
    from: number,
    count: number,
    /** Changes when rows that were sent before do not count any more: then everything is to be read anew. */
    revision: number,
    columns,
  }),
  v.check(
    ({ count, columns }) =>
      STEP_FIELD_NAMES.every((name) => columns[name].length === Math.ceil((count * STEP_FIELDS[name]) / 3) * 4),
    'columns of equal length',
  ),
);
export type RunSeries = v.InferOutput<typeof runSeries>;

function measuredFields(): Record<StepNumberName, 4> {
  return Object.fromEntries(STEP_NUMBER_NAMES.map((name) => [name, 4])) as Record<StepNumberName, 4>;
}

/** Returns the numbers of a row; `after` comes from the caller. */
export function numbersOf(row: StepRow, after: number): Record<StepField, number> {
  const { time, epoch, step, stepsPerEpoch, secondsLeft } = row;
  const measured = STEP_NUMBER_NAMES.map((name) => [name, stepNumber(row, name) ?? NaN]);
  return {
    ...{ after, time, epoch, step, stepsPerEpoch, secondsLeft },
    ...(Object.fromEntries(measured) as Record<StepNumberName, number>),
  };
}

/** Rebuilds the row behind {@link numbersOf}, as far as columns hold it. */
export function rowOf(value: (field: StepField) => number): StepRow {
  return {
    type: 'step',
    time: value('time'),
    epoch: value('epoch'),
    step: value('step'),
    stepsPerEpoch: value('stepsPerEpoch'),
    secondsLeft: value('secondsLeft'),
    ...stepValuesOf(value),
  };
}
