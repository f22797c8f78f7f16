import { writeFileSync } from 'node:fs';
import { loadEngine } from '../../src-main/engines/load.ts';
import type { State } from '../../src-main/engines/engine.ts';
import type { Model } from '../../src-main/model/model.ts';
import type { Recipe } from '../../src-main/protocol/recipe.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import { createTrainStep } from '../../src-main/train/step.ts';
import type { StepBatch } from '../../src-main/train/step-types.ts';
import { noiseRows } from '../../src-main/train/submodels.ts';
import { hashed, uniform } from '../helpers/generated.ts';
import { deit, fill, recipe, regular } from '../helpers/tiny-steps.ts';

/**
 * Makes steps of tiny networks as one rank of several, or alone, and writes the losses and every variable as float32.
 * Arguments: the engine's folder, the rank, addresses of all ranks with commas between, the setting, a file to write.
 */
const [engineFolder, rankText, addressText, setting, out] = process.argv.slice(2);
const [GLOBAL, CLASSES, STEPS] = [8, 10, 20];
const addresses = addressText.split(',');
const ranks = { rank: Number(rankText), size: addresses.length };

const SETTINGS: Record<string, () => { student: Model; recipe: Recipe; steps: number }> = {
  // Everything that is drawn for an image by its place, and all that goes by the whole step.
  deit: () => ({
    student: deit(),
    recipe: recipe({
      reprob: 0.5,
      clipGrad: 0.05,
      clipMode: 'norm',
      modelEma: true,
      modelEmaDecay: 0.9,
      dropPath: 0.2,
    }),
    steps: STEPS,
  }),
  // Batch normalisation by the statistics of all ranks' images.
  norms: () => ({ student: regular(), recipe: recipe({ opt: 'sgd' }), steps: 1 }),
};

/** The rows of the whole step that this rank has. */
function batch(student: Model, recipe: Recipe, step: number): StepBatch {
  const rows = Array.from({ length: GLOBAL / ranks.size }, (_, row) => row * ranks.size + ranks.rank);
  const bytes = student.inputSize ** 2 * 3;
  const images = Uint8Array.from(hashed(`images ${step}`, GLOBAL * bytes), (bits) => bits >>> 24);
  const labels = Int32Array.from(hashed(`labels ${step}`, GLOBAL), (bits) => bits % CLASSES);
  const own = new Uint8Array(rows.length * bytes);
  rows.forEach((row, at) => own.set(images.subarray(row * bytes, (row + 1) * bytes), at * bytes));
  const noises = noiseRows(student, recipe);
  const noise = uniform(`noise ${step}`, noises * GLOBAL);
  const box = { left: 2, top: 3, width: 8, height: 6 };
  return {
    images: own,
    labels: Int32Array.from(rows, (row) => labels[row]),
    noise: noises > 0 ? Float32Array.from({ length: noises * rows.length }, (_, at) => noise[Math.floor(at / rows.length) * GLOBAL + rows[at % rows.length]]) : null, // prettier-ignore
    ...(recipe.reprob > 0 && { erase: rows.map((row) => (row % 3 ? [box] : [])) }),
  };
}

/**
 * Every variable but the bias of the keys: softmax does not see it, so its gradient is rounding alone, of which AdamW
 * makes a step as large as any.
 */
function values(state: State): Float32Array[] {
  return [...state.names()].sort().map((name) => {
    const all = state.read(name);
    return name.endsWith('attn.qkv.bias') ? all.fill(0, all.length / 3, (2 * all.length) / 3) : all;
  });
}

const engine = await loadEngine(engineFolder, {
  ...{ threads: 1, threading: setting === 'norms' ? 'ops' : 'lanes' },
  cluster: ranks.size > 1 ? { rank: ranks.rank, addresses } : null,
});
const { student, recipe: settings, steps } = SETTINGS[setting]();
const state = fill(engine, { student, recipe: settings });
const parts = { student, teacher: null, recipe: settings, batchSize: GLOBAL / ranks.size };
const step = await createTrainStep(engine, state, { ...parts, ...(ranks.size > 1 && { ranks }) });
const losses: number[] = [];
for (let at = 1; at <= steps; at++)
  losses.push((await step.run(batch(student, settings, at), { lr: 1e-3, step: at })).loss);
const written = [Float32Array.from(losses), ...values(state)];
writeFileSync(out, Buffer.concat(written.map((one) => Buffer.from(one.buffer, one.byteOffset, one.byteLength))));
exitProcess(0);
