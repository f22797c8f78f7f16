import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { AIMS, attempt, curve, draws, inspect, stateHash } from '../helpers/killed-run.ts';
import { buildPrograms } from '../helpers/build.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';

/**
 * `npm run bench -- kill`: a training is ended by SIGKILL again and again and resumed each time, until it has been
 * killed often enough and finishes. A quarter of the kills each wait for a checkpoint that is being written, for its
 * manifest, for a step, and for a moment while the trainer starts. It is the real trainer, in float32 on the processor,
 * with augmentation, moving average and checkpoints within epochs.
 *
 * Fails unless every checkpoint that a manifest names is whole after every kill, none is older than one that was there
 * before, and losses, scores and all values at the end equal those of a run that nobody disturbed, bit for bit.
 * Options: --kills N (200), --epochs N (one a kill, at least 4), --seed N (1), --json.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    epochs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const kills = Math.max(1, Math.round(Number(values.kills)));
const epochs = Math.max(4, Math.round(Number(values.epochs ?? kills)));
const SAVE_MINUTES = 0.01;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-kill-'));
try {
  process.exitCode = (await bench()) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<boolean> {
  const entry = join(await buildPrograms(), 'job.process.mjs');
  const dataPath = makeTinyData(join(folder, 'data'), { train: 16, val: 2 });
  const recipe = parseRecipe({
    ...{ model: 'deit_tiny_patch16_224', dataPath, inputSize: 32, batchSize: 4, numWorkers: 1, epochs },
    ...{ precision: 'float32', device: 'cpu', warmupEpochs: 0, lr: 1e-4, unscaleLr: true, repeatedAug: false },
    ...{ modelEma: true, saveMinutes: SAVE_MINUTES, saveEvery: 3 },
  });
  const plain = { ...recipe, saveMinutes: 0, saveEvery: epochs };
  await attempt({ entry, run: join(folder, 'whole'), recipe: plain, kill: null });
  console.log(`undisturbed: ${epochs} epochs`);
  const run = join(folder, 'killed');
  const draw = draws(Number(values.seed));
  const sum = { made: 0, inside: 0, lost: 0, backwards: 0, longest: 0, stepsLost: 0, early: 0 };
  let newest = 0;
  for (let finished = false; !finished;) {
    const aim = AIMS[Math.floor(draw() * AIMS.length)];
    const outcome = await attempt({ entry, run, recipe, kill: sum.made < kills ? { aim, draw } : null });
    finished = outcome.ended === 'finished';
    const damage = inspect(run);
    sum.lost += damage.lost.length;
    if (damage.newest < newest) sum.backwards++;
    newest = damage.newest;
    if (finished) sum.early = kills - sum.made;
    else sum.made++;
    if (outcome.inside) sum.inside++;
    sum.longest = Math.max(sum.longest, outcome.lost ?? 0);
    sum.stepsLost = Math.max(sum.stepsLost, outcome.stepsLost);
    if (damage.lost.length > 0) console.log(`after a kill at the ${aim}: ${damage.lost.join(', ')}`);
    if (sum.made % 10 === 0 && !finished) console.log(`${sum.made} kills, step ${newest}`);
  }
  const [one, other] = [join(folder, 'whole'), run].map((path) => JSON.stringify(curve(path)));
  const same = { curve: one === other, values: (await stateHash(join(folder, 'whole'))) === (await stateHash(run)) };
  const good = sum.lost === 0 && sum.backwards === 0 && same.curve && same.values && sum.early === 0;
  console.log(`${sum.made} kills, ${sum.inside} of them inside the writing of a checkpoint`);
  console.log(`${sum.lost} lost checkpoints, ${sum.backwards} times an older one was the newest`);
  console.log(
    `never more than ${(sum.longest / 1000).toFixed(2)} s (${sum.stepsLost} steps) of training after the last checkpoint; asked for ${60 * SAVE_MINUTES} s`,
  );
  console.log(`losses and scores of ${epochs} epochs ${same.curve ? 'equal' : 'DIFFER'} bit for bit`);
  console.log(`all values at the end ${same.values ? 'equal' : 'DIFFER'} bit for bit`);
  if (sum.early > 0) console.log(`it finished ${sum.early} kills too early: ask for more --epochs`);
  if (values.json) console.log(JSON.stringify({ kills: sum.made, epochs, ...sum, ...same }));
  return good;
}
