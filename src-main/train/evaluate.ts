import type { EpochRow } from '../protocol/events.ts';
import { decisions, deciding, fuse, scoreMeter, type EvalHeads } from './metrics.ts';

/**
 * Letters: B pictures of a batch, S side of a picture, K classes, n ≤ B pictures in the last batch.
 */

/** What evaluation reads of a batch: images [n, S, S, 3] RGB, labels [n]. */
export interface EvalBatch {
  images: Uint8Array;
  labels: Int32Array;
}

/** Logits of one network in eval mode: `head` and `headDist` are [B, K], row-major. */
export interface EvalStep {
  run(images: Uint8Array): Promise<{ head: Float32Array; headDist: Float32Array | null }>;
}

export interface EvaluateParts {
  batches: AsyncIterable<EvalBatch>;
  student: EvalStep;
  /** The teacher's decisions on the first `count` pictures; null: no agreement is measured. */
  teacher: ((images: Uint8Array, count: number) => Promise<Int32Array>) | null;
  classes: number;
  /** What decides, where there are two heads: its score is `test`. */
  heads: EvalHeads;
  /** Bytes of a whole batch, B·S·S·3: the steps take no less, so the last batch is filled up. */
  batchBytes: number;
  /** Ends the evaluation between two batches. */
  stop?: AbortSignal;
  /** Called after each batch with the number of pictures seen so far. */
  onProgress?: (pictures: number) => void;
}

/** Scores of each head, as an epoch's row has them. */
export type Evaluation = Pick<EpochRow, 'test' | 'classHead' | 'distillationHead' | 'agreement'>;

/**
 * Scores a student over every picture of `batches`.
 * @returns null when it was stopped, or when there was no picture.
 */
export async function evaluate(parts: EvaluateParts): Promise<Evaluation | null> {
  const { classes } = parts;
  const meters = { test: scoreMeter(classes), classHead: scoreMeter(classes), distillationHead: scoreMeter(classes) };
  let [pictures, alike, distilled] = [0, 0, false];
  for await (const { images, labels } of parts.batches) {
    if (parts.stop?.aborted) return null;
    const count = labels.length;
    const input = filledUp(images, parts.batchBytes);
    const { head, headDist } = await parts.student.run(input);
    const fused = deciding(parts.heads, { head, headDist }, classes);
    meters.test.add(fused, labels);
    meters.classHead.add(head, labels);
    if (headDist) meters.distillationHead.add(headDist, labels);
    distilled = headDist !== null;
    if (parts.teacher) alike += countAlike(decisions(fused, count, classes), await parts.teacher(input, count));
    pictures += count;
    parts.onProgress?.(pictures);
  }
  if (pictures === 0 || parts.stop?.aborted) return null;
  return {
    test: meters.test.score(),
    classHead: meters.classHead.score(),
    distillationHead: distilled ? meters.distillationHead.score() : null,
    agreement: parts.teacher ? (100 * alike) / pictures : null,
  };
}

function countAlike(ours: Int32Array, theirs: Int32Array): number {
  return ours.reduce((sum, decision, row) => sum + Number(decision === theirs[row]), 0);
}

/**
 * What a network decides, both heads fused. Pictures seen before are not run again: a frozen teacher decides alike in
 * every epoch.
 * @param name a digest of a batch, to know it again.
 */
export function deciderOf(
  step: EvalStep,
  classes: number,
  name: (images: Uint8Array) => string,
): (images: Uint8Array, count: number) => Promise<Int32Array> {
  const known = new Map<string, Int32Array>();
  return async (images, count) => {
    const key = name(images);
    const before = known.get(key);
    if (before && before.length >= count) return before;
    const { head, headDist } = await step.run(images);
    const decided = decisions(headDist ? fuse(head, headDist) : head, count, classes);
    known.set(key, decided);
    return decided;
  };
}

function filledUp(images: Uint8Array, bytes: number): Uint8Array {
  if (images.length === bytes) return images;
  const filled = new Uint8Array(bytes);
  filled.set(images);
  return filled;
}
