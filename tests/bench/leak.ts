import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { StepRow } from '../../src-main/protocol/events.ts';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { spawnJob } from '../../src-main/jobs/job-process.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { median } from './peers.ts';

/**
 * `npm run bench -- leak`: how much the memory of a trainer process grows over thousands of small steps. It is the real
 * trainer: loader, augmentation, steps, an evaluation each 250 steps and a checkpoint each 500. The first tenth of the
 * steps is left out: caches fill, and the allocator takes what it will need.
 *
 * Growth: the median of the last tenth of the steps over that of the second tenth. Fails above 1 %.
 * Options: --steps N (5000), --json.
 */
const [BATCH, STEPS_PER_EPOCH, CLASSES, LIMIT] = [4, 250, 4, 0.01];

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '5000' }, json: { type: 'boolean', default: false } },
});
const steps = Math.max(1, Math.round(Number(values.steps) / STEPS_PER_EPOCH)) * STEPS_PER_EPOCH;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-leak-'));
try {
  const rows = await train();
  const tenth = (number: number): number =>
    median(rows.filter(({ step }) => Math.ceil((10 * step) / steps) === number).map(({ memory }) => memory));
  for (let number = 1; number <= 10; number++)
    console.log(`steps to ${String((number * steps) / 10).padStart(6)}  ${megabytes(tenth(number))} MB`);
  const growth = tenth(10) / tenth(2) - 1;
  const verdict = growth < LIMIT ? 'no leak' : 'A LEAK';
  console.log(
    `grew by ${(100 * growth).toFixed(2)} % from ${megabytes(tenth(2))} to ${megabytes(tenth(10))} MB: ${verdict}`,
  );
  if (values.json) console.log(JSON.stringify({ steps, first: tenth(2), last: tenth(10), growth, limit: LIMIT }));
  process.exitCode = growth < LIMIT ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function train(): Promise<StepRow[]> {
  const classes = Array.from({ length: CLASSES }, (_, label) => `class-${label}`);
  const dataPath = makeTinyData(join(folder, 'data'), { classes, train: (STEPS_PER_EPOCH * BATCH) / CLASSES, val: 8 });
  const entry = join(await buildPrograms(), 'job.process.mjs');
  const recipe = parseRecipe({
    ...{ model: 'deit_tiny_patch16_224', dataPath, inputSize: 32, batchSize: BATCH, repeatedAug: false },
    ...{ epochs: steps / STEPS_PER_EPOCH, saveEvery: 2, warmupEpochs: 0, lr: 1e-4, unscaleLr: true },
  });
  const rows: StepRow[] = [];
  const { done } = spawnJob(
    { kind: 'train', engine: engineFolder(), threads: 2, run: join(folder, 'run'), recipe, resume: 'new' },
    {
      entry,
      onEvent: (event) => {
        if (event.tell === 'rows') rows.push(...event.rows.filter((row) => row.type === 'step'));
      },
    },
  );
  await done;
  return rows;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1).padStart(7);
}
