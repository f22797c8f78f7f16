/** Inputs of a step whose first axis is the batch; of the others it is the last. */
const BATCH_FIRST = new Set(['images', 'labels', 'teacherAnswers']);

/** Returns the axis along which an input of a step holds the batch; null for scalars. */
export function batchAxis(name: string, rank: number): number | null {
  if (rank === 0) return null;
  return BATCH_FIRST.has(name) ? 0 : rank - 1;
}
