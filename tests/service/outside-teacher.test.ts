import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reason, type ReasonValue } from '../../src-main/protocol/reasons.ts';
import type { CardValues } from '../../src-main/protocol/teacher-card.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { openExternal, type ExternalTeacher } from '../../src-main/job-process/teacher/external-teacher.ts';
import { openTeacher, planTeacher } from '../../src-main/job-process/teacher/teacher.ts';
import { cardPath, changeTeacherCard, readTeacherCard } from '../../src-main/weights/teacher-card.ts';
import { buildPrograms } from '../helpers/build.ts';
import { testEngine } from '../helpers/engine.ts';
import { copyTeacher, EXPECTED, fixtureImages, SIDE, teacherFixture } from '../helpers/teachers.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-teachers-'));
let engine: Engine;
let onnxEntry: string;

beforeAll(async () => {
  engine = await testEngine();
  onnxEntry = join(await buildPrograms(), 'onnx.worker.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (path: string) => readTeacherCard(path, 'regnety_160');

async function opened(path: string, classes = EXPECTED.classes): Promise<ExternalTeacher> {
  return openExternal(await read(path), { engine, classes, onnxEntry });
}

/** What a teacher answers to the three images of the fixtures. */
async function answers(path: string, classes = EXPECTED.classes): Promise<number[][]> {
  const { layout } = await read(path);
  const teacher = await opened(path, classes);
  try {
    const values = await teacher.ask(fixtureImages(layout), 3);
    return [0, 1, 2].map((row) => Array.from(values.subarray(row * classes.length, (row + 1) * classes.length)));
  } finally {
    await teacher.close();
  }
}

function withCard(path: string, card: CardValues): string {
  writeFileSync(cardPath(path), JSON.stringify(card));
  return path;
}

function expectClose(got: number[][], expected: number[][]): void {
  expect(got.length).toBe(expected.length);
  got.forEach((row, index) => row.forEach((value, place) => expect(value).toBeCloseTo(expected[index][place], 4)));
}

describe('an outside teacher answers what torch does', () => {
  it.each(['plain.onnx', 'one-by-one.onnx', 'plain-saved'])('%s', async (name) => {
    expectClose(await answers(teacherFixture(name)), EXPECTED.logits);
  });

  it('with probabilities, up to what is the same for all classes', async () => {
    const path = withCard(copyTeacher('nhwc-probabilities.onnx', folder), { output: 'probabilities' });
    const total = (row: number[]) => Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const normalised = EXPECTED.logits.map((row) => row.map((logit) => logit - total(row)));
    expectClose(await answers(path), normalised);
  });

  it('with one output of several, and a fixed number of images that the batch does not hold', async () => {
    const path = withCard(copyTeacher('two-outputs-saved', folder), { outputName: 'scores' });
    expect(await read(path)).toMatchObject({ batch: 2, outputName: 'scores', from: { outputName: 'card' } });
    expectClose(await answers(path), EXPECTED.logits);
  });

  it('in the order of the data, where it knows more classes than they have', async () => {
    const classes = ['amber', 'blue', 'clay'];
    const columns = classes.map((name) => EXPECTED.classes.indexOf(name));
    const picked = EXPECTED.logits.map((row) => columns.map((column) => row[column]));
    expectClose(await answers(teacherFixture('plain.onnx'), classes), picked);
  });

  it('in the order of the folders, where it names none and the student has them otherwise', async () => {
    const folders = EXPECTED.classes;
    const classes = [folders[3], folders[1], folders[0], folders[2]];
    const plan = await planTeacher({ teacherPath: teacherFixture('plain-saved'), teacherModel: '' }, classes, { folders }); // prettier-ignore
    expect(plan.card).toMatchObject({ classes: null, outputs: 4 });
    const { outside, close } = await openTeacher(plan, { engine, state: engine.newState(), classes });
    try {
      const values = [...(await outside!.ask(fixtureImages('NHWC'), 3))];
      const expected = EXPECTED.logits.map((row) => [row[3], row[1], row[0], row[2]]);
      expectClose([0, 4, 8].map((at) => values.slice(at, at + 4)), expected); // prettier-ignore
    } finally {
      await close();
    }
  });

  it('to several questions at a time, in order', async () => {
    const teacher = await opened(teacherFixture('one-by-one.onnx'));
    const [whole, first] = await Promise.all([
      teacher.ask(fixtureImages('NCHW'), 3),
      teacher.ask(fixtureImages('NCHW').slice(0, 3 * SIDE * SIDE), 1),
    ]);
    expect(Array.from(whole.subarray(0, 4))).toEqual(Array.from(first));
    expect(whole.length).toBe(12);
    await teacher.close();
  });
});

describe('a teacher that cannot be one', () => {
  const failure = async (path: string) =>
    opened(path).then(
      async (teacher) => {
        await teacher.close();
        throw new Error('it was opened');
      },
      (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
    );

  it('is refused with what it has, and what is expected', async () => {
    expect(await failure(teacherFixture('no-scores.onnx'))).toMatch(
      /teacher.interface.*expected one output of float32 scores.*got pooled float32 \[\?, 8, 1, 1\]/,
    );
    expect(await failure(teacherFixture('two-outputs-saved'))).toMatch(
      /teacher.interface.*got (features float32 \[2, 8\]|scores float32 \[2, 4\]), /,
    );
    const path = withCard(copyTeacher('plain-saved', folder, 'signature'), { signature: 'train' });
    expect(await failure(path)).toMatch(
      /a signature named train, got serving_default \(images float32 \[\?, 24, 24, 3\]/,
    );
    const side = withCard(copyTeacher('plain.onnx', folder, 'side.onnx'), { inputSize: 32 });
    expect(await failure(side)).toMatch(/expected images of side 32, as its card says, got images float32/);
  });

  it('is refused by ONNX Runtime, in its words, where an operation is unknown', async () => {
    expect(await failure(teacherFixture('unknown-op.onnx'))).toMatch(/teacher.run.*unknown-op.onnx failed.*Twirl/);
  });

  it('is refused where it does not know the classes', async () => {
    const error = opened(teacherFixture('plain.onnx'), ['amber', 'jade', 'onyx']);
    await expect(error).rejects.toMatchObject({ code: 'teacher.lacks-classes', params: { missing: 'jade, onyx' } });
    const unnamed = opened(teacherFixture('plain-saved'), ['amber', 'jade', 'onyx']);
    await expect(unnamed).rejects.toMatchObject({ code: 'teacher.classes', params: { teacherClasses: 4 } });
  });

  it('is refused where its graph would write a file, before it runs', async () => {
    const error = await failure(teacherFixture('writing-saved'));
    expect(error).toMatch(/weights.hostile.*asks to run WriteFile/);
    expect(existsSync('/tmp/stillhouse-test-was-executed')).toBe(false);
  });

  it.each([0, 1, 7, 200, 1500, 2200])('is refused when only %i bytes of it are there', async (length) => {
    const path = copyTeacher('plain.onnx', folder, `cut-${length}.onnx`);
    truncateSync(path, length);
    expect(await failure(path)).toMatch(/teacher\.(format|interface)/);
    const saved = copyTeacher('plain-saved', folder, `cut-${length}`);
    truncateSync(join(saved, 'saved_model.pb'), length);
    expect(await failure(saved)).toMatch(/teacher\.(format|interface)/);
  });

  it('is refused when it is something else', async () => {
    const path = join(folder, 'text.onnx');
    writeFileSync(path, 'This is no model, whatever its name says. '.repeat(50));
    expect(await failure(path)).toMatch(/teacher.format/);
    const saved = copyTeacher('plain-saved', folder, 'no-variables');
    rmSync(join(saved, 'variables'), { recursive: true });
    expect(await failure(saved)).toMatch(/teacher.run.*no-variables/);
    const damaged = copyTeacher('plain.onnx', folder, 'weights.onnx');
    const bytes = readFileSync(damaged);
    bytes.write('conv.weighT', bytes.lastIndexOf('conv.weight'));
    writeFileSync(damaged, bytes);
    expect(await failure(damaged)).toMatch(/teacher.run/);
  });

  it('is refused when it answers in another shape, though its file does not say so', async () => {
    expect(await failure(teacherFixture('shapeless.onnx'))).toMatch(
      /teacher.interface.*expected scores \[1, 4\] for 1 images, got \[1, 8, 1, 1\]/,
    );
  });

  it('fails a question that it cannot answer, and all of them once it is closed', async () => {
    const teacher = await opened(teacherFixture('plain.onnx'));
    await expect(teacher.ask(new Float32Array(10), 1)).rejects.toMatchObject({ code: 'teacher.run' });
    const [asked] = await Promise.allSettled([teacher.ask(fixtureImages('NCHW'), 3), teacher.close()]);
    expect(asked).toMatchObject({ status: 'rejected', reason: { code: 'teacher.run' } });
    await expect(teacher.ask(fixtureImages('NCHW'), 3)).rejects.toMatchObject({ code: 'teacher.run' });
  });
});

describe('a card', () => {
  it('takes each field from the card file, then the weight file, then the defaults', async () => {
    const path = withCard(copyTeacher('plain.onnx', folder, 'fields.onnx'), { cropRatio: 0.8, mean: [0.1, 0.2, 0.3] });
    expect(await read(path)).toMatchObject({
      ...{ kind: 'onnx', name: 'fields.onnx', inputSize: 24, layout: 'NCHW', mean: [0.1, 0.2, 0.3], cropRatio: 0.8 },
      ...{ std: [0.25, 0.3, 0.35], interpolation: 'bilinear', classes: EXPECTED.classes, outputs: 4, batch: null },
      from: { inputSize: 'file', mean: 'card', cropRatio: 'card', std: 'file', output: 'default' },
    });
  });

  it('is changed in some fields, keeps the others, and gives up those that are dropped', async () => {
    const path = withCard(copyTeacher('plain.onnx', folder, 'edited.onnx'), { cropRatio: 0.8, mean: [0.1, 0.2, 0.3] });
    const card = await changeTeacherCard(path, 'regnety_160', { output: 'probabilities', std: [1, 1, 1] }, ['mean']);
    expect(card).toEqual(await read(path));
    expect(card.from).toMatchObject({ output: 'card', std: 'card', cropRatio: 'card', mean: 'file' });
    expect(JSON.parse(readFileSync(cardPath(path), 'utf8'))).toEqual({
      ...{ cropRatio: 0.8, output: 'probabilities', std: [1, 1, 1] },
    });
  });

  it.each<[CardValues, string]>([
    [{ classes: ['a', 'b'] }, 'classes'],
    [{ std: [0, 1, 1] }, 'std.0'],
  ])('is not written where it would be wrong: %j', async (fields, key) => {
    const path = withCard(copyTeacher('plain.onnx', folder, 'refused.onnx'), { cropRatio: 0.8 });
    const before = readFileSync(cardPath(path), 'utf8');
    await expect(changeTeacherCard(path, 'regnety_160', fields, [])).rejects.toMatchObject({
      ...{ code: 'teacher.card', params: { key } },
    });
    expect(readFileSync(cardPath(path), 'utf8')).toBe(before);
  });

  it.each<[string, ReasonValue]>([
    ['{"inputSide": 3}', 'inputSide'],
    ['{"mean": [0, 0]}', 'mean.2'],
    ['[]', reason('value.the-file')],
    ['{', reason('value.the-file')],
    ['{"classes": ["a", "b"]}', 'classes'],
  ])('that is %s is refused, naming the field', async (text, key) => {
    const path = copyTeacher('plain.onnx', folder, 'wrong.onnx');
    writeFileSync(cardPath(path), text);
    await expect(read(path)).rejects.toMatchObject({ code: 'teacher.card', params: { key } });
  });
});
