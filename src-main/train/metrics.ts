import type { HeadScore } from '../protocol/events.ts';
import type { Recipe } from '../protocol/recipe.ts';

/** The ways of deciding in evaluation by a network with two heads. */
export type EvalHeads = Recipe['evalHeads'];

/**
 * Letters: B images of a batch, K classes. Logits are row-major [B, K]; a batch may hold fewer labels than
 * rows, then the rows past the labels are padding and are not read.
 */

/** Finds the index of the greatest logit in each of the first `count` rows; of equal ones the first. */
export function decisions(logits: Float32Array, count: number, classes: number): Int32Array {
  const best = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    const start = row * classes;
    for (let k = 1; k < classes; k++) {
      if (logits[start + k] > logits[start + best[row]]) best[row] = k;
    }
  }
  return best;
}

/** Counts the labels that are among the `k` greatest logits of their row; equal logits rank by index. */
export function countTop(logits: Float32Array, labels: Int32Array, classes: number, k: number): number {
  let hits = 0;
  for (let row = 0; row < labels.length; row++) {
    if (rankOf(logits.subarray(row * classes, (row + 1) * classes), labels[row]) < k) hits++;
  }
  return hits;
}

/**
 * Counts the classes that come before `label` in a row [K] of logits: 0 for the decision; of equal ones the first comes
 * first. A NaN beats the label, as in torch's top-k, and a label whose own logit is NaN ranks behind all K: a broken
 * model must not score.
 */
export function rankOf(row: Float32Array, label: number): number {
  const own = row[label];
  if (Number.isNaN(own)) return row.length;
  let rank = 0;
  for (let k = 0; k < row.length; k++) if (k !== label && !(row[k] < own) && !(row[k] === own && k > label)) rank++;
  return rank;
}

/** Sums the cross-entropy of a batch, in nats: logsumexp(logits) − logits[label]. */
export function crossEntropy(logits: Float32Array, labels: Int32Array, classes: number): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const start = row * classes;
    let max = -Infinity;
    for (let k = 0; k < classes; k++) max = Math.max(max, logits[start + k]);
    let total = 0;
    for (let k = 0; k < classes; k++) total += Math.exp(logits[start + k] - max);
    sum += max + Math.log(total) - logits[start + labels[row]];
  }
  return sum;
}

/** Averages both heads, as DeiT decides with them: the arithmetic mean of the two logit vectors. */
export function fuse(head: Float32Array, headDist: Float32Array): Float32Array {
  return head.map((value, index) => (value + headDist[index]) / 2);
}

/**
 * Returns the logits that decide in a network with two heads: the mean of both (DeiT's code), of their probabilities
 * (its paper), or one head alone. A single head decides itself.
 */
export function deciding(
  heads: EvalHeads,
  { head, headDist }: { head: Float32Array; headDist: Float32Array | null },
  classes: number,
): Float32Array {
  if (!headDist || heads === 'class') return head;
  if (heads === 'distillation') return headDist;
  return heads === 'mean' ? fuse(head, headDist) : fuseChances(head, headDist, classes);
}

function fuseChances(head: Float32Array, headDist: Float32Array, classes: number): Float32Array {
  const fused = new Float32Array(head.length);
  for (let start = 0; start < head.length; start += classes) {
    const own = [head, headDist].map((logits) => probabilities(logits.subarray(start, start + classes)));
    for (let k = 0; k < classes; k++) fused[start + k] = Math.log((own[0][k] + own[1][k]) / 2);
  }
  return fused;
}

function probabilities(logits: Float32Array): Float64Array {
  const greatest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - greatest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/**
 * Sums what one head makes of images: the sum of their losses in nats, and how many labels are among its 1 and 5 best.
 */
export interface HeadSums {
  images: number;
  loss: number;
  top1: number;
  top5: number;
}

/** Sums up a batch's logits of `classes` classes. With fewer than 5 classes Acc@5 counts all of them. */
export function headSums(logits: Float32Array, labels: Int32Array, classes: number): HeadSums {
  const top = (k: number): number => countTop(logits, labels, classes, k);
  return { images: labels.length, loss: crossEntropy(logits, labels, classes), top1: top(1), top5: top(5) };
}

/** Adds up what several processes have of one batch, or the batches of a data set. */
export function addSums(all: readonly HeadSums[]): HeadSums {
  const sum = (key: keyof HeadSums): number => all.reduce((total, one) => total + one[key], 0);
  return { images: sum('images'), loss: sum('loss'), top1: sum('top1'), top5: sum('top5') };
}

/** Scores a head: accuracies in percent of all images; loss as DeiT reports it, the plain mean of the batches' means. */
export function scoreOf(batches: readonly HeadSums[]): HeadScore {
  const seen = batches.filter(({ images }) => images > 0);
  const { images, top1, top5 } = addSums(seen);
  const loss = seen.reduce((total, batch) => total + batch.loss / batch.images, 0) / seen.length;
  return { loss, acc1: (100 * top1) / images, acc5: (100 * top5) / images };
}

/** A sum and a count; the mean of nothing is 0. */
export class Mean {
  constructor(
    public sum = 0,
    public count = 0,
  ) {}

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  get value(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }
}
