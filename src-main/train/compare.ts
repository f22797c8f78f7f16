import type { AnswerComparison } from '../protocol/export.ts';
import { filledUp, type EvalBatch } from './evaluate.ts';
import type { EvalStep } from './step-types.ts';
import { decisions, deciding, headSums, scoreOf, type EvalHeads, type HeadSums } from './metrics.ts';

/** Letters: B images of a batch, K classes, n ≤ B images in the last batch. */

type Logits = Awaited<ReturnType<EvalStep['run']>>;

export interface CompareParts {
  batches: AsyncIterable<EvalBatch>;
  /** Two networks of the same classes and heads, each for batches of B. */
  checkpoint: EvalStep;
  exported: EvalStep;
  classes: number;
  heads: EvalHeads;
  /** Bytes of a whole batch. */
  batchBytes: number;
  stop: AbortSignal;
  onProgress(images: number): void;
}

/**
 * Shows both networks every image of `batches`.
 * @returns null when it was stopped, or when there was no image.
 */
export async function compareAnswers(parts: CompareParts): Promise<Omit<AnswerComparison, 'skipped'> | null> {
  const { classes, heads } = parts;
  const [sums, differences] = [[[], []] as HeadSums[][], new Differences()];
  const range = new Range();
  let [compared, alike] = [0, 0];
  for await (const { images, labels } of parts.batches) {
    if (parts.stop.aborted) return null;
    const input = filledUp(images, parts.batchBytes);
    const answers = [await parts.checkpoint.run(input), await parts.exported.run(input)] as const;
    const tests = answers.map((answer) => deciding(heads, answer, classes));
    sums.forEach((batches, at) => batches.push(headSums(tests[at], labels, classes)));
    differences.add(...answers, labels.length * classes);
    range.add(answers[0].head, labels.length * classes);
    const [ours, theirs] = tests.map((test) => decisions(test, labels.length, classes));
    alike += ours.filter((decision, row) => decision === theirs[row]).length;
    compared += labels.length;
    parts.onProgress(compared);
  }
  if (compared === 0 || parts.stop.aborted) return null;
  const [checkpoint, exported] = sums.map((batches) => scoreOf(batches).acc1);
  return {
    images: compared,
    ...differences.result(),
    range: range.result(),
    agreement: (100 * alike) / compared,
    acc1: { checkpoint, exported },
  };
}

/** The span of numbers. */
class Range {
  private least = Infinity;
  private greatest = -Infinity;

  add(values: Float32Array, count: number): void {
    for (let at = 0; at < count; at++) {
      this.least = Math.min(this.least, values[at]);
      this.greatest = Math.max(this.greatest, values[at]);
    }
  }

  /** Null where a number was none, or there was none. */
  result(): number | null {
    const span = this.greatest - this.least;
    return Number.isFinite(span) ? span : null;
  }
}

/** Absolute differences between the logits of two networks, over all their heads. */
export class Differences {
  private max = 0;
  private sum = 0;
  private count = 0;

  /** @param count how many numbers of each head are read: those past it are of padding. */
  add(one: Logits, other: Logits, count: number): void {
    this.addHead(one.head, other.head, count);
    if (one.headDist && other.headDist) this.addHead(one.headDist, other.headDist, count);
  }

  /** Null where any logit was no finite number: such answers are equal to nothing. */
  result(): Pick<AnswerComparison, 'max' | 'mean'> {
    if (!Number.isFinite(this.sum)) return { max: null, mean: null };
    return { max: this.max, mean: this.count > 0 ? this.sum / this.count : 0 };
  }

  private addHead(one: Float32Array, other: Float32Array, count: number): void {
    for (let at = 0; at < count; at++) {
      const difference = Math.abs(one[at] - other[at]);
      this.sum += difference;
      if (difference > this.max) this.max = difference;
    }
    this.count += count;
  }
}
