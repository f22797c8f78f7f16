import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'vite';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { parseRecipe, WITHOUT_AUGMENTATION } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import type { Program } from '../../src-main/trace/program.ts';
import { recordTrainStep } from '../../src-main/train/step.ts';
import { updateScalars } from '../../src-main/train/update.ts';
import { COMPARED, packedInputs, packedState, type PackedProgram } from './packed-program.ts';

/**
 * `npm run bench -- gpu-pack`: makes one archive for a Linux machine that has an NVIDIA driver and the CUDA wheels of
 * JAX, and no network: this Node, the FFI, training steps, and the losses that TensorFlow has with the small ones on
 * this processor. There: tar xf gpu-check.tar.xz && gpu-check/run. Options: --output FILE, --only NAME (repeatable).
 */
const { values: options } = parseArgs({
  options: { output: { type: 'string', default: 'gpu-check.tar.xz' }, only: { type: 'string', multiple: true } },
});
const MOST_BYTES = 60 * 2 ** 20;
const TEACHER = 'regnety_160';
const STEPS = 4;
const RATE = 1e-3;

interface Step {
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

const SIZES = { tiny: 256, small: 256, base: 128 };
const TINY = 'deit_tiny_distilled_patch16_224';
const NUMBERS = { model: TINY, inputSize: 64, batch: 8, teacher: 'regnety_004', small: true };
const kinds: [string, Precision][] = [
  ['bfloat16', 'bfloat16'],
  ['TF32', 'tf32'],
];
const STEP_LIST: Step[] = [
  { ...NUMBERS, name: 'numbers, float32', precision: 'float32', bound: 1e-5 },
  { ...NUMBERS, name: 'numbers, TF32', precision: 'tf32', bound: 5e-3 },
  { ...NUMBERS, name: 'numbers, bfloat16', precision: 'bfloat16', bound: 2e-2 },
  { ...NUMBERS, name: 'numbers, two devices', precision: 'float32', devices: 2, bound: 1e-5 },
  ...kinds.flatMap(([label, precision]) =>
    Object.entries(SIZES).flatMap(([size, batch]) =>
      [undefined, TEACHER].map((teacher): Step => {
        const model = `deit_${size}_distilled_patch16_224`;
        return { name: `${size}${teacher ? ' with teacher' : ''}, ${label}`, model, batch, teacher, precision };
      }),
    ),
  ),
  { name: 'tiny, two devices', model: TINY, batch: 512, precision: 'bfloat16', devices: 2 },
];

try {
  await main();
  exitProcess(0);
} catch (error) {
  console.error(error);
  exitProcess(1);
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'stillhouse-gpu-pack-'));
  const folder = join(root, 'gpu-check');
  mkdirSync(folder);
  try {
    const { tensorflow, ...engine } = await loadEngine(engineFolder(), { threading: 'ops' });
    const recording: Engine = { ...engine, tensorflow, lanes: 1, ahead: true };
    const programs: PackedProgram[] = [];
    for (const step of STEP_LIST.filter(({ name }) => options.only?.includes(name) ?? true))
      programs.push(await packed(recording, step, folder, programs.length));
    writeFileSync(join(folder, 'programs.json'), JSON.stringify(programs));
    await addProgram(folder);
    const output = resolve(options.output);
    execFileSync('tar', ['-C', root, '-cJf', output, 'gpu-check'], { env: { ...process.env, XZ_OPT: '-3 -T0' } });
    const { size } = statSync(output);
    console.log(`${output}: ${(size / 2 ** 20).toFixed(1)} MiB, ${programs.length} programs`);
    if (size > MOST_BYTES) throw new Error('The archive is larger than 60 MiB.');
  } finally {
    rmSync(root, { recursive: true });
  }
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

/** Node without its symbols, the FFI, the check as one file, and the command. */
async function addProgram(folder: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'error',
    build: { ssr: 'tests/bench/gpu-check.ts', outDir: folder, emptyOutDir: false, target: 'node20' },
    ssr: { noExternal: true },
  });
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  try {
    execFileSync('strip', [node]);
  } catch {
    console.error('strip is missing: the archive holds the symbols of Node too.');
  }
  for (const name of ['koffi', '@koromix/koffi-linux-x64'])
    cpSync(`node_modules/${name}`, join(folder, 'node_modules', name), { recursive: true });
  copyFileSync('tests/bench/gpu-peers.py', join(folder, 'gpu-peers.py'));
  const run = '#!/bin/sh\nexec "$(dirname "$0")/node" "$(dirname "$0")/gpu-check.js" "$@"\n';
  writeFileSync(join(folder, 'run'), run, { mode: 0o755 });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
}
