import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EpochRow, StepRow } from '../../../src-main/protocol/events.ts';
import { defaultRecipe, type Recipe } from '../../../src-main/protocol/recipe.ts';
import type { StateTensor } from '../../../src-main/runs/checkpoint.ts';
import type { CheckpointFacts } from '../../../src-main/runs/checkpoint-file.ts';
import { createRun } from '../../../src-main/runs/run-folder.ts';

/** Small runs for tests: what a trainer would save, without one. */

export const CLASSES = ['cat', 'dog', '猫'];

const temporary: string[] = [];
process.once('exit', () => temporary.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A new folder, removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-runs-'));
  temporary.push(folder);
  return folder;
}

export function recipe(changes: Partial<Recipe> = {}): Recipe {
  return { ...defaultRecipe(), model: 'deit_tiny_patch16_224', epochs: 5, ...changes };
}

/** A run folder without checkpoints. */
export function newRun(folder = join(temporaryFolder(), 'run'), changes: Partial<Recipe> = {}): string {
  const about = { id: 'run', version: '0.1.0', engine: 'TensorFlow 2.21.0 cpu', dataPath: '/data' };
  createRun(folder, { ...about, recipe: recipe(changes), classes: CLASSES });
  return folder;
}

/** Ten steps an epoch; without an epoch the one that the step ends. */
export function facts({ step = 10, epoch = Math.ceil(step / 10) - 1, batch = 10 } = {}): CheckpointFacts {
  return { position: { epoch, batch, step, lossSum: step / 3 }, recipe: recipe(), classes: CLASSES };
}

/** 96 kB of tensors that all hold the number of the step. */
export function stateOf(step: number): StateTensor[] {
  const values = () => new Float32Array(8000).fill(step);
  return ['model.a', 'exp_avg.a', 'exp_avg_sq.a'].map((name) => [name, [80, 100], values]);
}

export function stepRow(step: number): StepRow {
  const epoch = Math.ceil(step / 10) - 1;
  const losses = { loss: 2, lossClass: 1.5, lossDistillation: 2.5 };
  const speed = { imagesPerSecond: 30, secondsLeft: 60, memory: 1e9, anatomy: { dataWait: 1, step: 900 } };
  return { type: 'step', time: 1e12 + step, epoch, step, stepsPerEpoch: 10, ...losses, lr: 1e-3, ...speed };
}

export function epochRow(epoch: number, acc1 = 50 + epoch): EpochRow {
  const test = { loss: 1.25, acc1, acc5: 90 };
  const train = { trainLoss: 2.5, trainLr: 5e-4, parameters: 5_910_800, seconds: 30 };
  const about = { time: 1e12 + epoch, epoch, step: 10 * (epoch + 1) };
  return { type: 'epoch', ...about, ...train, test, classHead: test, distillationHead: test, agreement: 80 };
}
