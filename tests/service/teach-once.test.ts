import {
  cpSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readBlock, writeBlock } from '../../src-main/answers/answer-block.ts';
import { listStores } from '../../src-main/answers/answer-stores.ts';
import type { EpochRow, HistoryRow, StepRow } from '../../src-main/protocol/events.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { answersFolder, engineFolder } from '../../src-main/runs/places.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import type { JobEvent, JobRequest } from '../../src-main/jobs/job-protocol.ts';
import { cardPath } from '../../src-main/weights/teacher-card.ts';
import { buildPrograms } from '../helpers/build.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { copyTeacher } from '../helpers/teachers.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/** Trainings that are taught once: the second one takes what the first one was answered. */

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-once-'));
const engine = engineFolder();
const before = process.env.STILLHOUSE_CACHE;
const data = makeTinyData(join(folder, 'data'), { classes: ['amber', 'blue', 'clay'], train: 8, val: 2 });
let teacherPath: string;

beforeAll(() => {
  process.env.STILLHOUSE_CACHE = join(folder, 'cache');
  teacherPath = copyTeacher('plain.onnx', folder);
  const classes = ['clay', 'amber', 'dune', 'blue'];
  writeFileSync(cardPath(teacherPath), JSON.stringify({ mean: [0.5, 0.4, 0.3], std: [0.25, 0.3, 0.35], classes }));
});
afterAll(() => {
  if (before === undefined) delete process.env.STILLHOUSE_CACHE;
  else process.env.STILLHOUSE_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

/** Three steps an epoch, with everything that is drawn for a batch. */
const recipe = (more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    ...{
      model: 'test_deit_distilled_patch16_32',
      dataPath: data,
      inputSize: 32,
      batchSize: 8,
      epochs: 1,
      numWorkers: 1,
    },
    ...{ warmupEpochs: 0, lr: 1e-3, unscaleLr: true, precision: 'float32', ...WITHOUT_AUGMENTATION },
    ...{ mixup: 0.8, cutmix: 1, reprob: 0.5, distillationType: 'hard', teacherPath, teachOnce: true, ...more },
  });

const run = <Job extends JobRequest>(job: Job) => jobHere(job).done;

/** Trains, and returns its history. */
async function train(name: string, more: Partial<Recipe> = {}, resume = 'new'): Promise<HistoryRow[]> {
  const job = { kind: 'train', engine, threads: 2, run: join(folder, name), recipe: recipe(more), resume } as const;
  await expect(run(job)).resolves.toEqual({ state: 'finished' });
  return readHistory(join(folder, name));
}

const steps = (rows: HistoryRow[]) => rows.filter((row): row is StepRow => row.type === 'step');
const isEpoch = (row: HistoryRow): row is EpochRow => row.type === 'epoch';
/** Losses by epoch: how many steps a row of steps is about goes by the time they took. */
const lossesOf = (rows: HistoryRow[]) => rows.filter(isEpoch).map(({ epoch, trainLoss, test }) => [epoch, trainLoss, test.loss]); // prettier-ignore
const notesOf = (rows: readonly HistoryRow[]) => rows.flatMap((row) => (row.type === 'note' ? [row.note.code] : []));
/** Percent of its images whose answers were kept, by step row. */
const keptOf = (rows: HistoryRow[]) => steps(rows).map(({ kept }) => kept);
const all = () => listStores(answersFolder());
const stores = () => all().filter(({ facts }) => facts?.of !== 'validation');

/** Puts one image of a folder in the place of all others. */
function makeAlike(images: string): void {
  const [one, ...others] = readdirSync(images);
  for (const other of others) cpSync(join(images, one), join(images, other));
}

it('a second training, of any student and optimizer, asks for nothing that the first one was answered', async () => {
  const without = await train('without', { teachOnce: false });
  const first = await train('first');
  expect(lossesOf(first)).toEqual(lossesOf(without));
  expect(keptOf(first).every((kept) => kept === 0)).toBe(true);
  expect(stores()).toMatchObject([{ batches: 3, inUse: false, facts: { teacher: 'plain.onnx', kind: 'decisions' } }]);
  const second = await train('second');
  expect(lossesOf(second)).toEqual(lossesOf(without));
  expect(keptOf(second).every((kept) => kept === 100)).toBe(true);
  expect(steps(second)[0].saved).toBeGreaterThan(0);
  expect(notesOf(second)).toContain('answers.found');
  const other = await train('other', { opt: 'sgd', lr: 1e-2, smoothing: 0, dropPath: 0, microBatch: 4 });
  expect(keptOf(other).every((kept) => kept === 100)).toBe(true);
  expect(stores()).toHaveLength(1);
});

it('what the teacher decided on validation images is kept too, and compared with it in the first batch', async () => {
  const own = makeTinyData(join(folder, 'validated'), { classes: ['amber', 'blue', 'clay'], train: 8, val: 4 });
  const agreement = (rows: HistoryRow[]) => rows.filter(isEpoch).map((row) => row.agreement);
  const asked = agreement(await train('asked', { dataPath: own }));
  const [store] = all().filter(({ facts }) => facts?.dataPath === own && facts.of === 'validation');
  expect(store).toMatchObject({ batches: 2, inUse: false, facts: { teacher: 'plain.onnx', kind: 'decisions' } });
  expect(agreement(await train('kept', { dataPath: own }))).toEqual(asked);
  const form = { kind: 'decisions', classes: 3, type: 'float32', batchSize: 8 } as const;
  const [name] = readdirSync(store.path).filter((one) => one.endsWith('.answers'));
  const file = join(store.path, name);
  const block = readBlock(form, readFileSync(file))!;
  /** Has the store say another class for the four images of the second batch, or of a whole one. */
  const otherwise = (batch: number) => {
    const answers = Uint16Array.from(new Uint16Array(new Uint8Array(block.answers).buffer), (answer, at) => at >> 3 === batch ? (answer + 1) % 3 : answer); // prettier-ignore
    writeFileSync(file, writeBlock(form, { ...block, answers: new Uint8Array(answers.buffer) }));
  };
  otherwise(1);
  const trusted = await train('trusted', { dataPath: own });
  expect(agreement(trusted)).not.toEqual(asked);
  otherwise(0);
  const dropped = await train('dropped', { dataPath: own });
  expect([agreement(dropped), notesOf(dropped).includes('answers.differ')]).toEqual([asked, true]);
});

it('a training that goes on, and a longer one, ask for the rest', async () => {
  const longer = await train('first', { epochs: 2 }, 'auto');
  expect(new Set(keptOf(longer.slice(-4)))).toEqual(new Set([0]));
  expect(stores()).toMatchObject([{ batches: 6 }]);
  expect(keptOf(await train('both', { epochs: 2 })).every((kept) => kept === 100)).toBe(true);
});

it('the same images elsewhere, and the same teacher, are the same answers', async () => {
  const moved = join(folder, 'moved');
  cpSync(data, moved, { recursive: true });
  const teacher = join(folder, 'moved.onnx');
  cpSync(teacherPath, teacher);
  cpSync(cardPath(teacherPath), cardPath(teacher));
  const rows = await train('elsewhere', { dataPath: moved, teacherPath: teacher });
  expect(keptOf(rows).every((kept) => kept === 100)).toBe(true);
  expect(stores()).toHaveLength(1);
});

it('a network whose answers are all kept rests, and is woken for images that have changed', async () => {
  const own = join(folder, 'changing');
  cpSync(data, own, { recursive: true });
  // The run from before is the teacher of its own kind.
  const teacher = { teacherModel: 'test_deit_distilled_patch16_32', teacherPath: join(folder, 'without') };
  const more = { ...teacher, dataPath: own, seed: 11 };
  const first = await train('asking', more);
  const second = await train('resting', more);
  expect(keptOf(second).every((kept) => kept === 100)).toBe(true);
  const scores = (rows: HistoryRow[]) => rows.filter(isEpoch).map(({ trainLoss, agreement }) => [trainLoss, agreement]);
  expect(scores(second)).toEqual(scores(first));
  makeAlike(join(own, 'train', 'amber'));
  const woken = await train('woken', more);
  expect(keptOf(woken)).toContain(0);
  expect(notesOf(woken)).toEqual(expect.arrayContaining(['answers.found', 'answers.other-images']));
  expect(scores(woken)).toEqual(scores(await train('not-once', { ...more, teachOnce: false })));
});

it('a teacher that has become another one when it is woken ends the run, which says so', async () => {
  const own = join(folder, 'unsteady');
  cpSync(data, own, { recursive: true });
  const teacherPath = join(folder, 'replaced');
  cpSync(join(folder, 'without'), teacherPath, { recursive: true });
  const more = { teacherModel: 'test_deit_distilled_patch16_32', teacherPath, dataPath: own, seed: 12 };
  await train('steady', more);
  makeAlike(join(own, 'train', 'blue'));
  /** Puts another training of the same network in the place of the teacher, once its kept answers are found. */
  const onEvent = (event: JobEvent): void => {
    if (event.tell !== 'rows' || !notesOf(event.rows).includes('answers.found')) return;
    cpSync(join(folder, 'other', 'checkpoints'), join(teacherPath, 'checkpoints'), { recursive: true });
  };
  const job = { kind: 'train', engine, threads: 2, run: join(folder, 'unsettled'), recipe: recipe(more), resume: 'new' } as const; // prettier-ignore
  await expect(jobHere(job, { onEvent }).done).rejects.toMatchObject({
    code: 'answers.other-teacher',
    params: { path: teacherPath },
  });
});

it('made ahead they are all there, and what was damaged is made anew', async () => {
  const settings = recipe({ seed: 5, epochs: 2 });
  const ofValidation = () => all().filter(({ facts }) => facts?.of === 'validation' && facts.dataPath === data);
  for (const { path } of ofValidation()) rmSync(path, { recursive: true });
  const entry = join(await buildPrograms(), 'job.process.mjs');
  const made = await spawnJob({ kind: 'teach', engine, threads: 2, recipe: settings, excluded: [] }, { entry }).done;
  expect(made).toMatchObject({ batches: 6, kept: 6, notes: [] });
  expect(ofValidation()).toMatchObject([{ batches: 1 }]);
  const path = made!.path;
  expect(keptOf(await train('ahead', { seed: 5, epochs: 2 })).every((kept) => kept === 100)).toBe(true);
  const [block] = readdirSync(path).filter((name) => name.startsWith('e1-'));
  truncateSync(join(path, block), 60);
  const again = await run({ kind: 'teach', engine, threads: 2, recipe: settings, excluded: [] });
  expect(again).toMatchObject({ batches: 6, kept: 6, notes: [{ code: 'answers.damaged' }] });
  expect(listStores(answersFolder()).find((store) => store.path === path)).toMatchObject({ batches: 6 });
});

it('a forecast says what they take, and how many are kept', async () => {
  const classes = ['amber', 'blue', 'clay'];
  const job = { kind: 'forecast', engine, threads: 2, classes, recipe: recipe({ epochs: 3 }) } as const;
  const { answers } = await run(job);
  expect(answers).toMatchObject({ batches: 9, kept: 6, bytes: 9 * (8 * 2 + 4), budget: 20 * 2 ** 30 });
  expect(answers!.millisecondsPerBatch).toBeGreaterThan(0);
  expect((await run({ ...job, recipe: recipe({ teachOnce: false }) })).answers).toBeUndefined();
});

it('answers that are not the teacher’s are dropped, which says why', async () => {
  // The answers of one seed in the place of those of another would be of other images; of another teacher they are not.
  const rows = await train('teacher', { seed: 9, epochs: 4 });
  expect(keptOf(rows).every((kept) => kept === 0)).toBe(true);
  const own = stores().at(-1)!.path;
  const other = join(folder, 'other.onnx');
  cpSync(teacherPath, other);
  const classes = ['blue', 'clay', 'dune', 'amber'];
  writeFileSync(cardPath(other), JSON.stringify({ mean: [0.5, 0.4, 0.3], std: [0.25, 0.3, 0.35], classes }));
  const otherRows = await train('others', { seed: 9, epochs: 4, teacherPath: other });
  expect(keptOf(otherRows).every((kept) => kept === 0)).toBe(true);
  const theirs = stores().at(-1)!.path;
  expect(theirs).not.toBe(own);
  const blocks = (path: string) => readdirSync(path).filter((name) => name.endsWith('.answers'));
  for (const name of blocks(own)) rmSync(join(own, name));
  for (const name of blocks(theirs)) renameSync(join(theirs, name), join(own, name));
  const again = await train('again', { seed: 9, epochs: 4 });
  expect(notesOf(again)).toContain('answers.differ');
  expect(keptOf(again).every((kept) => kept === 0)).toBe(true);
  expect(lossesOf(again)).toEqual(lossesOf(rows));
});
