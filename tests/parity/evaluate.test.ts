import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Answering } from '../../src-main/protocol/evaluation.ts';
import { AnswerRecorder, answersFor } from '../../src-main/train/answers.ts';
import { fuse } from '../../src-main/train/metrics.ts';
import { calibrationBins, classReports, confusionCells, headReport } from '../../src-main/train/report.ts';
import { signed, uniform } from '../helpers/generated.ts';

/** Of scikit-learn, timm and torch; see make-evaluate-fixture.py. */
interface Expected {
  acc1: number;
  acc5: number;
  nll: number;
  loss: number;
  confidence: number;
  ece: number;
  bins: number[];
  agreement: number;
  precision: number[];
  recall: number[];
  f1: number[];
  count: number[];
  confusion: number[][];
}
const fixture = JSON.parse(readFileSync(new URL('evaluate.json', import.meta.url), 'utf8')) as {
  images: number;
  classes: number;
} & Record<'class' | 'distillation' | 'test', Expected>;
const { images, classes } = fixture;

const labels = Int32Array.from(uniform('evaluate.labels', images), (value) => Math.floor(value * (classes - 1)));
const files = Array.from(labels, (_, at) => `val/${at}.png`);

function logitsOf(name: string, push: number): Float32Array {
  const logits = signed(`evaluate.${name}`, images * classes, 3);
  const pushed = uniform(`evaluate.${name}.pushed`, images);
  labels.forEach((label, row) => (logits[row * classes + label] += pushed[row] < 0.6 ? push : 0));
  return logits;
}

/** In batches of 128, the last of them short and padded, as an evaluation has them. */
function recorded(logits: Float32Array): AnswerRecorder {
  const recorder = new AnswerRecorder(classes);
  for (let first = 0; first < images; first += 128) {
    const batch = new Float32Array(128 * classes);
    batch.set(logits.subarray(first * classes, (first + 128) * classes));
    recorder.add(batch, { files: files.slice(first, first + 128), labels: labels.subarray(first, first + 128) });
  }
  return recorder;
}

const [own, taught] = [logitsOf('class', 3), logitsOf('distillation', 4)];
const test = recorded(fuse(own, taught));
const teacher = answersFor(files, recorded(logitsOf('teacher', 5)));
const answered = {
  files,
  labels,
  kept: 5,
  heads: new Map([
    ['test', test.answers()],
    ['class', recorded(own).answers()],
    ['distillation', recorded(taught).answers()],
    ['teacher', teacher],
  ]),
};

describe.each(['test', 'class', 'distillation'] as const)('the report of %s', (head) => {
  const expected = fixture[head];

  it('scores as timm and torch', () => {
    const report = headReport(answered, head, { classes });
    expect(report.acc1).toBeCloseTo(expected.acc1, 4);
    expect(report.acc5).toBeCloseTo(expected.acc5, 4);
    expect(report.nll).toBeCloseTo(expected.nll, 6);
    expect(report.nll).toBeCloseTo(expected.loss, 6);
    expect(report.agreement).toBeCloseTo(expected.agreement, 9);
  });

  it('is calibrated as it says', () => {
    const report = headReport(answered, head, { classes });
    expect(report.confidence).toBeCloseTo(expected.confidence, 6);
    expect(report.ece).toBeCloseTo(expected.ece, 6);
    const bins = calibrationBins(answered.heads.get(head)!, labels, 5);
    expect(bins.map(({ count }) => count)).toEqual(expected.bins);
  });

  it('tells of every class what scikit-learn does', () => {
    const reports = classReports(answered, head, classes);
    expect(reports.map(({ count }) => count)).toEqual(expected.count);
    reports.forEach(({ acc1, precision, f1 }, label) => {
      // scikit-learn writes 0 where there is nothing to divide by.
      expect((acc1 ?? 0) / 100).toBeCloseTo(expected.recall[label], 9);
      expect((precision ?? 0) / 100).toBeCloseTo(expected.precision[label], 9);
      expect((f1 ?? 0) / 100).toBeCloseTo(expected.f1[label], 9);
    });
    expect(reports[classes - 1]).toMatchObject({ count: 0, acc1: null, acc5: null, confused: null });
    const worst = expected.confusion[0].map((count, label) => (label === 0 ? 0 : count));
    expect(reports[0].confused?.count).toBe(Math.max(...worst));
  });

  it('has the confusion matrix of scikit-learn', () => {
    const cells = confusionCells(answered, head);
    const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    for (let at = 0; at < cells.length; at += 3) matrix[cells[at]][cells[at + 1]] = cells[at + 2];
    expect(matrix).toEqual(expected.confusion);
  });
});

it('agrees with the teacher class by class, and leaves out what it could not read', () => {
  const heads = new Map(answered.heads);
  const [first] = files;
  const some = recorded(logitsOf('teacher', 5));
  some.files[0] = 'another.png';
  heads.set('teacher', answersFor(files, some));
  const part = { ...answered, heads };
  const whole = headReport(answered, 'test' satisfies Answering, { classes }).agreement!;
  const wasAlike = teacher.top[0] === answered.heads.get('test')!.top[0] ? 1 : 0;
  const alike = Math.round((whole * images) / 100) - wasAlike;
  expect(first).toBe('val/0.png');
  expect(headReport(part, 'test', { classes }).agreement).toBeCloseTo((100 * alike) / (images - 1), 9);
  const shares = classReports(answered, 'test', classes).filter(({ agreement }) => agreement !== null);
  const sum = shares.reduce((total, { agreement, count }) => total + (agreement! * count) / 100, 0);
  expect(sum).toBeCloseTo((whole * images) / 100, 6);
});

it('scores by the labels of ReaL only the images that have one', () => {
  const top = answered.heads.get('test')!.top;
  const real = new Map(files.map((file, row) => [file, new Set(row % 3 === 0 ? [] : row % 3 === 1 ? [top[row * 5], 3] : [12])])); // prettier-ignore
  expect(headReport(answered, 'test', { classes, real }).real).toEqual({ acc1: 50, images: 400 });
});
