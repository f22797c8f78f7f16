import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { TeacherCard } from '../../protocol/teacher-card.ts';

/** How far the sum of a row of probabilities may be from 1: a network that computes in float16 has three digits. */
const TOLERANCE = 5e-3;

/** Tells whether numbers are probabilities over the classes: none negative, and 1 together. */
export function areProbabilities(row: Float32Array): boolean {
  let sum = 0;
  for (const value of row) {
    if (!(value >= 0 && value <= 1 + TOLERANCE)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) <= TOLERANCE;
}

/**
 * Completes a card with facts that the first answers show. Logarithms of probabilities count as logits: their softmax
 * is the same.
 * @param rows one for each image that was shown.
 * @throws StillhouseError `teacher.answers` where the card says otherwise.
 */
export function cardAsAnswered(card: TeacherCard, rows: readonly Float32Array[]): TeacherCard {
  const { path, output: said, from } = card;
  const seen = rows.every(areProbabilities) ? 'probabilities' : 'logits';
  const shown = shownRow(rows.at(-1)!);
  if (from.output !== 'default') {
    if (said !== seen) throw new StillhouseError('teacher.answers', { path, said, seen, shown });
    return card;
  }
  const taken = toPlainError(new StillhouseError('teacher.taken-probabilities', { path, shown }));
  const notes = seen === 'probabilities' ? [...card.notes, taken] : card.notes;
  return { ...card, output: seen, notes, from: { ...from, output: 'answers' } };
}

/**
 * Checks that every row of a batch holds probabilities.
 * @throws StillhouseError `teacher.answers` for a row of a batch that holds no probabilities.
 */
export function requireProbabilities({ path, output: said }: TeacherCard, answers: Float32Array, width: number): void {
  for (let at = 0; at < answers.length; at += width) {
    const row = answers.subarray(at, at + width);
    if (!areProbabilities(row))
      throw new StillhouseError('teacher.answers', { path, said, seen: 'logits', shown: shownRow(row) });
  }
}

/** How many numbers of an answer a message shows. */
const SHOWN = 6;

function shownRow(row: Float32Array): string {
  const numbers = Array.from(row.subarray(0, SHOWN), (value) => String(Number(value.toPrecision(3))));
  return [...numbers, ...(row.length > SHOWN ? ['…'] : [])].join(' ');
}
