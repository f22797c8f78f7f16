import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLoader, type Batch } from '../../../src-main/data/batches/loader.ts';
import { listDataset, type Dataset } from '../../../src-main/data/layout/folder.ts';
import type { Engine } from '../../../src-main/engines/engine.ts';
import { trainingRecipe } from '../../../src-main/job-process/images/loader-recipe.ts';
import { answerKey, digestOfTeacher, storeId, type KeyParts } from '../../../src-main/job-process/teacher/answer-key.ts'; // prettier-ignore
import { ANSWERS_BY } from '../../../src-main/protocol/answers-by.ts';
import { answerForm } from '../../../src-main/job-process/teacher/kept-answers.ts';
import { planTeacher } from '../../../src-main/job-process/teacher/teacher.ts';
import { createModel } from '../../../src-main/model/zoo.ts';
import { FIELDS, parseRecipe, WITHOUT_AUGMENTATION, type Field, type Recipe, type RecipeKey } from '../../../src-main/protocol/recipe.ts'; // prettier-ignore
import { hash } from '../../../src-main/trace/print.ts';
import { drawValues } from '../../../src-main/train/mix.ts';
import { noiseRows } from '../../../src-main/train/submodels.ts';
import { recordTeacherAnswers } from '../../../src-main/train/teacher.ts';
import { testEngine } from '../../helpers/engine.ts';
import { ownWorkers } from '../../helpers/own-decode.ts';
import { copyTeacher } from '../../helpers/teachers.ts';
import { makeTinyData } from '../../helpers/tiny-data.ts';

