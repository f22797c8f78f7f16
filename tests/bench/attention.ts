import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFor, openCompiler } from './cuda-compiler.ts';
import { GPU_TARGETS, type GpuTargetName } from './gpu-targets.ts';

/**
 * `npm run bench -- attention [TARGET]`: compiles DeiT-Ti's attention with its gradient (256 images, bfloat16) for a GPU
 * that is not here, h200 by default, as ops that XLA fuses and as cuDNN's fused attention, and prints what each became.
 */
const target = (process.argv[2] ?? 'h200') as GpuTargetName;
if (!Object.hasOwn(GPU_TARGETS, target)) throw new Error(`No such GPU: ${target}.`);

const plugin = await openCompiler(target);
for (const name of ['ops', 'cudnn']) {
  // npm runs benches in the root.
  const { memory, kernels, products } = await compileFor(plugin, target, readFileSync(join('tests/bench/attention', `${name}.mlir`), 'utf8')); // prettier-ignore
  const counts = (of: Record<string, number>): string => Object.entries(of).map(([word, times]) => `${times} ${word}`).join(', '); // prettier-ignore
  const mebibytes = (memory.temporary / 2 ** 20).toFixed(0);
  console.log(
    `${name.padEnd(6)} launches: ${counts(kernels)}; products: ${counts(products)}; ${mebibytes} MiB between`,
  );
}
process.exit(0);
