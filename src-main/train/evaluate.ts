import type { EpochRow } from '../protocol/events.ts';
import { addSums, decisions, deciding, headSums, scoreOf, type EvalHeads, type HeadSums } from './metrics.ts';
import type { EvalStep } from './step-types.ts';

/**
 * Letters: B images of a batch, S side of an image, K classes, n ≤ B images in the last batch.
 */

/** A batch for evaluation: images [n, S, S, 3] RGB, labels [n], and the files of the images. */
export interface EvalBatch {
  images: Uint8Array;
  labels: Int32Array;
  files: readonly string[];
  /** Counts the batches from 0; those of several processes with one number are parts of one. Absent: the next. */
  number?: number;
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

/** `test` is the way of deciding, `testEma` that of the moving average; heads that there are not are absent. */
interface ScoredHeads {
  test: HeadSums;
  classHead: HeadSums;
  distillationHead?: HeadSums | undefined;
  testEma?: HeadSums | undefined;
}

/** Holds what was counted on a batch, or on the part of it that one process has. */
export interface ScoredBatch {
  number: number;
  heads: ScoredHeads;
  /** Images on which the teacher decided, and decided alike. */
  compared: number;
  alike: number;
}

/**
 * Scores a student over every image of `batches`.
 * @returns null when it was stopped, or when there was no image.
 */
export async function evaluate(parts: EvaluateParts): Promise<Evaluation | null> {
  const scored: ScoredBatch[] = [];
  for await (const batch of scoreBatches(parts)) scored.push(batch);
  return parts.stop?.aborted ? null : evaluationOf([scored]);
}

/** Counts on one batch after the other; it ends early when stopped. */
export async function* scoreBatches(parts: EvaluateParts): AsyncGenerator<ScoredBatch, void, undefined> {
  const { classes } = parts;
  let [scored, next] = [0, 0];
  for await (const batch of parts.batches) {
    if (parts.stop?.aborted) return;
    const { images, labels, files, number = next } = batch;
    const sums = (logits: Float32Array): HeadSums => headSums(logits, labels, classes);
    const input = filledUp(images, parts.batchBytes);
    const { head, headDist } = await parts.student.run(input);
    const fused = deciding(parts.heads, { head, headDist }, classes);
    parts.onAnswers?.({ test: fused, class: head, distillation: headDist }, batch);
    const average = parts.average && deciding(parts.heads, await parts.average.run(input), classes);
    const ours = parts.teacher ? decisions(fused, labels.length, classes) : [];
    const theirs = parts.teacher ? files.map((file) => parts.teacher!.get(file)) : [];
    yield {
      number,
      heads: {
        ...{ test: sums(fused), classHead: sums(head) },
        ...(headDist && { distillationHead: sums(headDist) }),
        ...(average && { testEma: sums(average) }),
      },
      compared: theirs.filter((decision) => decision !== undefined).length,
      alike: theirs.filter((decision, row) => decision === ours[row]).length,
    };
    next = number + 1;
    scored += labels.length;
    parts.onProgress?.(scored);
  }
}

/**
 * Makes one evaluation of what several processes have counted, of each in the order of its batches. Sums are added batch
 * by batch and in the order of the processes, so that they come out alike each time.
 * @returns null where there was no image.
 */
export function evaluationOf(processes: readonly (readonly ScoredBatch[])[]): Evaluation | null {
  const batches = new Map<number, ScoredBatch[]>();
  for (const part of processes.flat()) batches.set(part.number, [...(batches.get(part.number) ?? []), part]);
  const inOrder = [...batches].sort(([one], [other]) => one - other).map(([, parts]) => parts);
  if (inOrder.length === 0) return null;
  const score = (head: keyof ScoredHeads) => {
    const sums = inOrder.map((parts) => parts.flatMap(({ heads }) => heads[head] ?? []));
    return sums.some((parts) => parts.length > 0) ? scoreOf(sums.map(addSums)) : null;
  };
  const count = (key: 'compared' | 'alike'): number => processes.flat().reduce((total, part) => total + part[key], 0);
  const testEma = score('testEma');
  return {
    ...{ test: score('test')!, classHead: score('classHead')!, distillationHead: score('distillationHead') },
    ...(testEma && { testEma }),
    agreement: count('compared') > 0 ? (100 * count('alike')) / count('compared') : null,
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
  /** Decisions that are known; of these nothing is answered. */
  store?: DecisionStore | null;
}

/** Decisions on batches that have been made before, [B]: those past a batch's labels are padding. */
export interface DecisionStore {
  /** null where the teacher is to be asked. */
  find(batch: EvalBatch): Int32Array | null;
  keep(batch: EvalBatch, decided: Int32Array, milliseconds: number): void;
}

/** Decides the class of every image in `batches`, by file. @returns null when it was stopped. */
export async function decideAll(parts: DecideParts): Promise<Map<string, number> | null> {
  const decided = new Map<string, number>();
  for await (const batch of parts.batches) {
    if (parts.stop.aborted) return null;
    const { labels, files } = batch;
    const known = parts.store?.find(batch) ?? (await decide(parts, batch));
    known.subarray(0, labels.length).forEach((decision, row) => decided.set(files[row], decision));
    parts.onProgress(decided.size);
  }
  return parts.stop.aborted ? null : decided;
}

async function decide({ answer, classes, batchBytes, onAnswers, store }: DecideParts, batch: EvalBatch) {
  const started = performance.now();
  const logits = await answer(filledUp(batch.images, batchBytes));
  onAnswers?.(logits, batch);
  const decided = decisions(logits, logits.length / classes, classes);
  store?.keep(batch, decided, performance.now() - started);
  return decided;
}

/** Fills a last batch with empty rows: the steps take no less than `bytes`. */
export function filledUp(images: Uint8Array, bytes: number): Uint8Array {
  if (images.length === bytes) return images;
  const filled = new Uint8Array(bytes);
  filled.set(images);
  return filled;
}
