import type { ClassReport } from '../../../src-main/protocol/evaluation.ts';

/** Images of one class that were taken for another. */
export interface ConfusedPair {
  label: number;
  decision: number;
  count: number;
}

/**
 * Lists the classes that were taken for others, the most frequent pairs first. `cells` are those of EvaluationReport.
 */
export function confusedPairs(cells: readonly number[]): ConfusedPair[] {
  const pairs: ConfusedPair[] = [];
  for (let at = 0; at < cells.length; at += 3)
    if (cells[at] !== cells[at + 1]) pairs.push({ label: cells[at], decision: cells[at + 1], count: cells[at + 2] });
  return pairs.sort((one, other) => other.count - one.count);
}

export type ClassOrder = 'name' | 'accuracy' | 'cluster';

/** Orders classes so that the matrix shows something, and returns their places. */
export function orderedClasses(
  order: ClassOrder,
  classes: readonly ClassReport[],
  cells: readonly number[],
  compareNames: (one: number, other: number) => number,
): number[] {
  const byName = classes.map((_, label) => label).sort(compareNames);
  if (order === 'name') return byName;
  const accuracy = (label: number): number => classes[label].acc1 ?? 101;
  if (order === 'accuracy') return byName.sort((one, other) => accuracy(one) - accuracy(other));
  return clustered(byName, cells);
}

/**
 * Puts classes that are confused with each other side by side: the strongest pairs join their chains first, each chain
 * turned so that the two come close.
 */
function clustered(labels: readonly number[], cells: readonly number[]): number[] {
  const sums = new Map<string, ConfusedPair>();
  for (const { label, decision, count } of confusedPairs(cells)) {
    const [one, other] = label < decision ? [label, decision] : [decision, label];
    const known = sums.get(`${one} ${other}`);
    sums.set(`${one} ${other}`, { label: one, decision: other, count: count + (known ? known.count : 0) });
  }
  const chains = new Map(labels.map((label) => [label, [label]]));
  for (const { label, decision } of [...sums.values()].sort((one, other) => other.count - one.count)) {
    const [first, second] = [chains.get(label)!, chains.get(decision)!];
    if (first === second) continue;
    if (first.indexOf(label) < first.length / 2) first.reverse();
    if (second.indexOf(decision) > (second.length - 1) / 2) second.reverse();
    const joined = [...first, ...second];
    joined.forEach((member) => chains.set(member, joined));
  }
  return [...new Set(labels.map((label) => chains.get(label)!))].reduce((all, chain) => all.concat(chain), []);
}
