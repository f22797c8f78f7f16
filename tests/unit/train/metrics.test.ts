import { describe, expect, it } from 'vitest';
import {
  countTop,
  crossEntropy,
  deciding,
  decisions,
  fuse,
  rankOf,
  headSums,
  scoreOf,
} from '../../../src-main/train/metrics.ts';

/** Four rows of six classes; the expected values are torch's (cross_entropy, topk). */
const logits = Float32Array.from(
  [
    [-2.25, -2.3, -0.5, -0.87, 1.7, 1.38],
    [-0.63, -4.23, 0.94, -0.32, 2.89, 0.53],
    [0.33, 1.75, -0.29, -0.22, 1.86, 2.52],
    [4.01, 0.11, 1.24, -0.83, -1.68, -4.63],
  ].flat(),
);
const labels = Int32Array.of(0, 5, 2, 2);

describe('metrics', () => {
  it('agree with torch', () => {
    expect(crossEntropy(logits, labels, 6) / labels.length).toBeCloseTo(3.428147315979004, 6);
    expect([1, 2, 3, 5].map((k) => countTop(logits, labels, 6, k))).toEqual([0, 1, 2, 3]);
    expect([...decisions(logits, 4, 6)]).toEqual([4, 4, 5, 0]);
  });

  it('rank equal logits by index and never score a NaN', () => {
    const tie = Float32Array.of(1, 1, 1);
    expect([0, 1, 2].map((label) => countTop(tie, Int32Array.of(label), 3, 1))).toEqual([1, 0, 0]);
    const broken = new Float32Array(6).fill(NaN);
    expect(countTop(broken, Int32Array.of(0), 6, 5)).toBe(0);
    // Nor where the k is that of all classes.
    expect(countTop(Float32Array.of(0, NaN), Int32Array.of(1), 2, 2)).toBe(0);
    expect([rankOf(Float32Array.of(0, NaN), 1), rankOf(Float32Array.of(0, NaN), 0)]).toEqual([2, 1]);
  });

  it('stay finite for huge logits', () => {
    expect(crossEntropy(Float32Array.of(1e30, -1e30), Int32Array.of(0), 2)).toBe(0);
  });

  it('read only as many rows as there are labels', () => {
    const padded = Float32Array.of(0, 9, 0, 9);
    expect(countTop(padded, Int32Array.of(1), 2, 1)).toBe(1);
    expect([...decisions(padded, 1, 2)]).toEqual([1]);
  });

  it('weigh accuracies by images and the loss by batches', () => {
    const score = scoreOf([
      headSums(Float32Array.of(0, 0, 0, 0, 0, 0), Int32Array.of(0, 0, 0), 2),
      headSums(Float32Array.of(100, 0), Int32Array.of(1), 2),
    ]);
    expect(score.acc1).toBe(75);
    expect(score.acc5).toBe(100);
    expect(score.loss).toBeCloseTo((Math.LN2 + 100) / 2, 6);
  });

  it('fuse heads by the mean of the logits, not of the probabilities', () => {
    const fused = fuse(Float32Array.of(10, 0), Float32Array.of(-1, 8));
    expect([...fused]).toEqual([4.5, 4]);
    expect([...decisions(fused, 1, 2)]).toEqual([0]);
  });

  it('decide as asked: by the mean of logits, of probabilities, or by one head', () => {
    // Of row 0 head is sure of 0; of row 1 both prefer 1.
    const logits = { head: Float32Array.of(10, 0, 0, 1), headDist: Float32Array.of(-1, 8, -1, 2) };
    expect(deciding('mean', logits, 2)).toEqual(fuse(logits.head, logits.headDist));
    expect(deciding('class', logits, 2)).toBe(logits.head);
    expect(deciding('distillation', logits, 2)).toBe(logits.headDist);
    const [a, b] = [1 / (1 + Math.exp(-10)), 1 / (1 + Math.exp(9))];
    const fused = deciding('softmax', logits, 2);
    expect(fused[0]).toBeCloseTo(Math.log((a + b) / 2), 6);
    expect(fused[1]).toBeCloseTo(Math.log((2 - a - b) / 2), 6);
    expect(Math.exp(fused[2]) + Math.exp(fused[3])).toBeCloseTo(1, 6);
    expect([...decisions(fused, 2, 2)]).toEqual([0, 1]);
  });

  it('decide by probabilities even where logits are huge, and alone where there is one head', () => {
    const one = Float32Array.of(3000, -3000);
    expect([...deciding('softmax', { head: one, headDist: one }, 2)]).toEqual([0, -Infinity]);
    for (const heads of ['mean', 'softmax', 'class', 'distillation'] as const)
      expect(deciding(heads, { head: one, headDist: null }, 2)).toBe(one);
  });
});
