import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArrayToWrite } from '../../src-main/formats/named-array.ts';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { EpochRow, HistoryRow, StepRow } from '../../src-main/protocol/events.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { writeChunksAtomic } from '../../src-main/base/files.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { RunSummaries } from '../../src-main/runs/summary.ts';
import { cardPath } from '../../src-main/weights/teacher-card.ts';
import type { JobRequest } from '../../src-main/jobs/job-protocol.ts';
import { buildPrograms } from '../helpers/build.ts';
import { pseudoRandom } from '../helpers/engine.ts';
import { copyTeacher } from '../helpers/teachers.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { jobHere } from '../helpers/jobs-here.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-teaching-'));
const engine = engineFolder();
/** Three of the four classes of the fixtures, in another order. */
const data = makeTinyData(join(folder, 'data'), { classes: ['amber', 'blue', 'clay'], train: 8, val: 4 });
let program: string;

beforeAll(async () => {
  const built = await buildPrograms();
  program = join(built, 'cli.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Everything that is drawn for a batch; the teacher's images are smaller than the student's. */
const recipe = (teacherPath: string, more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    ...{ model: 'test_deit_distilled_patch16_32', dataPath: data, inputSize: 32, batchSize: 8, epochs: 1 },
    ...{ warmupEpochs: 0, lr: 1e-3, unscaleLr: true, ...WITHOUT_AUGMENTATION },
    ...{ mixup: 0.8, cutmix: 1, reprob: 0.5, distillationType: 'soft', distillationTau: 2, teacherPath, ...more },
  });

const run = <Job extends JobRequest>(job: Job) => jobHere(job).done;

const trainJob = (name: string, settings: Recipe) =>
  ({ kind: 'train', engine, threads: 2, run: join(folder, name), recipe: settings, resume: 'new' }) as const;

function rowsOf(name: string): { steps: StepRow[]; epochs: EpochRow[] } {
  const rows: HistoryRow[] = readHistory(join(folder, name));
  return {
    steps: rows.filter((row): row is StepRow => row.type === 'step'),
    epochs: rows.filter((row): row is EpochRow => row.type === 'epoch'),
  };
}

function teacherOf(name: string): string {
  const path = copyTeacher(name, folder);
  const classes = ['clay', 'amber', 'dune', 'blue'];
  const card = { mean: [0.5, 0.4, 0.3], std: [0.25, 0.3, 0.35], cropRatio: 0.9, interpolation: 'bilinear', classes };
  writeFileSync(cardPath(path), JSON.stringify(card));
  return path;
}

/** Weights of a network as our exports have them, but for their values. */
async function writeNetwork(path: string, name: string, inputSize: number, classes: string[]): Promise<void> {
  const { specs } = createModel(name, { classes: classes.length, inputSize });
  const arrays = specs.map(({ name, shape }, index): ArrayToWrite => {
    const count = shape.reduce((product, side) => product * side, 1);
    return { name, shape, dtype: 'F32', values: pseudoRandom(count, index + 1).map((value) => 0.05 * value) };
  });
  const metadata = { architecture: name, input_size: JSON.stringify([3, inputSize, inputSize]), classes: JSON.stringify(classes) }; // prettier-ignore
  await writeChunksAtomic(path, writeSafetensors(arrays, metadata));
}

describe('a distillation', () => {
  it('from an ONNX file and from a SavedModel of the same network is the same, and names its teacher', async () => {
    const [onnx, saved] = [teacherOf('plain.onnx'), teacherOf('plain-saved')];
    await expect(run(trainJob('onnx', recipe(onnx)))).resolves.toEqual({ state: 'finished' });
    await expect(run(trainJob('saved', recipe(saved)))).resolves.toEqual({ state: 'finished' });
    const [first, second] = [rowsOf('onnx'), rowsOf('saved')];
    expect(first.steps.length).toBeGreaterThan(0);
    first.steps.forEach((row, index) => {
      expect(row.lossDistillation).not.toBeNull();
      expect(row.lossDistillation).toBeCloseTo(second.steps[index].lossDistillation!, 4);
      expect(row.anatomy.teacher).toBeGreaterThan(0);
    });
    expect(first.epochs[0].agreement).not.toBeNull();
    expect(first.epochs[0].agreement).toBe(second.epochs[0].agreement);
    const teachers = ['onnx', 'saved'].map((name) => new RunSummaries().of(join(folder, name)));
    expect(teachers.map(({ teacher }) => teacher)).toEqual(['plain.onnx', 'plain-saved']);
  });

  it('from a network of another size and other classes goes by its own card', async () => {
    const teacherModel = 'test_deit_patch16_32';
    const path = join(folder, 'teacher.safetensors');
    await writeNetwork(path, teacherModel, 48, ['blue', 'amber', 'dune', 'clay']);
    const settings = recipe(path, { teacherModel, distillationType: 'hard' });
    await expect(run(trainJob('student', settings))).resolves.toEqual({ state: 'finished' });
    const { epochs } = rowsOf('student');
    expect(epochs[0].agreement).not.toBeNull();
    const score = await run({ kind: 'evaluate-teacher', engine, threads: 2, settings });
    expect(score).toMatchObject({
      images: 12,
      card: { kind: 'timm', inputSize: 48, outputs: 4, name: teacherModel },
    });
  });

  it('that is resumed reads its teacher as before, unless its card says otherwise since', async () => {
    const path = copyTeacher('plain.onnx', folder, 'resumed.onnx');
    const classes = ['clay', 'amber', 'dune', 'blue'];
    const card = { mean: [0.5, 0.4, 0.3], std: [0.25, 0.3, 0.35], classes };
    writeFileSync(cardPath(path), JSON.stringify(card));
    const goOn = async (epochs: number) => {
      await run({ ...trainJob('resumed', recipe(path, { epochs })), resume: epochs === 1 ? 'new' : 'auto' });
      const notes = readHistory(join(folder, 'resumed')).flatMap((row) => (row.type === 'note' ? [row.note.code] : []));
      const kept = JSON.parse(readFileSync(join(folder, 'resumed', 'teacher.json'), 'utf8')) as Partial<typeof card>;
      return { kept, changed: notes.filter((code) => code === 'teacher.card-changed').length };
    };
    const first = await goOn(1);
    expect(first).toMatchObject({ kept: { path, mean: card.mean, classes }, changed: 0 });
    rmSync(cardPath(path));
    expect(await goOn(2)).toEqual(first);
    writeFileSync(cardPath(path), JSON.stringify({ mean: [0.1, 0.2, 0.3] }));
    expect(await goOn(3)).toMatchObject({ kept: { mean: [0.1, 0.2, 0.3], std: card.std }, changed: 1 });
    expect(rowsOf('resumed').epochs).toHaveLength(3);
  });

  it('ends before its first step where the teacher does not know a class', async () => {
    const more = makeTinyData(join(folder, 'more'), { classes: ['amber', 'jade'], train: 8, val: 2 });
    const job = trainJob('refused', recipe(teacherOf('plain.onnx'), { dataPath: more }));
    await expect(run(job)).rejects.toMatchObject({ code: 'teacher.lacks-classes', params: { missing: 'jade' } });
    expect(rowsOf('refused').steps).toEqual([]);
  });
});

describe('on the command line', () => {
  const stillhouse = (...args: string[]) => {
    const env = { ...process.env, STILLHOUSE_HOME: join(folder, 'home') };
    const { stdout, stderr, status } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env });
    return { out: stdout, err: stderr, status };
  };

  it('a card is shown, written field by field, and refused', () => {
    const path = copyTeacher('two-outputs-saved', folder, 'by-hand');
    expect(stillhouse('teacher-card', path).err).toContain('expected one output of float32 scores');
    const fields = ['--output-name', 'scores', '--mean', '0.5', '0.5', '0.5', '--crop_ratio', '0.9', '--classes', data];
    expect(stillhouse('teacher-card', path, ...fields).err).toContain('classes: expected 4 names');
    const names = join(folder, 'names.txt');
    writeFileSync(names, 'clay\namber\n\ndune\nblue\n');
    // What was refused wrote nothing: the other fields are given again.
    const shown = stillhouse('teacher-card', path, ...fields.slice(0, -1), names);
    expect(shown.out).toMatch(/by-hand: a TensorFlow SavedModel, 4 classes, 2 images at a time/);
    expect(shown.out).toMatch(/mean +0.5, 0.5, 0.5 +\(card\)\n +std +0.229, 0.224, 0.225 +\(default\)/);
    expect(shown.out).toMatch(/classes +clay, amber, dune, blue +\(card\)/);
    expect(JSON.parse(readFileSync(cardPath(path), 'utf8'))).toMatchObject({ cropRatio: 0.9, outputName: 'scores' });
    expect(stillhouse('teacher-card', path, '--std', '0', '0', '1').err).toContain(
      '--std: expected R G B (std.0: >=0.000001), got 0 0 1',
    );
  });

  it('an ONNX file is scored on validation images', () => {
    const path = teacherOf('plain.onnx');
    const args = ['evaluate-teacher', '--teacher-path', path, '--data-path', data, '--batch-size', '8', '--json'];
    writeFileSync(join(data, 'train', 'amber', '.DS_Store'), '');
    const { out, status } = stillhouse(...args);
    expect(status).toBe(0);
    expect(out).toContain('Passed over what other programs left: 1 × .DS_Store.');
    const result: unknown = JSON.parse(out.trim().split('\n').at(-1)!);
    expect(result).toMatchObject({ images: 12, card: { kind: 'onnx', classes: ['clay', 'amber', 'dune', 'blue'] } });
  });
});
