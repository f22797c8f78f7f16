import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawMix } from '../../src-main/data/augment/mix.ts';
import { Random } from '../../src-main/data/random.ts';
import { differenceOf } from '../../src-main/job-process/teacher/check-kept.ts';
import { KeptAnswers, answerForm } from '../../src-main/job-process/teacher/kept-answers.ts';
import { taughtSteps } from '../../src-main/job-process/teacher/taught-steps.ts';
import { sleepingAsker, teacherAsker, type TeacherAsker } from '../../src-main/job-process/teacher/teacher-asker.ts';
import type { OpenTeacher } from '../../src-main/job-process/teacher/teacher.ts';
import { transformer } from '../../src-main/model/deit.ts';
import type { Model } from '../../src-main/model/model.ts';
import { defaultRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { Engine, State } from '../../src-main/engines/engine.ts';
import { variablesOf as variablesRead } from '../../src-main/trace/program.ts';
import { createTrainStep, isFrozen, recordTrainStep } from '../../src-main/train/step.ts';
import type { TrainBatch, TrainStep } from '../../src-main/train/step-types.ts';
import { updateVariables } from '../../src-main/train/update.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { pseudoRandom, testEngine } from '../helpers/engine.ts';

/** A training whose step takes its teacher's answers as an input against one whose step has the teacher inside. */

const [BATCH, SIDE, CLASSES, STEPS] = [6, 16, 4, 4];
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-taught-'));
let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tiny(inputSize: number): Model {
  const shape = { patch: 8, dim: 32, depth: 2, heads: 2, distilled: true as const };
  const network = transformer(shape, { classes: CLASSES, inputSize });
  const facts = { name: 'tiny', family: 'deit' as const, classes: CLASSES, inputSize, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

const recipeOf = (more: Partial<Recipe>): Recipe => ({
  ...{ ...defaultRecipe(), ...WITHOUT_AUGMENTATION, batchSize: BATCH, microBatch: 2, seed: 3, teachOnce: true },
  ...{ mixup: 0.8, cutmix: 1, mixupMode: 'elem', reprob: 0.9, remode: 'pixel', recount: 2, distillationTau: 2 },
  ...more,
});

function stateOf(student: Model, teacher: Model, recipe: Recipe): State {
  const state = engine.newState();
  const fill = (prefix: string, { specs }: Model, seed: number): void =>
    specs.forEach(({ name, shape }, index) => {
      const count = shape.reduce((product, side) => product * side, 1);
      const offset = name.includes('norm') ? 1 : 0;
      state.set(prefix + name, shape, pseudoRandom(count, seed + index).map((value) => 0.3 * value + offset)); // prettier-ignore
    });
  for (const [name, { shape }] of Object.entries(updateVariables(student, recipe)))
    state.set(name, shape, new Float32Array(shape.reduce((product, side) => product * side, 1)));
  fill(PREFIX.model, student, 1);
  fill(PREFIX.teacher, teacher, 1000);
  return state;
}

function batchOf(recipe: Recipe, step: number): TrainBatch {
  const bytes = Uint8Array.from(pseudoRandom(BATCH * SIDE * SIDE * 3, step), (value) => 127.5 * (value + 1));
  return {
    images: bytes,
    labels: Int32Array.from({ length: BATCH }, (_, row) => (row + step) % CLASSES),
    noise: null,
    files: [],
    mix: drawMix(new Random(1, 'mix', 0, step), BATCH, SIDE, { ...recipe, cutmixMinmax: null }),
    erase: Array.from({ length: BATCH }, (_, image) => [{ left: image, top: step, width: 8, height: 9 }]),
  };
}

const opened = (network: Model): OpenTeacher => ({ card: {} as OpenTeacher['card'], columns: null, network, outside: null, close: async () => undefined }); // prettier-ignore

function keptIn(root: string, recipe: Recipe, student: Model): KeptAnswers {
  const form = answerForm(recipe, CLASSES);
  const facts = { teacher: 'tiny', dataPath: '', kind: form.kind, created: 0, key: {} };
  const batch = { student, recipe, batchSize: BATCH };
  const onNote = (note: Error): void => {
    throw note;
  };
  return new KeptAnswers({ root, place: { id: 'a'.repeat(32), form, facts }, batch, onNote });
}

/** Losses of a few steps, and what the student has come to. */
async function trained(recipe: Recipe, kept: KeptAnswers | null, asked: number[] = []) {
  const [student, teacher] = [tiny(SIDE), tiny(24)];
  const state = stateOf(student, teacher, recipe);
  const inside = kept === null;
  const batch = { student, recipe, batchSize: BATCH };
  const parts = { ...batch, teacher: inside ? teacher : ('outside' as const) };
  const step = await createTrainStep(engine, state, parts);
  const ofTeacher = variablesRead(recordTrainStep(engine, parts)).filter(({ name }) => name.startsWith(PREFIX.teacher));
  expect(ofTeacher.length > 0).toBe(inside);
  const asker = await teacherAsker(opened(teacher), { engine, state, batch, precision: 'float32' });
  const counted: TeacherAsker = { ...asker, ask: (one, at) => (asked.push(at), asker.ask(one, at)) };
  const taught = inside ? null : taughtSteps({ asker: counted, kept, beside: false });
  async function* batches() {
    for (let at = 0; at < STEPS; at++) yield batchOf(recipe, at);
  }
  const { run }: TrainStep = taught?.step(step) ?? step;
  const losses: unknown[] = [];
  let at = 0;
  for await (const one of taught?.batches(batches(), { epoch: 0, batch: 0 }) ?? batches()) {
    const { took, ...got } = await run(one, { lr: 1e-3, step: ++at });
    losses.push(got);
    if (!inside) expect(took!.kept).toBe(asked.includes(at) ? 0 : 100);
  }
  const parameters = student.specs.map(({ name }) => [name, state.read(PREFIX.model + name)] as const);
  asker.dispose();
  step.dispose();
  state.dispose();
  kept?.store.close();
  return { losses, parameters };
}

describe('a training with kept answers', () => {
  it('has the losses of one with its teacher inside, bit for bit, in hard distillation', async () => {
    const recipe = recipeOf({ distillationType: 'hard' });
    const expected = await trained(recipe, null);
    const root = join(folder, 'hard');
    const first: number[] = [];
    const asking = await trained(recipe, keptIn(root, recipe, tiny(SIDE)), first);
    expect(first).toEqual([1, 2, 3, 4]);
    const second: number[] = [];
    const finding = await trained(recipe, keptIn(root, recipe, tiny(SIDE)), second);
    expect(second).toEqual([]);
    for (const got of [asking, finding]) {
      expect(got.losses).toEqual(expected.losses);
      expect(got.parameters).toEqual(expected.parameters);
    }
  });

  it('of soft distillation learns from the very numbers in float32, and from the nearest in float16', async () => {
    for (const answersType of ['float32', 'float16'] as const) {
      const recipe = recipeOf({ distillationType: 'soft', answersType });
      const root = join(folder, answersType);
      const asking = await trained(recipe, keptIn(root, recipe, tiny(SIDE)));
      const asked: number[] = [];
      const finding = await trained(recipe, keptIn(root, recipe, tiny(SIDE)), asked);
      expect(asked).toEqual([]);
      if (answersType === 'float32') expect(finding).toEqual(asking);
      const distances = finding.losses.map((losses, at) => Math.abs(lossOf(losses) - lossOf(asking.losses[at])));
      expect(Math.max(...distances)).toBeLessThan(1e-3);
    }
  });

  it('asks for what another batch size in parts, or one lane, would answer alike', async () => {
    const recipe = recipeOf({ distillationType: 'soft', answersType: 'float32' });
    const whole = await trained({ ...recipe, microBatch: 6 }, null);
    const parted = await trained(recipe, null);
    whole.losses.forEach((losses, at) => expect(lossOf(losses)).toBeCloseTo(lossOf(parted.losses[at]), 5));
  });

  it('does not take those of other noise: the images of another step', async () => {
    const recipe = recipeOf({ distillationType: 'hard' });
    const kept = keptIn(join(folder, 'noise'), recipe, tiny(SIDE));
    const batch = batchOf(recipe, 0);
    kept.keep({ epoch: 0, batch: 0 }, batch, 1, { answers: Int32Array.of(0, 1, 2, 3, 0, 1), milliseconds: 1 });
    kept.store.close();
    const again = keptInQuietly(join(folder, 'noise'), recipe);
    expect(again.find({ epoch: 0, batch: 0 }, batchOf(recipe, 0), 2)).toBeNull();
    expect(again.find({ epoch: 0, batch: 0 }, batchOf({ ...recipe, mixup: 0.1 }, 1), 1)).toBeNull();
    expect(again.find({ epoch: 0, batch: 0 }, batchOf(recipe, 0), 1)).toEqual(Int32Array.of(0, 1, 2, 3, 0, 1));
    again.store.close();
  });
});

describe('an asker that sleeps', () => {
  it('holds nothing of its teacher, and answers as before when it is woken, once', async () => {
    const recipe = recipeOf({ distillationType: 'soft' });
    const [student, teacher] = [tiny(SIDE), tiny(24)];
    const state = stateOf(student, teacher, recipe);
    const batch = { student, recipe, batchSize: BATCH };
    const newAsker = () => teacherAsker(opened(teacher), { engine, state, batch, precision: 'float32' });
    const held = () => state.names().filter((name) => name.startsWith(PREFIX.teacher)).length;
    const awake = await newAsker();
    const before = await awake.ask(batchOf(recipe, 0), 1);
    let wakes = 0;
    const sleeping = sleepingAsker(awake, async () => {
      wakes++;
      const full = stateOf(student, teacher, recipe);
      for (const { name, shape } of teacher.specs)
        state.set(PREFIX.teacher + name, shape, full.read(PREFIX.teacher + name));
      full.dispose();
      return newAsker();
    });
    state.trim(isFrozen);
    expect(held()).toBe(0);
    const both = [0, 0].map((at) => sleeping.ask(batchOf(recipe, at), 1));
    expect(await Promise.all(both)).toEqual([before, before]);
    expect(wakes).toBe(1);
    sleeping.dispose();
    await Promise.resolve();
    state.trim(isFrozen);
    expect(held()).toBe(0);
    state.dispose();
  });
});

function keptInQuietly(root: string, recipe: Recipe): KeptAnswers {
  const form = answerForm(recipe, CLASSES);
  const facts = { teacher: 'tiny', dataPath: '', kind: form.kind, created: 0, key: {} };
  const batch = { student: tiny(SIDE), recipe, batchSize: BATCH };
  return new KeptAnswers({ root, place: { id: 'a'.repeat(32), form, facts }, batch, onNote: () => undefined });
}

const lossOf = (losses: unknown): number => (losses as { lossDistillation: number }).lossDistillation;

describe('the comparison with the teacher', () => {
  it('lets rounding pass, and says what does not', () => {
    const then = Int32Array.from({ length: 200 }, (_, row) => row % 7);
    const turned = (count: number) => then.map((answer, row) => (row < count ? answer + 1 : answer));
    expect(differenceOf([then], [then], 'float32')).toBeNull();
    expect(differenceOf([turned(2)], [then], 'float32')).toBeNull();
    expect(differenceOf([turned(3)], [then], 'float32')).toMatchObject({ code: 'answers.decisions', params: { count: 200, other: 3 } }); // prettier-ignore
    const logits = pseudoRandom(50, 1);
    expect(differenceOf([logits.map((value) => value + 1e-3)], [logits], 'float32')).toBeNull();
    expect(differenceOf([logits.map((value) => value + 1e-2)], [logits], 'float32')?.code).toBe('answers.logits');
    expect(differenceOf([logits.map((value) => value + 1e-2)], [logits], 'bfloat16')).toBeNull();
    expect(differenceOf([logits.map(() => NaN)], [logits], 'bfloat16')?.code).toBe('answers.logits');
    expect(differenceOf([], [], 'float32')).toBeNull();
  });
});
