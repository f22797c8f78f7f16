import { KEPT_ANSWERS } from '../protocol/evaluation.ts';
import { rankOf } from './metrics.ts';

/**
 * Keeps a network's answers on each image while it is evaluated. Letters: n images, K classes, k ≤ 5 answers that are
 * kept of each.
 */
export interface Answers {
  /** Classes by their probability, [n, k]; −1 where an image has no answer. */
  top: Int32Array;
  /** Probabilities of these, [n, k]. */
  probability: Float32Array;
  /** Cross-entropy of the label, [n]. */
  loss: Float32Array;
  /** How many classes are more likely than the label, [n]; K where the logits are no numbers. */
  rank: Int32Array;
}

/** The answers of every head on the same images. */
export interface Answered {
  files: readonly string[];
  /** [n] */
  labels: Int32Array;
  /** k */
  kept: number;
  heads: ReadonlyMap<string, Answers>;
}

/** Gathers answers batch by batch. */
export class AnswerRecorder {
  readonly files: string[] = [];
  readonly labels: number[] = [];
  readonly kept: number;
  private readonly columns = {
    top: [] as number[],
    probability: [] as number[],
    loss: [] as number[],
    rank: [] as number[],
  };

  /** @param most how many answers to keep of each image. */
  constructor(
    private readonly classes: number,
    most = KEPT_ANSWERS,
  ) {
    this.kept = Math.min(most, classes);
  }

  /** @param logits [B, K], of which as many rows are read as there are labels. */
  add(logits: Float32Array, { files, labels }: { files: readonly string[]; labels: Int32Array }): void {
    for (let row = 0; row < labels.length; row++) {
      this.files.push(files[row]);
      this.labels.push(labels[row]);
      this.addRow(logits.subarray(row * this.classes, (row + 1) * this.classes), labels[row]);
    }
  }

  answers(): Answers {
    const { top, probability, loss, rank } = this.columns;
    return {
      top: Int32Array.from(top),
      probability: Float32Array.from(probability),
      loss: Float32Array.from(loss),
      rank: Int32Array.from(rank),
    };
  }

  private addRow(row: Float32Array, label: number): void {
    const { top, probability, loss, rank } = this.columns;
    const best = greatest(row, this.kept);
    const total = logSumExp(row);
    for (const k of best) {
      top.push(k);
      probability.push(Math.exp(row[k] - total));
    }
    loss.push(total - row[label]);
    rank.push(rankOf(row, label));
  }
}

/** Finds the `count` greatest values of a row, the greatest first; of equal ones the first. */
export function greatest(row: Float32Array, count: number): number[] {
  const best: number[] = [];
  for (let k = 0; k < row.length; k++) {
    if (best.length === count && !(row[k] > row[best[count - 1]])) continue;
    let place = best.length === count ? count - 1 : best.length;
    while (place > 0 && row[k] > row[best[place - 1]]) place--;
    best.splice(place, 0, k);
    if (best.length > count) best.pop();
  }
  return best;
}

function logSumExp(row: Float32Array): number {
  let most = -Infinity;
  for (const value of row) most = Math.max(most, value);
  let sum = 0;
  for (const value of row) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

/** Selects the answers on `files` in their order; a file without an answer gets −1 and NaN. */
export function answersFor(files: readonly string[], recorder: AnswerRecorder): Answers {
  const { kept } = recorder;
  const known = new Map(recorder.files.map((file, row) => [file, row]));
  const given = recorder.answers();
  const rows = files.map((file) => known.get(file) ?? -1);
  const spread = <A extends Int32Array | Float32Array>(into: A, from: A, width: number, missing: number): A => {
    rows.forEach((row, at) => {
      for (let k = 0; k < width; k++) into[at * width + k] = row < 0 ? missing : from[row * width + k];
    });
    return into;
  };
  return {
    top: spread(new Int32Array(files.length * kept), given.top, kept, -1),
    probability: spread(new Float32Array(files.length * kept), given.probability, kept, NaN),
    loss: spread(new Float32Array(files.length), given.loss, 1, NaN),
    rank: spread(new Int32Array(files.length), given.rank, 1, -1),
  };
}
