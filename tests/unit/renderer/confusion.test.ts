import { describe, expect, it } from 'vitest';
import type { ClassReport } from '../../../src-main/protocol/evaluation.ts';
import { confusedPairs, orderedClasses } from '../../../src-renderer/components/evaluate/confusion.ts';
import { csvText } from '../../../src-main/protocol/csv.ts';

const report = (name: string, acc1: number | null): ClassReport => ({
  ...{ name, acc1, count: 1, predicted: 1, acc5: 1, precision: 1, f1: 1, confidence: 1, agreement: 1, confused: null },
});
const classes = [report('d', 50), report('a', null), report('c', 10), report('b', 90)];
// d and c are taken for each other, a sometimes for b.
const cells = [0, 0, 5, 0, 2, 4, 1, 3, 2, 2, 0, 3, 3, 3, 9];
const byName = (one: number, other: number): number => (classes[one].name < classes[other].name ? -1 : 1);

describe('confusions', () => {
  it('are listed from the most frequent, without what was right', () => {
    expect(confusedPairs(cells).map(({ label, decision, count }) => [label, decision, count])).toEqual([
      [0, 2, 4],
      [2, 0, 3],
      [1, 3, 2],
    ]);
  });

  it('order classes by name, by accuracy and by who is taken for whom', () => {
    const ordered = (order: 'name' | 'accuracy' | 'cluster') => orderedClasses(order, classes, cells, byName);
    expect(ordered('name')).toEqual([1, 3, 2, 0]);
    expect(ordered('accuracy')).toEqual([2, 0, 3, 1]);
    const cluster = ordered('cluster');
    expect([...cluster].sort()).toEqual([0, 1, 2, 3]);
    expect(Math.abs(cluster.indexOf(0) - cluster.indexOf(2))).toBe(1);
    expect(Math.abs(cluster.indexOf(1) - cluster.indexOf(3))).toBe(1);
  });

  it('cluster a thousand classes at once', () => {
    const many = Array.from({ length: 1000 }, (_, at) => report(String(at), 50));
    const wrong = many.flatMap((_, at) => [at, (at * 7 + 3) % 1000, (at % 13) + 1]);
    const start = process.cpuUsage().user;
    const order = orderedClasses('cluster', many, wrong, (one, other) => one - other);
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(500);
    expect(new Set(order).size).toBe(1000);
  });

  it('are saved as CSV that quotes what needs it', () => {
    expect(csvText([['a', 1], ['b,"c"', null]])).toBe('a,1\r\n"b,""c""",\r\n'); // prettier-ignore
  });
});
