import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRecipe, WITHOUT_AUGMENTATION, type Recipe } from '../../src-main/protocol/recipe.ts';
import { listCheckpoints, loadCheckpoint } from '../../src-main/runs/checkpoint.ts';
import { readHistory } from '../../src-main/runs/history.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { openRun } from '../../src-main/runs/run-folder.ts';
import { buildPrograms } from '../helpers/build.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { draws } from '../helpers/killed-run.ts';
import { rankedAttempt, type Harm, type RankedOutcome } from '../helpers/ranked-run.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/** One run in two processes, as a launcher has them: its numbers, and what becomes of it when one of them is lost. */

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-ranks-'));
const dataPath = makeTinyData(join(folder, 'data'), { train: 11, val: 3 });
let entry: string;
let undisturbed: Buffer;

beforeAll(async () => {
  entry = join(await buildPrograms(), 'job.process.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Two epochs of eight steps; the images of a step are four. */
const recipe = (more: Partial<Recipe> = {}): Recipe =>
  parseRecipe({
    ...{ model: 'test_deit_distilled_patch16_32', dataPath, inputSize: 32, batchSize: 4, numWorkers: 1, epochs: 2 },
    ...{ precision: 'float32', device: 'cpu', warmupEpochs: 0, lr: 1e-3, unscaleLr: true, modelEma: true },
    ...{ ...WITHOUT_AUGMENTATION, aa: 'rand-m9-mstd0.5-inc1', reprob: 0.5, mixup: 0.8, dropPath: 0.1, ...more },
  });

const train = (
  name: string,
  size: number,
  harm: Harm | null = null,
  more: Partial<Recipe> = {},
): Promise<RankedOutcome> => rankedAttempt({ entry, run: join(folder, name), recipe: recipe(more), size, harm });

/** Every number of a run's last checkpoint. */
async function bits(name: string): Promise<Buffer> {
  const { checkpoint } = await loadCheckpoint(join(folder, name));
  const values = [...checkpoint.tensors].map(([, tensor]) => tensor.toFloat32());
  checkpoint.close();
  return Buffer.concat(values.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)));
}

const epochs = (name: string) => readHistory(join(folder, name)).flatMap((row) => (row.type === 'epoch' ? [row] : []));

test('two processes train one run, whose folder says so', async () => {
  expect(await train('whole', 2)).toMatchObject({ ended: 'finished' });
  undisturbed = await bits('whole');
  expect(openRun(join(folder, 'whole')).ranks).toBe(2);
  expect(epochs('whole')).toHaveLength(2);
});

test('the ranks score every validation image once, as one process does', async () => {
  const run = join(folder, 'whole');
  const row = epochs('whole').at(-1)!;
  const weights = join(run, 'checkpoints', listCheckpoints(run).at(-1)!.file);
  for (const [average, shared] of [
    [false, row.test],
    [true, row.testEma!],
  ] as const) {
    // prettier-ignore
    const job = { kind: 'evaluate', engine: engineFolder(), threads: 1, weights, settings: {}, average } as const;
    const { scores, images } = (await jobHere(job).done)!;
    expect(images).toBe(9);
    expect(shared.loss).toBeCloseTo(scores.test.loss, 6);
    expect(shared).toMatchObject({ acc1: scores.test.acc1, acc5: scores.test.acc5 });
  }
});

describe('a rank that is lost', () => {
  const draw = draws(7);
  const steps = (): number => 1 + Math.floor(draw() * 2);

  test('one or the other is killed: the others end, and the run resumed equals one undisturbed', async () => {
    const lost = await train('killed', 2, { rank: 1, signal: 'SIGKILL', steps: steps() });
    expect(lost.ended, lost.message).toBe('ranks.lost');
    const led = await train('killed', 2, { rank: 0, signal: 'SIGKILL', steps: steps() });
    expect(led.ended, led.message).toBe('run.died');
    expect(await train('killed', 2)).toMatchObject({ ended: 'finished' });
    expect((await bits('killed')).equals(undisturbed)).toBe(true);
    const scores = (name: string) => epochs(name).map(({ test, testEma }) => [test, testEma]);
    expect(scores('killed')).toEqual(scores('whole'));
  });

  test('rank 1 stands still: rank 0 saves where it was, and no process is left', async () => {
    const outcome = await train('still', 2, { rank: 1, signal: 'SIGSTOP', steps: 1 });
    expect(outcome.ended, outcome.message).toBe('ranks.lost');
    expect(listCheckpoints(join(folder, 'still')).at(-1)?.step).toBeGreaterThan(0);
  });

  test('rank 0 stands still: its launcher ends it, and no process is left', async () => {
    const outcome = await train('led', 2, { rank: 0, signal: 'SIGSTOP', steps: 1 });
    expect(outcome.ended, outcome.message).toBe('ranks.lost');
    expect(outcome.message).toContain('Rank 0 is gone');
  });
});

test('a rank that is asked to end stops the run; within the epoch only as many go on with it', async () => {
  expect((await train('asked', 2, { rank: 1, signal: 'SIGTERM', steps: 1 })).ended).toBe('stopped');
  expect((await train('asked', 1)).ended).toBe('ranks.changed');
  expect(await train('asked', 2)).toMatchObject({ ended: 'finished' });
  expect((await bits('asked')).equals(undisturbed)).toBe(true);
  expect((await train('asked', 1, null, { epochs: 3 })).ended).toBe('finished');
  const notes = readHistory(join(folder, 'asked')).flatMap((row) => (row.type === 'note' ? row.note.code : []));
  expect(notes).toContain('ranks.now');
});
