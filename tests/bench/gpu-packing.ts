import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import type { Engine } from '../../src-main/engines/engine.ts';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { parseRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import type { Program } from '../../src-main/trace/program.ts';
import { recordTrainStep } from '../../src-main/train/step.ts';
import { updateScalars } from '../../src-main/train/update.ts';
import { COMPARED, packedInputs, packedState, type PackedProgram } from './packed-program.ts';

/** What `gpu-pack` lays into its archive: training steps with their references, and the program that runs them. */

const STEPS = 4;
const RATE = 1e-3;

/** A training step to pack. */
export interface Step {
  name: string;
  model: string;
  inputSize?: number;
  batch: number;
  teacher?: string;
  precision: Precision;
  devices?: number;
  /** Whether a processor takes it too: its losses are computed here, in float32 on TensorFlow. */
  small?: boolean;
  /** How far its losses may be from these. */
  bound?: number;
}

/** Writes steps as programs, with `programs.json` beside them. */
export async function layPrograms(engine: Engine, steps: readonly Step[], folder: string): Promise<void> {
  const recording: Engine = { ...engine, lanes: 1, ahead: true };
  const programs: PackedProgram[] = [];
  for (const step of steps) programs.push(await packed(recording, step, folder, programs.length));
  writeFileSync(join(folder, 'programs.json'), JSON.stringify(programs));
}

async function packed(engine: Engine, step: Step, folder: string, index: number): Promise<PackedProgram> {
  const { name, model, inputSize = 224, batch, teacher, precision, devices = 1, small = false, bound = 0 } = step;
  const kind = teacher ? ({ distillationType: 'hard', teacherModel: teacher } as const) : ({ distillationType: 'none' } as const); // prettier-ignore
  const recipe = parseRecipe({ model, inputSize, batchSize: batch, ...kind, ...WITHOUT_AUGMENTATION });
  const student = createModel(model, { classes: 1000, inputSize, dropPath: recipe.dropPath });
  const network = teacher ? createModel(teacher, { classes: 1000, inputSize }) : null;
  const program = recordTrainStep(engine, { student, teacher: network, recipe, batchSize: batch, precision });
  const { mlir, ...module } = toStableHlo(program, { precision, devices });
  const scalars = Array.from({ length: STEPS }, (_, at) => updateScalars(recipe, RATE, at + 1));
  const file = `program-${index}.mlir`;
  writeFileSync(join(folder, file), mlir);
  const losses = small ? await lossesOf(engine, program, scalars) : null;
  console.error(`${name}: ${(mlir.length / 1e6).toFixed(1)} MB of text${losses ? `, losses ${losses.join(' ')}` : ''}`);
  return { name, file, model, teacher: teacher ?? null, precision, batch, module, scalars, losses, bound };
}

/** The losses of the first steps on TensorFlow, in float32 and whole. */
async function lossesOf(engine: Engine, program: Program, scalars: Record<string, number>[]): Promise<number[]> {
  const whole = toStableHlo(program, { precision: 'float32' });
  const state = engine.newState();
  packedState(whole, (name, shape, values) => state.set(name, shape, values));
  const step = await engine.compile(program, state, { precision: 'float32' });
  const losses: number[] = [];
  for (let index = 0; index < COMPARED; index++)
    losses.push(Number((await step.run(packedInputs(whole, index, scalars))).loss[0]));
  step.dispose();
  state.dispose();
  return losses;
}

/** Writes the check as one file, `gpu-check.js`, and what it starts Python with. */
export async function addCheck(folder: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'error',
    build: { ssr: 'tests/bench/gpu-check.ts', outDir: folder, emptyOutDir: false, target: 'node20' },
    ssr: { noExternal: true },
  });
  copyFileSync('tests/bench/gpu-peers.py', join(folder, 'gpu-peers.py'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
}
