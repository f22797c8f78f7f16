import { parseArgs } from 'node:util';
import { shapeSize } from '../../src-main/base/shape-size.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { pjrtEngine } from '../../src-main/engines/pjrt/engine.ts';
import { toStableHlo } from '../../src-main/engines/pjrt/stablehlo/lower.ts';
import { openDevices, openPlugin } from '../../src-main/job-process/accelerator/open-plugin.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import { engineFolder, programsFolder } from '../../src-main/runs/places.ts';
import type { Values } from '../../src-main/runtime/dtypes.ts';
import type { PjrtClient } from '../../src-main/runtime/pjrt/client.ts';
import { compileOptions } from '../../src-main/runtime/pjrt/compile-options.ts';
import { ProgramCache } from '../../src-main/runtime/pjrt/program-cache.ts';
import { loadEngine } from '../../src-main/engines/load.ts';
import { drawValues } from '../../src-main/train/mix.ts';
import { recordTrainStep } from '../../src-main/train/step.ts';
import { updateScalars } from '../../src-main/train/update.ts';
import { PREFIX } from '../../src-main/train/variables.ts';
import { BATCH, batchOf, fill, recipe, steps, type Setting } from '../helpers/tiny-steps.ts';
import { runMain } from './run-main.ts';

/**
 * `npm run bench -- reference`: computes one training step in float64 (by the processor's plugin) and says how far
 * TensorFlow and the plugin in float32 are from it: in the loss, and in the gradients, as the first momentum holds them.
 * Options: --model NAME (tf_efficientnet_lite0), --input-size N (64).
 */
const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'tf_efficientnet_lite0' },
    'input-size': { type: 'string', default: '64' },
  },
});
const LR = 1e-3;
/** Code that is made in a moment. */
const FLAGS = { xla_backend_optimization_level: 0, xla_llvm_disable_expensive_passes: true };

await runMain(main);

async function main(): Promise<void> {
  const inputSize = Number(options['input-size']);
  const setting: Setting = {
    student: createModel(options.model, { classes: 10, inputSize }),
    recipe: recipe({ opt: 'momentum', weightDecay: 0 }),
  };
  const engine = await loadEngine(engineFolder(), { threads: 2 });
  const client = await openDevices(openPlugin(engineFolder('pjrt-cpu'), 'pjrt-cpu'), 'pjrt-cpu', [0]);
  const cache = new ProgramCache(programsFolder());
  const plugin = pjrtEngine({ tensorflow: engine.tensorflow, client, cache, bfloat16: false, tf32: false, flags: FLAGS }); // prettier-ignore
  const exact = await inFloat64({ ...engine, lanes: 1, ahead: true }, client, setting);
  for (const [name, one] of Object.entries({ TensorFlow: engine, plugin })) {
    const { losses, values } = await steps(one, setting, 1);
    const off = [...exact.values].filter(([variable]) => variable.startsWith(PREFIX.momentum)).map(([variable, want]) => difference(values.get(variable)!, want)); // prettier-ignore
    const all = Math.sqrt(sum(off.map(({ off }) => off)) / sum(off.map(({ of }) => of)));
    const loss = Math.abs(losses[0] - exact.loss) / exact.loss;
    console.log(`${name}: loss off by ${loss.toExponential(1)}, gradients by ${all.toExponential(1)}`); // prettier-ignore
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** Squares of differences, and of what is expected. */
function difference(got: Float32Array, want: Float64Array): { off: number; of: number } {
  let [off, of] = [0, 0];
  want.forEach((value, at) => ((off += (got[at] - value) ** 2), (of += value ** 2)));
  return { off, of };
}

async function inFloat64(engine: Engine, client: PjrtClient, setting: Setting) {
  const { student, recipe: own } = setting;
  const program = recordTrainStep(engine, { student, teacher: null, recipe: own, batchSize: BATCH });
  const { mlir, inputs, outputs } = toStableHlo(program, { precision: 'float32' });
  const executable = await client.compile(widened(mlir), compileOptions({ flags: FLAGS }));
  const state = fill(engine, setting);
  const { images, labels, noise, ...batch } = batchOf(setting, 1);
  const scalars = Object.entries(updateScalars(own, LR, 1)).map(([name, value]) => [name, Float64Array.of(Math.fround(value))]); // prettier-ignore
  const fed: Record<string, Values> = {
    ...{ images, labels, ...(noise && { noise }) },
    ...drawValues(own, batch, BATCH, 1),
    ...(Object.fromEntries(scalars) as Record<string, Values>),
  };
  const buffers = [];
  for (const { name, shape, dtype } of inputs) {
    const given = fed[name] ?? (state.has(name) ? state.read(name) : new Float32Array(shapeSize(shape)));
    const wide = dtype === 'float32';
    const { buffer, sent } = await client.upload(wide ? Float64Array.from(given as Float32Array) : given, wide ? 'float64' : dtype, shape); // prettier-ignore
    await sent();
    buffers.push(buffer);
  }
  const { outputs: made, done } = await executable.execute([buffers]);
  await done;
  const read: Float64Array[] = [];
  for (const [at, one] of made[0].entries()) read.push(await one.read(new Float64Array(shapeSize(outputs[at].shape))));
  const values = new Map(outputs.map(({ name }, at) => [name, read[at]]));
  return { values, loss: values.get('loss')![0] };
}

/** The same text in float64: types, and constants by their bytes. */
function widened(mlir: string): string {
  return mlir
    .split('\n')
    .map((line) =>
      line.includes('stablehlo.constant') && line.endsWith('f32>')
        ? line.replace(/dense<(?:0x([0-9A-F]{8})|"0x([0-9A-F]+)")>/, (_, one: string, many: string) =>
            one
              ? `dense<0x${hexOf(Buffer.from(one, 'hex').reverse()).one}>`
              : `dense<"0x${hexOf(Buffer.from(many, 'hex')).many}">`,
          )
        : line,
    )
    .join('\n')
    .replaceAll(/(x|<)f32>/g, '$1f64>');
}

/** Little-endian float32 as the digits of one float64, and as the bytes of many. */
function hexOf(bytes: Buffer): { one: string; many: string } {
  const narrow = new Float32Array(Uint8Array.from(bytes).buffer);
  const wide = Buffer.from(Float64Array.from(narrow).buffer);
  return { many: wide.toString('hex').toUpperCase(), one: Buffer.from(wide).reverse().toString('hex').toUpperCase() };
}
