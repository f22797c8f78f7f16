import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openExternal } from '../../src-main/job-process/teacher/external-teacher.ts';
import type { CardValues } from '../../src-main/protocol/teacher-card.ts';
import { softDistillation } from '../../src-main/train/losses.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { cardPath, readTeacherCard } from '../../src-main/weights/teacher-card.ts';
import { buildPrograms } from '../helpers/build.ts';
import { testEngine } from '../helpers/engine.ts';
import { copyTeacher, EXPECTED, fixtureImages } from '../helpers/teachers.ts';
import keras from '../fixtures/teachers/keras.json';

/** What a file shows of its answers and its images, against what its card says; the numbers are torch's. */
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-answers-'));
let engine: Engine;
let onnxEntry: string;

beforeAll(async () => {
  engine = await testEngine();
  onnxEntry = join(await buildPrograms(), 'onnx.worker.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let copies = 0;

async function opened(name: string, card: CardValues = {}) {
  const path = copyTeacher(name, folder, `${++copies}-${name}`);
  writeFileSync(cardPath(path), JSON.stringify(card));
  return openExternal(await readTeacherCard(path, ''), { engine, classes: EXPECTED.classes, onnxEntry });
}

/** Its card as it was opened, and its answers to the images of the fixtures. */
async function answered(name: string, card: CardValues = {}, images = fixtureImages('NCHW')) {
  const teacher = await opened(name, card);
  try {
    return { card: teacher.card, values: await teacher.ask(images, 3) };
  } finally {
    await teacher.close();
  }
}

const codes = ({ card }: Awaited<ReturnType<typeof answered>>) => card.notes.map(({ code }) => code);

const softmax = (row: readonly number[]): number[] => {
  const exps = row.map(Math.exp);
  return exps.map((one) => one / exps.reduce((sum, other) => sum + other, 0));
};

function expectSameDistribution(values: Float32Array): void {
  EXPECTED.logits.forEach((row, index) => {
    const got = softmax([...values.subarray(4 * index, 4 * index + 4)]);
    softmax(row).forEach((value, place) => expect(got[place]).toBeCloseTo(value, 5));
  });
}

describe('the answers of a teacher whose card says nothing', () => {
  it.each([
    ['plain.onnx', 'logits', 'answers'],
    ['log-softmax.onnx', 'logits', 'file'],
    ['hidden-softmax.onnx', 'probabilities', 'answers'],
  ])('of %s are %s, as its %s show, and teach what torch does', async (name, output, from) => {
    const got = await answered(name);
    expect(got.card).toMatchObject({ output, from: { output: from } });
    expect(codes(got).includes('teacher.taken-probabilities')).toBe(output === 'probabilities');
    expectSameDistribution(got.values);
    const teacher = tf.tensor2d(got.values, [3, 4]);
    const { student, tau, soft } = EXPECTED;
    expect(softDistillation(tf.tensor2d(student), teacher, tau).dataSync()[0]).toBeCloseTo(soft, 5);
  });

  it('are probabilities where its graph ends in a softmax', async () => {
    const got = await answered('nhwc-probabilities.onnx', {}, fixtureImages('NHWC'));
    expect(got.card).toMatchObject({ output: 'probabilities', from: { output: 'file' } });
    expect(codes(got)).toContain('teacher.taken-probabilities');
    expectSameDistribution(got.values);
  });
});

describe('a card that the file contradicts', () => {
  it.each<[string, CardValues, string, RegExp]>([
    [
      'nhwc-probabilities.onnx',
      { output: 'logits' },
      'teacher.answers',
      /says .* logits, .* probabilities: Softmax.*--output probabilities/,
    ],
    ['hidden-softmax.onnx', { output: 'logits' }, 'teacher.answers', /it answers probabilities: 0\.\d+ /],
    ['plain.onnx', { output: 'probabilities' }, 'teacher.answers', /says .* probabilities, and it answers logits/],
    ['log-softmax.onnx', { output: 'probabilities' }, 'teacher.answers', /it answers logits: LogSoftmax/],
    ['sigmoid.onnx', {}, 'teacher.sigmoid', /through a sigmoid/],
    [
      'rescaling.onnx',
      { mean: [0.5, 0.5, 0.5] },
      'teacher.normalises',
      /mul 0\.007843, sub 1.*--mean 0 0 0 --std 0\.00392157/,
    ],
    ['normalising.onnx', { std: [0.229, 0.224, 0.225] }, 'teacher.normalises', /--std 1 1 1/],
    ['bytes.onnx', { mean: [0.5, 0.5, 0.5] }, 'teacher.normalises', /uint8, div 255/],
    ['unclear.onnx', {}, 'teacher.scale-unclear', /mul 100/],
  ])('%s with %j is refused with what was seen', async (name, card, code, message) => {
    const failure = opened(name, card);
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

describe('a file that prepares pixels itself', () => {
  it.each([
    ['rescaling.onnx', [1 / 255, 1 / 255, 1 / 255]],
    ['normalising.onnx', [1, 1, 1]],
    ['bytes.onnx', [1 / 255, 1 / 255, 1 / 255]],
  ])('%s is shown them as they are, and that is noted', async (name, std) => {
    const got = await answered(name);
    expect(got.card).toMatchObject({ mean: [0, 0, 0], std });
    expect(codes(got)).toContain('teacher.taken-pixels');
    expect(codes(await answered(name, { mean: [0, 0, 0], std: std as [number, number, number] }))).not.toContain(
      'teacher.taken-pixels',
    );
  });

  it('is shown whole bytes where it wants them, and answers as the plain network does', async () => {
    const pixels = Float32Array.from(fixtureImages('NCHW'), (value) => Math.round((value + 1) * 127.5));
    const bytes = await answered('bytes.onnx', {}, pixels.slice());
    const plain = await answered(
      'plain.onnx',
      {},
      pixels.map((value) => value / 255),
    );
    bytes.values.forEach((value, at) => expect(value).toBeCloseTo(plain.values[at], 4));
  });

  it('of Keras, with its own rescaling and softmax, answers as Keras does', async () => {
    const pixels = Float32Array.from(fixtureImages('NHWC'), (value) => Math.floor((value + 1) * 127.5 + 0.5));
    const got = await answered('keras-saved', {}, pixels);
    expect(got.card).toMatchObject({ mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255], output: 'probabilities' });
    expect(codes(got)).toEqual(expect.arrayContaining(['teacher.taken-pixels', 'teacher.taken-probabilities']));
    keras.probabilities.forEach((row, at) => {
      const ours = softmax([...got.values.subarray(4 * at, 4 * at + 4)]);
      row.forEach((value, place) => expect(ours[place]).toBeCloseTo(value, 5));
    });
  });

  it('may scale in its own way where mean and std are given', async () => {
    const got = await answered('unclear.onnx', { mean: [0, 0, 0], std: [1, 1, 1] });
    expect(codes(got)).not.toContain('teacher.taken-pixels');
  });
});
