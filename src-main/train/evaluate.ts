import type { EpochRow } from '../protocol/events.ts';
import { decisions, deciding, scoreMeter, type EvalHeads } from './metrics.ts';
import type { EvalStep } from './step-types.ts';

/**
 * Letters: B images of a batch, S side of an image, K classes, n ≤ B images in the last batch.
 */

/** A batch for evaluation: images [n, S, S, 3] RGB, labels [n], and the files of the images. */
export interface EvalBatch {
  images: Uint8Array;
  labels: Int32Array;
  files: readonly string[];
}

export interface EvaluateParts {
  batches: AsyncIterable<EvalBatch>;
  student: EvalStep;
  /** The moving average of the student, scored on the same images. */
  average?: EvalStep | null;
  /** The teacher's decision on each image, by its file; null: no agreement is measured. */
  teacher: ReadonlyMap<string, number> | null;
  classes: number;
  /** The way of deciding where there are two heads: its score is `test`. */
  heads: EvalHeads;
  /** Bytes of a whole batch, B·S·S·3: the steps take no less, so the last batch is filled up. */
  batchBytes: number;
  /** Ends the evaluation between two batches. */
  stop?: AbortSignal;
  /** Called after each batch with the number of images seen so far. */
  onProgress?: (images: number) => void;
  /** Keeps what each head answered; `test` is what decides. */
  onAnswers?: (answers: HeadLogits, batch: EvalBatch) => void;
}

/** Logits of a batch, [B, K]; rows past the batch's labels are padding. */
export interface HeadLogits {
  test: Float32Array;
  class: Float32Array;
  /** null of a network with one head. */
  distillation: Float32Array | null;
}

/** Scores of each head, as an epoch's row has them. */
export type Evaluation = Pick<EpochRow, 'test' | 'classHead' | 'distillationHead' | 'testEma' | 'agreement'>;

/**
 * Scores a student over every image of `batches`.
 * @returns null when it was stopped, or when there was no image.
 */
export async function evaluate(parts: EvaluateParts): Promise<Evaluation | null> {
  const { classes } = parts;
  const meters = { test: scoreMeter(classes), classHead: scoreMeter(classes), distillationHead: scoreMeter(classes) };
  const average = parts.average ? { step: parts.average, meter: scoreMeter(classes) } : null;
  let [scored, alike, compared, distilled] = [0, 0, 0, false];
  for await (const batch of parts.batches) {
    if (parts.stop?.aborted) return null;
    const { images, labels, files } = batch;
    const count = labels.length;
    const input = filledUp(images, parts.batchBytes);
    const { head, headDist } = await parts.student.run(input);
    const fused = deciding(parts.heads, { head, headDist }, classes);
    meters.test.add(fused, labels);
    meters.classHead.add(head, labels);
    if (headDist) meters.distillationHead.add(headDist, labels);
    distilled = headDist !== null;
    parts.onAnswers?.({ test: fused, class: head, distillation: headDist }, batch);
    average?.meter.add(deciding(parts.heads, await average.step.run(input), classes), labels);
    if (parts.teacher) {
      const ours = decisions(fused, count, classes);
      const theirs = files.map((file) => parts.teacher!.get(file));
      compared += theirs.filter((decision) => decision !== undefined).length;
      alike += theirs.filter((decision, row) => decision === ours[row]).length;
    }
    scored += count;
    parts.onProgress?.(scored);
  }
  if (scored === 0 || parts.stop?.aborted) return null;
  return {
    test: meters.test.score(),
    classHead: meters.classHead.score(),
    distillationHead: distilled ? meters.distillationHead.score() : null,
    ...(average && { testEma: average.meter.score() }),
    agreement: compared > 0 ? (100 * alike) / compared : null,
  };
}

/** Answers of one network: logits [B, K], row-major. */
export interface DecideParts {
  batches: AsyncIterable<EvalBatch>;
  answer(images: Uint8Array): Promise<Float32Array>;
  classes: number;
  /** As of {@link EvaluateParts}. */
  batchBytes: number;
  stop: AbortSignal;
  onProgress(images: number): void;
  /** Keeps what was answered. */
  onAnswers?: (logits: Float32Array, batch: EvalBatch) => void;
}

/** Decides the class of every image in `batches`, by file. @returns null when it was stopped. */
export async function decideAll(parts: DecideParts): Promise<Map<string, number> | null> {
  const decided = new Map<string, number>();
  for await (const batch of parts.batches) {
    if (parts.stop.aborted) return null;
    const { images, labels, files } = batch;
    const logits = await parts.answer(filledUp(images, parts.batchBytes));
    parts.onAnswers?.(logits, batch);
    decisions(logits, labels.length, parts.classes).forEach((decision, row) => decided.set(files[row], decision));
    parts.onProgress(decided.size);
  }
  return parts.stop.aborted ? null : decided;
}

/** Fills a last batch with empty rows: the steps take no less than `bytes`. */
export function filledUp(images: Uint8Array, bytes: number): Uint8Array {
  if (images.length === bytes) return images;
  const filled = new Uint8Array(bytes);
  filled.set(images);
  return filled;
}
