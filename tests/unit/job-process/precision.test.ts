import { afterEach, expect, test, vi } from 'vitest';
import { whyNotMultiplied } from '../../../src-main/base/processor.ts';
import type { Device } from '../../../src-main/engines/engine.ts';
import { precisionOf } from '../../../src-main/job-process/training/precision.ts';
import { speedsOf } from '../../../src-main/job-process/accelerator/open-engine.ts';
import { hasBfloat16Products, thisProcessor } from '../../../src-main/base/processor.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';

/** The precision that a job computes in, whoever checked its recipe. */

afterEach(() => void vi.unstubAllEnvs());

const ampere: Device = { name: 'A GPU', kind: 'accelerator', bfloat16: true, tf32: true, memory: null, count: 1 };
const turing: Device = { ...ampere, bfloat16: false, tf32: false };
const processor = (): Device => ({
  name: 'cpu',
  kind: 'processor',
  bfloat16: hasBfloat16Products(thisProcessor()),
  tf32: false,
  memory: null,
  count: 1,
});
const of = (precision: string, device: Device) => precisionOf(parseRecipe({ precision }), { device });

test('is what the processor multiplies: bfloat16 by name is an error where it does not', () => {
  vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
  expect([of('auto', processor()), of('float32', processor())]).toEqual(['float32', 'float32']);
  const params = { key: 'precision', expected: whyNotMultiplied('bfloat16'), got: '"bfloat16"' };
  expect(() => of('bfloat16', processor())).toThrow(expect.objectContaining({ code: 'recipe.invalid', params }));
});

test('is that of the GPU where one computes', () => {
  vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
  expect([of('auto', ampere), of('auto', turing)]).toEqual(['bfloat16', 'float16']);
  expect(of('bfloat16', turing)).toBe('bfloat16');
});

test('is TF32 where it was asked for and the device has it', () => {
  expect(of('tf32', ampere)).toBe('tf32');
  const refused = (device: Device) => expect(() => of('tf32', device));
  const params = { key: 'precision', expected: { code: 'value.no-tf32', params: { device: 'A GPU' } }, got: '"tf32"' };
  refused(turing).toThrow(expect.objectContaining({ code: 'recipe.invalid', params }));
  refused(processor()).toThrow(expect.objectContaining({ code: 'recipe.invalid' }));
});

test('is narrow on GPUs since Ampere, as their plugin names them', () => {
  const speeds = (platform: string, compute_capability?: string) =>
    speedsOf({ platform, devices: [{ pointer: 0n, kind: '', attributes: compute_capability ? { compute_capability } : {} }] }); // prettier-ignore
  expect(['7.0', '7.5', '8.0', '9.0'].map((one) => speeds('cuda', one).bfloat16)).toEqual([false, false, true, true]);
  expect(speeds('cuda', '9.0').tf32).toBe(true);
  expect(speeds('rocm', 'gfx942')).toEqual({ bfloat16: true, tf32: false });
  expect(speeds('cpu')).toEqual({ bfloat16: false, tf32: false });
});
