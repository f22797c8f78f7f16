import { randomInt } from 'node:crypto';
import type { Place } from '../../answers/answer-store.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';
import type { Precision } from '../../trace/narrow.ts';
import type { StepBatch, TeacherAnswers } from '../../train/step-types.ts';
import type { KeptAnswers } from './kept-answers.ts';
import type { TeacherAsker } from './teacher-asker.ts';

/** Batches that a teacher is asked again at each start. */
const SAMPLES = 3;
/** Milliseconds after which no further batch is asked for. */
const LONG = 20_000;
/** Share of decisions that may be otherwise: another machine rounds otherwise, and two classes may be as probable. */
const NEAR_TIES = 0.01;
/** Greatest difference of logits, in units of the greatest one, by how the teacher's products are computed. */
const TOLERANCE: Readonly<Record<Precision, number>> = { float32: 2e-3, tf32: 0.01, bfloat16: 0.05, float16: 0.01 };

interface CheckParts {
  kept: KeptAnswers;
  asker: TeacherAsker;
  precision: Precision;
  /** Makes the batch of a place. */
  batchAt(place: Place): Promise<StepBatch>;
  /** The optimizer step of a place. */
  stepOf(place: Place): number;
  stop: AbortSignal;
}

/**
 * Asks a teacher again for a few batches whose answers are kept.
 * @returns why its answers are others; null where they are the same, or none are kept.
 */
export async function differenceOfKept(parts: CheckParts): Promise<Reason | null> {
  const { kept, asker, precision, batchAt, stepOf, stop } = parts;
  const [now, then]: TeacherAnswers[][] = [[], []];
  const begun = performance.now();
  for (const place of samples(kept.store.places())) {
    if (stop.aborted) return null;
    if (now.length > 0 && performance.now() - begun > LONG) break;
    const batch = await batchAt(place);
    const step = stepOf(place);
    const found = kept.find(place, batch, step);
    if (!found) continue;
    const started = performance.now();
    now.push(await asker.ask(batch, step));
    // The first one compiles.
    if (now.length > 1) kept.measured(performance.now() - started);
    then.push(found);
  }
  return differenceOf(now, then, precision);
}

/** Tells how answers differ by more than rounding; null where they do not. */
export function differenceOf(
  now: readonly TeacherAnswers[],
  then: readonly TeacherAnswers[],
  precision: Precision,
): Reason | null {
  const count = now.reduce((sum, { length }) => sum + length, 0);
  if (count === 0) return null;
  if (now[0] instanceof Int32Array) {
    const other = sumOf(now, (answers, at) => answers.filter((answer, row) => answer !== then[at][row]).length);
    return other > Math.ceil(NEAR_TIES * count) ? reason('answers.decisions', { count, other }) : null;
  }
  const most = (values: Iterable<number>): number => {
    let found = 0;
    for (const value of values) found = Number.isNaN(value) ? NaN : Math.max(found, Math.abs(value));
    return found;
  };
  const greatest = Math.max(1, ...now.map(most));
  const difference = Math.max(...now.map((answers, at) => most(Float32Array.from(answers, (value, place) => value - then[at][place])))); // prettier-ignore
  // A NaN is a difference too.
  if (difference <= TOLERANCE[precision] * greatest) return null;
  return reason('answers.logits', { count, difference: difference.toPrecision(3) });
}

function sumOf<Item>(items: readonly Item[], of: (item: Item, at: number) => number): number {
  return items.reduce((sum, item, at) => sum + of(item, at), 0);
}

/** The first of the places and others by chance. */
function samples(places: readonly Place[]): Place[] {
  if (places.length <= SAMPLES) return [...places];
  return Array.from({ length: SAMPLES }, (_, at) => places[at === 0 ? 0 : randomInt(1, places.length)]);
}
