import { afterEach, describe, expect, it, vi } from 'vitest';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import type { HistoryRow } from '../../../src-main/protocol/events.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';
import type { Evaluation } from '../../../src-main/train/evaluate.ts';
import { runLoop, type BadStep, type LoopParts, type LoopSpan } from '../../../src-main/train/loop.ts';
import { nextEpoch, type Position } from '../../../src-main/train/position.ts';
import type { TrainBatch } from '../../../src-main/train/step-types.ts';
import { lrAt } from '../../../src-main/train/schedule.ts';
import { turns } from '../../helpers/wait.ts';

afterEach(() => void vi.useRealTimers());

const recipe = parseRecipe({ epochs: 3, batchSize: 2, warmupEpochs: 1, saveEvery: 2 });
const START: Position = { epoch: 0, batch: 0, step: 0, lossSum: 0 };
const SCORE = { loss: 1, acc1: 50, acc5: 100 };
const EVALUATION: Evaluation = { test: SCORE, classHead: SCORE, distillationHead: null, agreement: null };

/** A training in one number, so that what the loop feeds it is all that decides the outcome. */
function tinyRun(over: Partial<LoopParts> = {}, weight = 1) {
  const stop = new AbortController();
  const run = {
    ...{ weight, stop, rows: [] as HistoryRow[], saves: [] as Save[], lrs: [] as number[] },
    ...{ bad: [] as BadStep[], spans: [] as LoopSpan[] },
  };
  const parts: LoopParts = {
    recipe,
    stepsPerEpoch: 4,
    parameters: 1,
    position: START,
    batches: async function* (epoch, from) {
      for (let batch = from; batch < 4; batch++) yield batchOf(epoch * 10 + batch);
    },
    step: {
      run: async ({ labels }, { lr, step }) => {
        await turns(1);
        run.lrs.push(lr);
        run.weight = run.weight * 0.9 + labels[0] * lr * 1000 + step / 7;
        return { loss: run.weight, lossClass: run.weight / 2, lossDistillation: null };
      },
    },
    evaluate: async () => EVALUATION,
    save: async (position) => {
      const save: Save = { position: { ...position }, weight: run.weight, acc1: null };
      run.saves.push(save);
      return { amend: async (row) => void (save.acc1 = row.test.acc1) };
    },
    nonFinite: async (bad) => {
      run.bad.push(bad);
      return new StillhouseError('run.non-finite', { loss: String(bad.losses.loss), step: bad.position.step + 1 });
    },
    emit: (row) => run.rows.push(row),
    onSpan: (span) => run.spans.push(span),
    stop: stop.signal,
    ...over,
  };
  return { run, parts };
}

interface Save {
  position: Position;
  weight: number;
  acc1: number | null;
}

const batchOf = (label: number): TrainBatch => ({
  images: new Uint8Array(0),
  labels: Int32Array.of(label),
  noise: null,
  files: [`image-${label}.png`],
});

