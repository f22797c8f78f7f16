import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toPlainError, type PlainError } from '../../src-main/protocol/errors.ts';
import type { HistoryRow } from '../../src-main/protocol/events.ts';
import { sayReason } from '../../src-main/protocol/reasons.ts';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import type { BadStepFile } from '../../src-main/runs/bad-step.ts';
import { listCheckpoints } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { readProfile } from '../../src-main/runs/profile-file.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront } from '../helpers/workstation.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-profile-'));
const data = join(folder, 'data');

beforeAll(() => {
  makeTinyData(data, { train: 16, val: 4 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Six steps an epoch of a narrow DeiT at 32 pixels, to its end. */
async function train(name: string, changes: Partial<Recipe>, resume = 'new'): Promise<HistoryRow[]> {
  const recipe = parseRecipe({
    ...{ model: 'test_deit_patch16_32', dataPath: data, inputSize: 32, batchSize: 8, epochs: 1, warmupEpochs: 0 },
    ...{ lr: 1e-3, unscaleLr: true, precision: 'float32', ...WITHOUT_AUGMENTATION, ...changes },
  });
  const run = join(folder, name);
  await jobHere({ kind: 'train', engine: engineFolder(), threads: 2, run, recipe, resume }).done;
  return readHistory(run);
}

interface TraceEvent {
  name: string;
  ph: string;
  ts?: number;
  dur?: number;
  pid: number;
  tid: number;
  args?: Record<string, string | number>;
}

describe('a run that is profiled', () => {
  const of = <Type extends HistoryRow['type']>(rows: HistoryRow[], type: Type) =>
    rows.filter((row): row is Extract<HistoryRow, { type: Type }> => row.type === type);

  it('splits its time, and writes a trace and the ops of a step', async () => {
    const teacherRows = await train('teacher', {});
    expect(of(teacherRows, 'step').every(({ anatomy }) => anatomy.teacher === undefined)).toBe(true);
    expect(readProfile(join(folder, 'teacher'))).toBeNull();

    const rows = await train('profiled', {
      ...{ model: 'test_deit_distilled_patch16_32', distillationType: 'hard', profile: true },
      ...{ teacherModel: 'test_deit_patch16_32', teacherPath: join(folder, 'teacher') },
    });
    expect(of(rows, 'note')).toEqual([]);
    for (const { anatomy } of of(rows, 'step')) {
      expect(Object.keys(anatomy).sort()).toEqual(['dataWait', 'feed', 'step', 'teacher']);
      expect(Math.min(anatomy.feed!, anatomy.teacher!)).toBeGreaterThan(0);
      // What the teacher takes is measured apart, so a step that was quick by chance has nothing left for itself.
      expect(anatomy.step).toBeGreaterThanOrEqual(0);
    }
    expect(of(rows, 'checkpoint')[0].seconds).toBeGreaterThan(0);
    expect(of(rows, 'epoch')[0].evaluationSeconds).toBeGreaterThan(0);

    const profile = readProfile(join(folder, 'profiled'))!;
    expect(profile).toMatchObject({ step: 4, batchSize: 8 });
    expect(profile.ops.map(({ op }) => op).join()).toMatch(/MatMul/);
    const times = profile.ops.map(({ milliseconds }) => milliseconds);
    expect(times).toEqual([...times].sort((a, b) => b - a));
    // Two threads: all ops together take at most twice the step, and a little where they wait for each other.
    expect(profile.opMilliseconds / profile.milliseconds).toBeLessThan(2.5);
    expect(profile.ops.map(({ op }) => op)).not.toContain('DecodeImage');

    const events = JSON.parse(readFileSync(join(folder, 'profiled', 'trace.json'), 'utf8')) as TraceEvent[];
    const named = (kind: string) => events.filter(({ name }) => name === kind).map(({ args }) => args!.name);
    expect(named('process_name')).toEqual(['JobProcess', 'TensorFlow, step 4']);
    expect(named('thread_name')).toEqual(expect.arrayContaining(['Training loop', 'Image maker 1', 'Thread 1']));
    const spans = events.filter(({ ph }) => ph === 'X');
    const count = (name: string) => spans.filter((span) => span.name === name).length;
    expect(['data wait', 'step', 'host to device', 'evaluation', 'checkpoint'].map(count)).toEqual([6, 6, 6, 1, 1]);
    expect(count('read, decode, augment')).toBeGreaterThan(5);
    const step = spans.find(({ name, args }) => name === 'step' && args?.step === 4)!;
    const ops = spans.filter(({ pid }) => pid === 2);
    expect(ops.length).toBeGreaterThan(500);
    for (const { ts, dur } of ops) {
      expect(ts).toBeGreaterThan(step.ts!);
      expect(ts! + dur!).toBeLessThan(step.ts! + step.dur! + 1e3);
    }
  });
});

describe('a step that is not finite', () => {
  /** Later epochs of six steps each, at each of which every weight grows a hundredfold. */
  const diverging: Partial<Recipe> = { epochs: 6, keepCheckpoints: 9, sched: 'step', lr: 10, weightDecay: 10 };
  const badStep = (): BadStepFile =>
    JSON.parse(readFileSync(join(folder, 'diverged', 'non-finite.json'), 'utf8')) as BadStepFile;

  it('ends the run with the batch and a state from which it can be made again', async () => {
    const failure = { code: expect.stringMatching(/^run\.(gradients|non-finite|overflow)$/) as string };
    cpSync(join(folder, 'teacher'), join(folder, 'diverged'), { recursive: true });
    await expect(train('diverged', diverging, 'auto')).rejects.toMatchObject(failure);
    const bad = badStep();
    expect(bad).toMatchObject({ seed: 0, lr: 10, precision: 'float32', dataPath: data });
    expect(bad.epoch).toBeGreaterThan(0);
    expect(bad.step).toBe(1 + 6 * bad.epoch + bad.batch);
    expect(bad.images).toHaveLength(8);
    for (const { file, class: name } of bad.images) expect(file).toMatch(new RegExp(`^train/${name}/`));
    const checkpoints = listCheckpoints(join(folder, 'diverged'));
    expect(checkpoints[0]).toMatchObject({ epoch: 0, step: 6 });
    expect(checkpoints.at(-1)).toMatchObject(bad.checkpoint ? { file: bad.checkpoint } : { step: 6 * bad.epoch });
    const last = readHistory(join(folder, 'diverged')).at(-1);
    expect(last).toMatchObject({ state: 'failed', error: { ...failure, params: { step: bad.step, lr: 10 } } });

    await expect(train('diverged', diverging, 'auto')).rejects.toMatchObject(failure);
    expect(badStep()).toEqual({ ...bad, checkpoint: badStep().checkpoint });

    const good = join(folder, 'diverged', 'checkpoints', checkpoints[0].file);
    const rows = await train('diverged', { epochs: 2 }, good);
    expect(rows.at(-1)).toMatchObject({ state: 'finished' });
    expect(rows.filter((row) => row.type === 'epoch').map(({ epoch }) => epoch)).toEqual([0, 1]);
  });

  it('is shown with its images, or says why not', async () => {
    const front = openFront({ homeFolder: join(folder, 'home'), cacheFolder: join(folder, 'cache') });
    const [path, bad] = [join(folder, 'diverged', 'non-finite.json'), badStep()];
    try {
      const { run } = await front.client.call('run.open', { path: join(folder, 'diverged') });
      const report = await front.client.call('run.bad-step', { run });
      const { loss, lossClass, gradients, step, batch, checkpoint } = bad;
      expect(report).toMatchObject({ loss, lossClass, gradients, step, batch, checkpoint, path, lr: 10 });
      expect(report.images.map(({ file, class: name }) => [name, file])).toEqual(
        bad.images.map(({ file, class: name }) => [name, file]),
      );
      for (const { id, file } of report.images)
        expect(front.workstation.imageFile(id)).toMatchObject({ path: join(data, file) });

      writeFileSync(path, JSON.stringify({ ...bad, dataPath: join(folder, 'gone'), images: [{ file: '../x', class: '' }] })); // prettier-ignore
      expect((await front.client.call('run.bad-step', { run })).images).toEqual([{ id: '', file: '../x', class: '' }]);
      const refusals: [string | null, string][] = [
        ['{"loss": ', 'it is not JSON'],
        ['null', 'it.: expected Object, got null'],
        [JSON.stringify({ ...bad, step: '7' }), 'it.step: expected a number, got "7"'],
        [null, 'the file is gone'],
      ];
      for (const [text, said] of refusals) {
        if (text === null) rmSync(path);
        else writeFileSync(path, text);
        const refused = await front.client.call('run.bad-step', { run }).catch((error: unknown) => toPlainError(error));
        expect(refused).toMatchObject({ code: 'run.bad-step', params: { path } });
        expect(sayReason((refused as PlainError).params.reason)).toBe(said);
      }
    } finally {
      await front.close();
    }
  });
});
