import { transformer } from '../../src-main/model/deit.ts';
import type { Model } from '../../src-main/model/model.ts';
import { parseRecipe } from '../../src-main/protocol/recipe.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { setParams, startFresh } from '../../src-main/job-process/training/train-state.ts';
import { initialValues } from '../../src-main/train/init.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { pseudoRandom } from '../helpers/engine.ts';

/**
 * Makes 100 training steps of a small distilled DeiT, with everything that is drawn for a batch, and prints the bits
 * of their losses. Arguments: the engine's folder, `lanes` or `ops`.
 */
const [engineFolder, threading] = process.argv.slice(2) as [string, 'lanes' | 'ops'];
const [BATCH, SIDE, CLASSES, STEPS] = [16, 32, 5, 100];

function model(): Model {
  const shape = { patch: 8, dim: 96, depth: 2, heads: 3, distilled: true as const };
  const network = transformer(shape, { classes: CLASSES, inputSize: SIDE, dropPath: 0.2 });
  const facts = { name: 'small', family: 'deit' as const, classes: CLASSES, inputSize: SIDE, cropRatio: 0.875 };
  return { ...network, ...facts, distilled: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
}

function batch(number: number) {
  const uniform = (count: number, shift: number) => pseudoRandom(count, 97 * number + shift).map((v) => (v + 1) / 2);
  return {
    images: Uint8Array.from(uniform(BATCH * SIDE * SIDE * 3, 1), (value) => 255 * value),
    labels: Int32Array.from(uniform(BATCH, 2), (value) => Math.floor(CLASSES * value)),
    noise: uniform(4 * BATCH, 3),
    mix: Array.from(uniform(BATCH, 4), (lambda, row) => ({
      ...{ lambda, box: row % 2 ? { top: 4, left: 8, height: 12, width: 6 } : null },
    })),
    erase: Array.from({ length: BATCH }, (_, row) => (row % 3 ? [] : [{ top: row, left: 2, height: 9, width: 5 }])),
  };
}

const engine = await loadEngine(engineFolder, { threads: 2, threading });
const [student, teacher, state] = [model(), model(), engine.newState()];
const recipe = parseRecipe({ batchSize: BATCH, inputSize: SIDE, distillationType: 'soft', precision: 'float32' });
startFresh(state, student, recipe);
const drawn = initialValues(teacher.specs, (name, count) =>
  Float64Array.from(pseudoRandom(count, name.length), (value) => (value + 1) / 2),
);
setParams(state, PREFIX.teacher, teacher.specs, drawn);
const step = await createTrainStep(engine, state, { student, teacher, recipe, batchSize: BATCH, precision: 'float32' });
const losses = new Float32Array(STEPS);
for (let number = 1; number <= STEPS; number++)
  losses[number - 1] = (await step.run(batch(number), { lr: 1e-3, step: number })).loss;
process.stdout.write(`${Buffer.from(losses.buffer).toString('hex')}\n`, () => exitProcess(0));