/** Every setting of a recipe is in the key of kept answers, or the teacher sees and answers the same without it. */

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-key-'));
const data = makeTinyData(join(folder, 'data'), { classes: ['amber', 'blue', 'clay'], train: 8, val: 2 });
let engine: Engine;
let teacherPath: string;
let dataset: Dataset;
beforeAll(async () => {
  engine = await testEngine();
  teacherPath = copyTeacher('plain-saved', folder);
  writeFileSync(`${teacherPath}.card.json`, JSON.stringify({ classes: ['clay', 'amber', 'dune', 'blue'] }));
  dataset = await listDataset(data);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that can be drawn is. */
const base = (more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    ...{ model: 'test_deit_distilled_patch16_32', dataPath: data, inputSize: 32, batchSize: 8, teacherPath },
    ...{ ...WITHOUT_AUGMENTATION, distillationType: 'hard', teachOnce: true, mixup: 0.8, cutmix: 1, reprob: 0.9 },
    ...{ colorJitter: 0.4, ...more },
  });

/** Values that are not like any other of their type. */
const OTHERS: Partial<Record<RecipeKey, unknown>> = {
  model: 'test_deit_patch16_32',
  aa: 'rand-m9-mstd0.5-inc1',
  cutmixMinmax: '0.2 0.8',
  optBeta1: 0.5,
  precision: 'bfloat16',
  device: 'cpu',
  export: 'onnx',
  inputSize: 48,
  batchSize: 6,
};

function otherValue(field: Field): unknown {
  if (field.key in OTHERS) return OTHERS[field.key];
  const now = base()[field.key];
  switch (field.type) {
    case 'boolean':
      return !now;
    case 'choice':
      return field.choices.find((choice) => choice !== now);
    case 'integer':
      return now === field.min ? field.min + 1 : field.min;
    case 'number':
      return now === field.min ? field.min + (field.max - field.min) / 2 : (Number(now) + field.min) / 2;
    default:
      return `${String(now)}x`;
  }
}

async function partsOf(recipe: Recipe, more: Partial<KeyParts> = {}): Promise<KeyParts> {
  const { model, inputSize, dropPath, drop, deit3Style, recompute } = recipe;
  const student = createModel(model, { classes: 3, inputSize, dropPath, drop, deit3Style, recompute });
  const teacher = await planTeacher({ teacherModel: recipe.teacherModel, teacherPath }, dataset.classes);
  const form = answerForm(recipe, 3);
  return { recipe, dataset, student, teacher, form, precision: 'float32', ahead: 0, digest: 'teacher', ...more };
}

const idOf = async (recipe: Recipe, more: Partial<KeyParts> = {}) => storeId(answerKey(await partsOf(recipe, more)));

/** The images of the first batches, all that is drawn for them, and the program by which a network answers them. */
async function shown(recipe: Recipe) {
  const { student } = await partsOf(recipe);
  const own = trainingRecipe(recipe);
  const rows = noiseRows(student, recipe);
  const loader = createLoader({ dataset, recipe: own, workers: ownWorkers(own), noiseRows: rows, onSkip: () => undefined }); // prettier-ignore
  const batches: unknown[] = [];
  const take = ({ images, files, labels, ...draws }: Batch) =>
    batches.push([hashOf(images), files, labels, drawValues(recipe, draws, recipe.batchSize, batches.length + 1)]);
  for (const epoch of [0, 1]) for await (const batch of loader.trainBatches(epoch)) take(batch);
  await loader.close();
  const network = createModel('test_deit_patch16_32', { classes: 3, inputSize: 32 });
  const program = recordTeacherAnswers(engine, { student, recipe, batchSize: recipe.batchSize }, network);
  return { batches, program: hash(program) };
}

/** What the recipe without a change shows, made once. */
let unchanged: ReturnType<typeof shown> | undefined;

const hashOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

const keysBy = (how: string) => FIELDS.filter(({ key }) => ANSWERS_BY[key] === how);

describe('the key of kept answers', () => {
  it('decides on every setting', () => {
    expect(Object.keys(ANSWERS_BY).sort()).toEqual(FIELDS.map(({ key }) => key).sort());
  });

  it.each(keysBy('value').map((field) => [field.key, field] as const))('holds %s', async (key, field) => {
    expect(await idOf(base({ [key]: otherValue(field) }))).not.toBe(await idOf(base()));
  });

  it.each(keysBy('none').map((field) => [field.key, field] as const))('does not need %s', async (key, field) => {
    const changed = base({ [key]: otherValue(field) });
    expect(changed[key]).not.toEqual(base()[key]);
    expect(await idOf(changed)).toBe(await idOf(base()));
    expect(await shown(changed)).toEqual(await (unchanged ??= shown(base())));
  });

  it('holds the form of what is kept', async () => {
    const soft = base({ distillationType: 'soft' });
    const ids = [base(), soft, { ...soft, answersType: 'float32' as const }].map((recipe) => idOf(recipe));
    expect(new Set(await Promise.all(ids)).size).toBe(3);
    expect(keysBy('form').map(({ key }) => key)).toEqual(['distillationType', 'answersType']);
  });

  it('holds which images there are, in which order and of which classes, not where they lie', async () => {
    const [first, ...others] = dataset.train;
    const own = await idOf(base());
    for (const train of [
      others,
      [...others, first],
      [{ ...first, file: 'other.png' }, ...others],
      [{ ...first, label: 2 }, ...others],
    ])
      // prettier-ignore
      expect(await idOf(base(), { dataset: { ...dataset, train } })).not.toBe(own);
    const classes = [...dataset.classes].reverse();
    expect(await idOf(base(), { dataset: { ...dataset, classes } })).not.toBe(own);
    expect(await idOf(base({ dataPath: '/elsewhere' }), { dataset: { ...dataset, path: '/elsewhere' } })).toBe(own);
    // A list of images that is read or split otherwise is another one; the settings that say so need not be in it.
    expect(keysBy('data').map(({ key }) => key)).toEqual(['dataPath', 'dataReading', 'splitSeed']);
  });

  it('holds the bytes of the teacher, what its card says, and how a network computes', async () => {
    const own = await idOf(base());
    const { teacher } = await partsOf(base());
    expect(await idOf(base(), { digest: 'other' })).not.toBe(own);
    for (const more of [
      { inputSize: 48 },
      { mean: [0, 0, 0] as [number, number, number] },
      { std: [1, 1, 1] as [number, number, number] },
      { interpolation: 'bilinear' as const },
      { output: 'probabilities' as const },
      { outputName: 'x' },
      { entry: 'ema' },
    ])
      // prettier-ignore
      expect(await idOf(base(), { teacher: { ...teacher, card: { ...teacher.card, ...more } } })).not.toBe(own);
    expect(await idOf(base(), { teacher: { ...teacher, columns: [2, 1, 0] } })).not.toBe(own);
    expect(await idOf(base(), { teacher: { ...teacher, card: { ...teacher.card, path: '/moved', cropRatio: 0.5 } } })).toBe(own); // prettier-ignore
    const network = createModel('test_deit_patch16_32', { classes: 3, inputSize: 32 });
    const inside = { teacher: { ...teacher, network } };
    expect(await idOf(base(), { ...inside, precision: 'bfloat16' })).not.toBe(await idOf(base(), inside));
    expect(keysBy('teacher').map(({ key }) => key).sort()).toEqual(['precision', 'teacherModel', 'teacherPath']); // prettier-ignore
  });

  it('holds the colours of erased pixels, and noise that is of other steps, where anything is erased', async () => {
    const { student } = await partsOf(base());
    const other = { ...student, mean: [0.5, 0.5, 0.5] as [number, number, number] };
    expect(await idOf(base(), { student: other })).not.toBe(await idOf(base()));
    expect(await idOf(base(), { ahead: 7 })).not.toBe(await idOf(base()));
    const without = base({ reprob: 0 });
    expect(await idOf(without, { student: other, ahead: 7 })).toBe(await idOf(without));
    expect(keysBy('student').map(({ key }) => key)).toEqual(['model']);
  });

  it('digests the files of a teacher', async () => {
    const { card } = (await partsOf(base())).teacher;
    const own = await digestOfTeacher(card);
    expect(await digestOfTeacher({ ...card, path: copyTeacher('plain-saved', folder, 'copied') })).toBe(own);
    const changed = copyTeacher('plain-saved', folder, 'changed');
    writeFileSync(join(changed, 'assets.txt'), 'more');
    expect(await digestOfTeacher({ ...card, path: changed })).not.toBe(own);
  });
});
