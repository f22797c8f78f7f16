import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Engine } from '../../src-main/engines/engine.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import { PLUGIN_PINS, pluginLibrary, type PluginPin } from '../../src-main/install/engine-pin.ts';
import { install } from '../../src-main/install/engine-store.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { PRESETS } from '../../src-main/protocol/presets.ts';
import { parseRecipe, type Recipe } from '../../src-main/protocol/recipe.ts';
import { cacheFolder, engineFolder } from '../../src-main/runs/places.ts';
import { compileOptions } from '../../src-main/runtime/pjrt/compile-options.ts';
import { PjrtPlugin } from '../../src-main/runtime/pjrt/plugin.ts';
import { exitProcess } from '../../src-main/runtime/tensorflow.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { recordTrainStep } from '../../src-main/train/step.ts';
import { GPU_TARGETS, targetConfig, type GpuTargetName } from './gpu-targets.ts';

/**
 * `npm run bench -- compile`: compiles the training steps of the shipped recipes for GPUs that this machine need not
 * have, and tells what the compiler says: its time, kernels, memory by batch size. It fetches the CUDA plugin, the
 * assembler and the bitcode (234 MB) once, and nothing else of CUDA.
 *
 * Options: --target h200|a100|rtx4090 (repeatable), --preset ID (repeatable; all by default), --batch N (repeatable; the
 * recipe's own by default), --precision bfloat16|float32, --devices N, --from FOLDER of wheels, --json.
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
}

const devices = Number(options.devices);
const precision = options.precision as Precision;
const lines: Line[] = [];
try {
  await main();
  if (options.json) console.log(JSON.stringify(lines));
  exitProcess(0);
} catch (error) {
  console.error(error);
  exitProcess(1);
}

async function main(): Promise<void> {
  const plugin = await cudaPlugin();
  const processor = await loadEngine(engineFolder(), { threads: 1, threading: 'ops' });
  const engine: Engine = { ...processor, lanes: 1 };
  console.log(
    '| GPU | preset | student | batch | compile, s | peak, GiB | state, GiB | kernels |\n|---|---|---|---|---|---|---|---|',
  );
  for (const target of options.target)
    for (const { id, values } of PRESETS.filter(({ id }) => options.preset?.includes(id) ?? true)) {
      const recipe = parseRecipe({ ...values });
      for (const batch of options.batch?.map(Number) ?? [recipe.batchSize]) {
        const line = await compiled(plugin, engine, { target: target as GpuTargetName, id, recipe, batch });
        lines.push(line);
        console.log(rowOf(line));
      }
    }
}

/** The plugin with what compiling alone needs of CUDA. */
async function cudaPlugin(): Promise<PjrtPlugin> {
  const whole = PLUGIN_PINS['pjrt-cuda13'];
  const names = ['jax-cuda13-pjrt', 'nvidia-cuda-nvcc', 'nvidia-nvvm'];
  const pin: PluginPin = { ...whole, wheels: whole.wheels.filter((wheel) => names.includes(wheel.package)) };
  const folder = join(cacheFolder(), 'engine', `compile-cuda13-${whole.version}`);
  if (!existsSync(folder)) console.error('Fetching the CUDA plugin and its assembler …');
  await install({ folder, pin, from: options.from, verify: () => Promise.resolve() });
  const { path, sha256 } = pluginLibrary(pin);
  return PjrtPlugin.load(join(folder, path), { sha256 });
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
  const { mlir, replicas } = toStableHlo(program, { precision, devices });
  const dump = mkdtempSync(join(tmpdir(), 'stillhouse-compile-'));
  try {
    const flags = { xla_dump_to: dump, xla_dump_hlo_as_text: true };
    const begun = performance.now();
    const executable = await plugin.compileAhead(mlir, compileOptions({ partitions: replicas, flags }), {
      name: 'gpu',
      options: { target_config: targetConfig(GPU_TARGETS[target]), topology: `1x1x${devices}` },
    });
    const seconds = (performance.now() - begun) / 1000;
    const memory = executable.memory();
    executable.dispose();
    const { peak, aliased: state } = memory;
    return { target, preset: id, model, batch, seconds, peak, state, kernels: kernelsIn(dump) };
  } finally {
    rmSync(dump, { recursive: true });
  }
}

/** Counts the launches that XLA has written down, by kind. */
function kernelsIn(folder: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('thunk_sequence.txt'))) {
    for (const [, kind] of readFileSync(join(folder, file), 'utf8').matchAll(/\bk([A-Z]\w+)\b/g))
      counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function rowOf({ target, preset, model, batch, seconds, peak, state, kernels }: Line): string {
  const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
  const kinds = Object.entries(kernels).map(([kind, count]) => `${count} ${kind}`);
  const cells = [target, preset, model, batch, seconds.toFixed(0), gib(peak), gib(state), kinds.join(', ')];
  return `| ${cells.join(' | ')} |`;
}