describe('runLoop', () => {
  it('trains every epoch at its rate, evaluates it and saves as often as asked', async () => {
    const { run, parts } = tinyRun();
    expect(await runLoop(parts)).toBe('finished');
    expect(run.lrs).toEqual([0, 1, 2].flatMap((epoch) => Array<number>(4).fill(lrAt(recipe, epoch))));
    const epochs = run.rows.filter((row) => row.type === 'epoch');
    expect(epochs.map((row) => [row.epoch, row.step, row.test.acc1])).toEqual([
      [0, 4, 50],
      [1, 8, 50],
      [2, 12, 50],
    ]);
    expect(run.saves.map((save) => [save.position.epoch, save.position.batch, save.acc1])).toEqual([
      [1, 4, 50],
      [2, 4, 50],
    ]);
  });

  it('averages the losses of an epoch', async () => {
    const losses = [8, 4, 2, 2];
    const step = { run: async () => ({ loss: losses.shift()!, lossClass: 1, lossDistillation: 3 }) };
    const { run, parts } = tinyRun({ recipe: { ...recipe, epochs: 1 }, step });
    await runLoop(parts);
    expect(run.rows.find((row) => row.type === 'epoch')?.trainLoss).toBe(4);
    const steps = run.rows.filter((row) => row.type === 'step');
    expect(steps.at(-1)).toMatchObject({ step: 4, stepsPerEpoch: 4, lossClass: 1, lossDistillation: 3, epoch: 0 });
  });

  it.each([1, 2, 4, 5, 7])('resumes after %i steps as if it had never stopped', async (steps) => {
    const whole = tinyRun();
    await runLoop(whole.parts);

    const first = tinyRun();
    const { step } = first.parts;
    first.parts.step = {
      run: async (batch, scalars) => {
        const losses = await step.run(batch, scalars);
        if (scalars.step === steps) first.run.stop.abort();
        return losses;
      },
    };
    expect(await runLoop(first.parts)).toBe('stopped');
    const saved = first.run.saves.at(-1)!;
    expect(saved.position.step).toBe(steps);

    const second = tinyRun({ position: saved.position }, saved.weight);
    expect(await runLoop(second.parts)).toBe('finished');
    expect(second.run.weight).toBe(whole.run.weight);
    const trainLosses = (rows: HistoryRow[]) =>
      rows.flatMap((row) => (row.type === 'epoch' ? [[row.epoch, row.trainLoss]] : []));
    const both = [...trainLosses(first.run.rows), ...trainLosses(second.run.rows)];
    expect(both).toEqual(trainLosses(whole.run.rows));
  });

  it('tells the same of steps that are begun ahead', async () => {
    const told = async (ahead: boolean) => {
      const { run, parts } = tinyRun({ recipe: parseRecipe({ ...recipe, schedOnUpdates: true }) });
      await runLoop({ ...parts, step: { ...parts.step, ahead } });
      const epochs = run.rows.filter((row) => row.type === 'epoch');
      return { lrs: run.lrs, saves: run.saves, losses: epochs.map((row) => [row.trainLoss, row.trainLr, row.step]) };
    };
    expect(await told(true)).toEqual(await told(false));
  });

  it('takes what was begun ahead before it looks at the state', async () => {
    const seen: [number, number][] = [];
    let begun = 0;
    const { parts } = tinyRun();
    const { run } = parts.step;
    const step = { ahead: true, run: (...given: Parameters<typeof run>) => (begun++, run(...given)) };
    const between: LoopParts['between'] = async (position, settle) => {
      await settle();
      seen.push([position.step, begun]);
    };
    await runLoop({ ...parts, step, between });
    expect(seen).toEqual(Array.from({ length: 12 }, (_, at) => [at, at]));
  });

  it('stops while it waits for data', async () => {
    const { run, parts } = tinyRun({
      batches: async function* () {
        yield batchOf(1);
        run.stop.abort();
        await new Promise<never>(() => undefined);
      },
    });
    expect(await runLoop(parts)).toBe('stopped');
    expect(run.saves.map((save) => save.position.batch)).toEqual([1]);
  });

  it('saves a run stopped during evaluation so that only the evaluation is left', async () => {
    const { run, parts } = tinyRun();
    parts.evaluate = async () => {
      run.stop.abort();
      return null;
    };
    expect(await runLoop(parts)).toBe('stopped');
    expect(run.saves).toEqual([
      { position: expect.objectContaining({ epoch: 0, batch: 4 }), weight: run.weight, acc1: null },
    ]);
    const rest = tinyRun({ position: run.saves[0].position, recipe: { ...recipe, epochs: 1 } }, run.weight);
    expect(await runLoop(rest.parts)).toBe('finished');
    expect(rest.run.lrs).toEqual([]);
    expect(rest.run.rows.filter((row) => row.type === 'epoch')).toHaveLength(1);
  });

  it('saves before it evaluates', async () => {
    const { run, parts } = tinyRun({ recipe: { ...recipe, epochs: 1 } });
    parts.evaluate = () => Promise.reject(new Error('out of memory'));
    await expect(runLoop(parts)).rejects.toThrow('out of memory');
    expect(run.saves.map((save) => save.position.batch)).toEqual([4]);
  });

  it.each([
    ['a loss that is not finite', { loss: NaN, overflow: false }, false],
    ['gradients that are not finite', { loss: 1, overflow: true }, false],
    ['a loss that is not finite, known late', { loss: NaN, overflow: false }, true],
  ])('ends on %s, handing on the step and its batch', async (_, losses, ahead) => {
    const { run, parts } = tinyRun();
    const { step } = parts;
    parts.step = {
      ahead,
      run: async (batch, scalars) =>
        scalars.step === 3 ? { ...losses, lossClass: 1, lossDistillation: null } : step.run(batch, scalars),
    };
    const params = { loss: String(losses.loss), step: 3 };
    await expect(runLoop(parts)).rejects.toMatchObject({ code: 'run.non-finite', params });
    expect(run.saves).toEqual([]);
    expect(run.bad).toMatchObject([
      { position: { epoch: 0, batch: 2, step: 2 }, batch: { files: ['image-2.png'] }, lr: lrAt(recipe, 0) },
    ]);
  });

  it('tells where the time of its steps, evaluations and checkpoints went', async () => {
    const took = { feed: 2, teacher: 3 };
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    const step = {
      run: async () => {
        vi.advanceTimersByTime(20);
        return { loss: 1, lossClass: 1, lossDistillation: 1, took };
      },
    };
    const evaluate = async () => (vi.advanceTimersByTime(30), EVALUATION);
    const { run, parts } = tinyRun({ recipe: { ...recipe, epochs: 1 }, step, evaluate });
    await runLoop(parts);
    const [first] = run.rows.filter((row) => row.type === 'step');
    expect(first.anatomy).toEqual({ dataWait: 0, ...took, step: 20 - 2 - 3 });
    const whole = Object.values(first.anatomy).reduce((sum, part) => sum + part, 0);
    expect(first.imagesPerSecond).toBeCloseTo((1000 * recipe.batchSize) / whole, 6);
    const epoch = run.rows.find((row) => row.type === 'epoch')!;
    expect([epoch.evaluationSeconds, epoch.seconds]).toEqual([0.03, 0.11]);
    const names = run.spans.map(({ name }) => name);
    expect(names).toEqual([...Array<string[]>(4).fill(['data wait', 'step']).flat(), 'checkpoint', 'evaluation']);
    for (const [at, span] of run.spans.entries()) {
      expect(span.end).toBeGreaterThanOrEqual(span.start);
      expect(span.start).toBeGreaterThanOrEqual(run.spans[at - 1]?.end ?? 0);
    }
  });

  it('takes no more out of a step than it took', async () => {
    const step = { run: async () => ({ loss: 1, lossClass: 1, lossDistillation: 1, took: { feed: 0, teacher: 1e6 } }) };
    const { run, parts } = tinyRun({ recipe: { ...recipe, epochs: 1 }, step });
    await runLoop(parts);
    const [first] = run.rows.filter((row) => row.type === 'step');
    expect(first.anatomy.step).toBe(0);
    expect(first.anatomy.teacher).toBeLessThan(1e3);
  });

  it('saves before it ends on data that fail', async () => {
    const { run, parts } = tinyRun({
      batches: async function* () {
        yield batchOf(1);
        throw new Error('the disk is gone');
      },
    });
    await expect(runLoop(parts)).rejects.toThrow('the disk is gone');
    expect(run.saves.map((save) => save.position)).toMatchObject([{ epoch: 0, batch: 1, step: 1 }]);
  });

  it('tells what the accelerators do in each row, where they tell', async () => {
    let asked = 0;
    const told = tinyRun({ load: () => ({ deviceMemory: ++asked, deviceBusy: 80 }) });
    await runLoop(told.parts);
    const steps = told.run.rows.filter((row) => row.type === 'step');
    expect(steps.map((row) => [row.deviceMemory, row.deviceBusy])).toEqual(steps.map((_, at) => [at + 1, 80]));
    const silent = tinyRun();
    await runLoop(silent.parts);
    expect(silent.run.rows.some((row) => 'deviceMemory' in row || 'deviceBusy' in row)).toBe(false);
  });

  it('forecasts the time that is left', async () => {
    const { run, parts } = tinyRun();
    await runLoop(parts);
    const steps = run.rows.filter((row) => row.type === 'step');
    expect(steps[0].secondsLeft).toBeGreaterThan(0);
    expect(steps.at(-1)!.secondsLeft).toBeLessThan(steps[0].secondsLeft);
    expect(steps.every((row) => row.imagesPerSecond > 0 && row.memory > 1e6)).toBe(true);
  });
});

