import {
  CALIBRATION_BINS,
  type Answering,
  type CalibrationBin,
  type ClassReport,
  type HeadReport,
} from '../protocol/evaluation.ts';
import type { Answered, Answers } from './answers.ts';

/**
 * Reports of what was answered: pure functions of labels and answers. Letters: n images, K classes, k answers kept.
 */

/** Images by the classes that others found in them: of each, the labels that count as right. */
export type RightLabels = ReadonlyMap<string, ReadonlySet<number>>;

/** Reports one head over all images that it answered. */
export function headReport(
  answered: Answered,
  head: Answering,
  options: { classes: number; real?: RightLabels | null },
): HeadReport {
  const answers = answersOf(answered, head);
  const { kept, labels } = answered;
  const rows = rowsOf(answers, kept);
  const share = (good: (row: number) => boolean): number => (100 * rows.filter(good).length) / rows.length;
  const mean = (value: (row: number) => number): number | null =>
    orNull(rows.reduce((sum, row) => sum + value(row), 0) / rows.length);
  return {
    head,
    acc1: share((row) => answers.rank[row] === 0),
    acc5: share((row) => answers.rank[row] < Math.min(5, options.classes)),
    nll: mean((row) => answers.loss[row]),
    confidence: mean((row) => answers.probability[row * kept]),
    ece: expectedError(calibrationBins(answers, labels, kept)),
    agreement: head === 'teacher' ? null : agreementOf(answered, answers, rows),
    real: options.real ? realScore(answered, answers, rows, options.real) : null,
  };
}

/** Returns a number that JSON can hold; null for any other. */
export function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function answersOf({ heads }: Answered, head: Answering): Answers {
  const answers = heads.get(head);
  if (!answers) throw new Error(`answersOf: ${head} did not answer`);
  return answers;
}

/** Rows that have an answer. */
function rowsOf({ top }: Answers, kept: number): number[] {
  return Array.from({ length: top.length / kept }, (_, row) => row).filter((row) => top[row * kept] >= 0);
}

function agreementOf({ heads, kept }: Answered, answers: Answers, rows: readonly number[]): number | null {
  const teacher = heads.get('teacher');
  const both = teacher ? rows.filter((row) => teacher.top[row * kept] >= 0) : [];
  if (!teacher || both.length === 0) return null;
  return (100 * both.filter((row) => teacher.top[row * kept] === answers.top[row * kept]).length) / both.length;
}

// As the authors of ReaL count: images in which nothing of ImageNet was found do not.
function realScore({ files, kept }: Answered, { top }: Answers, rows: readonly number[], real: RightLabels) {
  const counted = rows.filter((row) => (real.get(files[row])?.size ?? 0) > 0);
  const right = counted.filter((row) => real.get(files[row])!.has(top[row * kept]));
  return { acc1: counted.length > 0 ? (100 * right.length) / counted.length : 0, images: counted.length };
}

/**
 * Sorts decisions into bins of equal width by their probability; the upper edge belongs to the bin (Guo et al., arXiv
 * 1706.04599).
 */
export function calibrationBins(
  { top, probability }: Pick<Answers, 'top' | 'probability'>,
  labels: Int32Array,
  kept: number,
): CalibrationBin[] {
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
  labels.forEach((label, row) => {
    const confidence = probability[row * kept];
    if (!(confidence >= 0)) return;
    const place = Math.max(0, Math.min(CALIBRATION_BINS, Math.ceil(confidence * CALIBRATION_BINS)) - 1);
    bins[place].count++;
    bins[place].confidence += confidence;
    if (top[row * kept] === label) bins[place].accuracy++;
  });
  return bins.map(({ count, confidence, accuracy }) => ({
    count,
    confidence: count > 0 ? confidence / count : 0,
    accuracy: count > 0 ? accuracy / count : 0,
  }));
}

/** Computes the mean distance between accuracy and confidence over bins, weighed by their images. */
export function expectedError(bins: readonly CalibrationBin[]): number {
  const all = bins.reduce((sum, { count }) => sum + count, 0);
  const off = bins.reduce((sum, { count, confidence, accuracy }) => sum + count * Math.abs(accuracy - confidence), 0);
  return all > 0 ? off / all : 0;
}

/** Lists the cells of the confusion matrix that are not 0, flat: class, decision, images; by class, then decision. */
export function confusionCells(answered: Answered, head: Answering): number[] {
  const { top } = answersOf(answered, head);
  const counts = new Map<number, Map<number, number>>();
  answered.labels.forEach((label, row) => {
    const decision = top[row * answered.kept];
    if (decision < 0) return;
    const line = counts.get(label) ?? new Map<number, number>();
    counts.set(label, line.set(decision, (line.get(decision) ?? 0) + 1));
  });
  const ordered = <Value>(map: Map<number, Value>) => [...map].sort(([a], [b]) => a - b);
  return ordered(counts).flatMap(([label, line]) =>
    ordered(line).flatMap(([decision, count]) => [label, decision, count]),
  );
}

type Scored = Omit<ClassReport, 'name' | 'title'>;

/** Reports every class in the answers of one head, in their order. */
export function classReports(answered: Answered, head: Answering, classes: number): Scored[] {
  const answers = answersOf(answered, head);
  const sums = Array.from({ length: classes }, () => newSums());
  const teacher = head === 'teacher' ? undefined : answered.heads.get('teacher');
  answered.labels.forEach((label, row) => {
    const decision = answers.top[row * answered.kept];
    if (decision < 0) return;
    const own = sums[label];
    own.count++;
    own.confidence += answers.probability[row * answered.kept];
    if (answers.rank[row] < Math.min(5, classes)) own.right5++;
    if (answers.rank[row] === 0) own.right++;
    sums[decision].predicted++;
    const theirs = teacher?.top[row * answered.kept] ?? -1;
    if (theirs >= 0) own.compared++;
    if (theirs === decision) own.alike++;
    if (decision !== label) own.wrong.set(decision, (own.wrong.get(decision) ?? 0) + 1);
  });
  return sums.map(scoredOf);
}

function newSums() {
  const counts = { count: 0, predicted: 0, right: 0, right5: 0, confidence: 0, compared: 0, alike: 0 };
  return { ...counts, wrong: new Map<number, number>() };
}

function scoredOf(sums: ReturnType<typeof newSums>): Scored {
  const { count, predicted, right, right5, confidence, compared, alike, wrong } = sums;
  const percent = (part: number, of: number): number | null => (of > 0 ? (100 * part) / of : null);
  const most = [...wrong].sort(([a, n], [b, m]) => m - n || a - b)[0];
  return {
    count,
    predicted,
    acc1: percent(right, count),
    acc5: percent(right5, count),
    precision: percent(right, predicted),
    f1: percent(2 * right, count + predicted),
    confidence: orNull(confidence / count),
    agreement: percent(alike, compared),
    confused: most ? { label: most[0], count: most[1] } : null,
  };
}
