import { parseArgs } from 'node:util';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { recordTrainStep } from '../../src-main/train/step.ts';
import { runMain } from './run-main.ts';
import { compileFor, openCompiler } from './cuda-compiler.ts';
import { GPU_TARGETS, type GpuTargetName } from './gpu-targets.ts';

/**
 * `npm run bench -- compile`: compiles the training steps of the shipped recipes for GPUs that this machine need not
 * have, and tells what the compiler says: its time, kernels, memory by batch size. It fetches the CUDA plugin, the
 * assembler and the bitcode (234 MB) once, and nothing else of CUDA.
 *
 * Options: --target h200|a100|rtx4090|v100|p100 (repeatable), --preset ID (repeatable; all by default), --batch N (repeatable; the
 * recipe's own by default), --precision bfloat16|float16|float32, --devices N, --from FOLDER of wheels, --json.
 */
const { values: options } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: ['h200'] },
    preset: { type: 'string', multiple: true },
    batch: { type: 'string', multiple: true },
    precision: { type: 'string', default: 'bfloat16' },
    devices: { type: 'string', default: '1' },
    from: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

/** What a program became. */
interface Line {
  target: string;
  preset: string;
  model: string;
  batch: number;
  seconds: number;
  /** Bytes on the device at the most, arguments and state included. */
  peak: number;
  state: number;
  /** Launches of a step, by kind. */
  kernels: Record<string, number>;
  /** What computes matrix products and convolutions. */
  products: Record<string, number>;
}

const devices = Number(options.devices);
const precision = options.precision as Precision;
const lines: Line[] = [];
await runMain(async () => {
  await main();
  if (options.json) console.log(JSON.stringify(lines));
});

async function main(): Promise<void> {
  const unknown = options.target.find((name) => !(name in GPU_TARGETS));
  if (unknown) throw new RangeError(`--target ${unknown}: there are ${Object.keys(GPU_TARGETS).join(', ')}`);
  const processor = await loadEngine(engineFolder(), { threads: 1, threading: 'ops' });
  const engine: Engine = { ...processor, lanes: 1, ahead: true };
  console.log(
    '| GPU | preset | student | batch | compile, s | peak, GiB | state, GiB | kernels | products |\n|---|---|---|---|---|---|---|---|---|',
  );
  for (const target of options.target as GpuTargetName[]) {
    const plugin = await openCompiler(target, options.from);
    for (const { id, values } of PRESETS.filter(({ id }) => options.preset?.includes(id) ?? true)) {
      const recipe = parseRecipe({ ...values });
      for (const batch of options.batch?.map(Number) ?? [recipe.batchSize]) {
        const line = await compiled(plugin, engine, { target, id, recipe, batch });
        lines.push(line);
        console.log(rowOf(line));
      }
    }
  }
}

interface Case {
  target: GpuTargetName;
  id: string;
  recipe: Recipe;
  batch: number;
}

async function compiled(plugin: PjrtPlugin, engine: Engine, { target, id, recipe, batch }: Case): Promise<Line> {
  const { model, inputSize, dropPath, drop, deit3Style, recompute, distillationType, teacherModel } = recipe;
  const student = createModel(model, { classes: 1000, inputSize, dropPath, drop, deit3Style, recompute });
  const teacher = distillationType === 'none' ? null : createModel(teacherModel, { classes: 1000, inputSize });
  const program = recordTrainStep(engine, { student, teacher, recipe, batchSize: batch, precision });
  const { mlir } = toStableHlo(program, { precision, devices });
  const { seconds, memory, kernels, products } = await compileFor(plugin, target, mlir, devices);
  const { peak, aliased: state } = memory;
  return { target, preset: id, model, batch, seconds, peak, state, kernels, products };
}

function rowOf({ target, preset, model, batch, seconds, peak, state, kernels, products }: Line): string {
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  const kinds = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  const cells = [
    target,
    preset,
    model,
    batch,
    seconds.toFixed(0),
    gib(peak),
    gib(state),
    kinds(kernels),
    kinds(products),
  ];
  return `| ${cells.join(' | ')} |`;
}