describe('the schedule of a run', () => {
  const place = { stepsPerEpoch: 4, scores: [] };

  it('moves the rate with each step where asked, and tells the mean of an epoch', async () => {
    const byStep = parseRecipe({ ...recipe, schedOnUpdates: true });
    const { run, parts } = tinyRun({ recipe: byStep });
    await runLoop(parts);
    const rates = Array.from({ length: 12 }, (_, step) => lrAt(byStep, Math.floor(step / 4), { ...place, batch: step % 4 })); // prettier-ignore
    expect(run.lrs).toEqual(rates);
    expect(new Set(rates).size).toBe(12);
    const [first] = run.rows.filter((row) => row.type === 'epoch');
    expect(first.trainLr).toBeCloseTo(
      rates.slice(0, 4).reduce((sum, lr) => sum + lr / 4, 0),
      12,
    );
  });

  it('trains on at the lowest rate to cool down', async () => {
    const { run, parts } = tinyRun({ recipe: parseRecipe({ ...recipe, epochs: 2, cooldownEpochs: 2 }) });
    expect(await runLoop(parts)).toBe('finished');
    expect(run.rows.filter((row) => row.type === 'epoch').length).toBe(4);
    expect(run.lrs.at(-1)).toBe(recipe.minLr);
  });

  it('falls when the score does, and resumes with the scores it has seen', async () => {
    const scores = [50, 60, 55, 58, 59, 30, 20];
    const plateau = parseRecipe({
      ...recipe,
      unscaleLr: true,
      minLr: 0,
      sched: 'plateau',
      epochs: 7,
      warmupEpochs: 0,
      patienceEpochs: 1,
      saveEvery: 1,
    });
    const evaluate = (from: number) => {
      let epoch = from;
      return async () => ({ ...EVALUATION, test: { ...SCORE, acc1: scores[epoch++] } });
    };
    const whole = tinyRun({ recipe: plateau, evaluate: evaluate(0) });
    await runLoop(whole.parts);
    const base = lrAt(plateau, 0);
    const perEpoch = whole.run.lrs.filter((_, step) => step % 4 === 0);
    [1, 1, 1, 1, 0.1, 0.1, 0.01].forEach((share, epoch) => expect(perEpoch[epoch] / base).toBeCloseTo(share, 9));
    const { position, acc1 } = whole.run.saves[3];
    expect(position).toMatchObject({ epoch: 3, batch: 4, scores: [50, 60, 55] });
    const resumed = tinyRun({ recipe: plateau, evaluate: evaluate(4), position: nextEpoch(position, acc1) });
    await runLoop(resumed.parts);
    expect(resumed.run.lrs).toEqual(whole.run.lrs.slice(16));
  });
});

describe('nextEpoch', () => {
  it('starts the following epoch with the same step count', () => {
    expect(nextEpoch({ epoch: 1, batch: 4, step: 8, lossSum: 3 })).toEqual({ epoch: 2, batch: 0, step: 8, lossSum: 0 });
  });
});
