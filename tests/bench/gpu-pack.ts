import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadEngine } from '../../src-main/engines/load.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import type { Precision } from '../../src-main/trace/narrow.ts';
import { runMain } from './run-main.ts';
import { addCheck, layPrograms, type Step } from './gpu-packing.ts';

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

const SIZES = { tiny: 256, small: 256, base: 128 };
const TINY = 'deit_tiny_distilled_patch16_224';
const NUMBERS = { model: TINY, inputSize: 64, batch: 8, teacher: 'regnety_004', small: true };
const kinds: [string, Precision][] = [
  ['bfloat16', 'bfloat16'],
  ['TF32', 'tf32'],
];
const STEP_LIST: Step[] = [
  { ...NUMBERS, name: 'numbers, float32', precision: 'float32', bound: 1e-5 },
  { ...NUMBERS, name: 'numbers, no teacher', precision: 'float32', teacher: undefined, bound: 1e-5 },
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

await runMain(main);

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'stillhouse-gpu-pack-'));
  const folder = join(root, 'gpu-check');
  mkdirSync(folder);
  try {
    const engine = await loadEngine(engineFolder(), { threading: 'ops' });
    const steps = STEP_LIST.filter(({ name }) => options.only?.includes(name) ?? true);
    await layPrograms(engine, steps, folder);
    await addProgram(folder);
    const output = resolve(options.output);
    execFileSync('tar', ['-C', root, '-cJf', output, 'gpu-check'], { env: { ...process.env, XZ_OPT: '-3 -T0' } });
    const { size } = statSync(output);
    console.log(`${output}: ${(size / 2 ** 20).toFixed(1)} MiB, ${steps.length} programs`);
    if (size > MOST_BYTES) throw new Error('The archive is larger than 60 MiB.');
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Node without its symbols, the FFI, the check as one file, and the command. */
async function addProgram(folder: string): Promise<void> {
  await addCheck(folder);
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
  const run = '#!/bin/sh\nexec "$(dirname "$0")/node" "$(dirname "$0")/gpu-check.js" "$@"\n';
  writeFileSync(join(folder, 'run'), run, { mode: 0o755 });
}
