import { StillhouseError } from '../../protocol/errors.ts';
import type { LabelRow } from './label-columns.ts';

/** Says how labels as written become class numbers. */
export interface Numbering {
  /** Class number; undefined for a label that is no class. */
  of(label: string): number | undefined;
  /** The number that counting starts from; null where labels are names. */
  from: 0 | 1 | null;
}

const NUMBER = /^\d+$/;

/**
 * Takes labels for names of classes, or where none is one and all are numbers, for places in `classes`. Numbers count
 * from 0 where there is a 0, from 1 where the highest is the count; else only a person can say.
 * @throws StillhouseError `data.list-base` where both are possible, `data.list-range` for a number that is no place.
 */
export function numbering(
  list: string,
  rows: readonly LabelRow[],
  classes: readonly string[],
  said: 0 | 1 | null,
): Numbering {
  const places = new Map(classes.map((name, place) => [name, place]));
  const byName = { of: (label: string) => places.get(label), from: null };
  if (!rows.every(({ label }) => NUMBER.test(label)) || rows.some(({ label }) => places.has(label))) return byName;
  const numbers = rows.map(({ label }) => Number(label));
  const [lowest, highest] = numbers.reduce(([low, high], n) => [Math.min(low, n), Math.max(high, n)], [Infinity, 0]);
  const from = said ?? baseOf(lowest, highest, classes.length);
  if (from === null)
    throw new StillhouseError('data.list-base', {
      ...{ list, lowest, highest, classes: classes.length, first: 'labels=0', second: 'labels=1' },
    });
  const last = classes.length - 1 + from;
  const wrong = rows.find(({ label }) => Number(label) < from || Number(label) > last);
  if (wrong) throw new StillhouseError('data.list-range', { list, line: wrong.line, got: wrong.label, from, last });
  return { of: (label) => Number(label) - from, from };
}

/** null: the numbers could be either. */
function baseOf(lowest: number, highest: number, count: number): 0 | 1 | null {
  if (lowest === 0) return 0;
  return highest >= count ? 1 : null;
}
