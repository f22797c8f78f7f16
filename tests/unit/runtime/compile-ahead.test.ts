import { expect, it } from 'vitest';
import { compileFor, hasCompiler, openCompiler } from '../../bench/cuda-compiler.ts';
import { GPU_TARGETS, targetConfig, type GpuTargetName } from '../../bench/gpu-targets.ts';

/** A block's first product, its bias and GELU. */
const BLOCK = `
module @block {
  func.func public @main(%x: tensor<512x192xbf16>, %w: tensor<192x768xbf16>, %state: tensor<192x768xf32> {tf.aliasing_output = 0 : i32}) -> (tensor<192x768xf32>, tensor<512x768xf32>) {
    %p = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<512x192xbf16>, tensor<192x768xbf16>) -> tensor<512x768xf32>
    %e = chlo.erf %p : tensor<512x768xf32> -> tensor<512x768xf32>
    %y = stablehlo.multiply %p, %e : tensor<512x768xf32>
    %new = stablehlo.add %state, %state : tensor<192x768xf32>
    return %new, %y : tensor<192x768xf32>, tensor<512x768xf32>
  }
}`;

// `npm run bench -- compile` fetches the compiler; no test does.
const targets = (Object.keys(GPU_TARGETS) as GpuTargetName[]).filter(hasCompiler);

it('describes GPUs to the compiler by their compute capability', () => {
  expect(targetConfig(GPU_TARGETS.h200)).toMatch(/cuda_compute_capability\s*{\s*major: 9/);
});

it.each(targets)('compiles for %s without one', async (target) => {
  const { memory, kernels, products } = await compileFor(await openCompiler(target), target, BLOCK);
  expect(memory.arguments).toBe(2 * (512 * 192 + 192 * 768) + 4 * 192 * 768);
  expect(memory.aliased).toBe(4 * 192 * 768);
  expect(Object.values(kernels).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1);
  expect(Object.values(products).reduce((sum, count) => sum + count, 0)).toBe(1);
});
