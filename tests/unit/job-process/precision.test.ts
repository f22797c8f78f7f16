import { afterEach, expect, test, vi } from 'vitest';
import { whyNotMultiplied } from '../../../src-main/base/processor.ts';
import { precisionOf } from '../../../src-main/job-process/jobs/train-job.ts';
import { parseRecipe } from '../../../src-main/protocol/recipe.ts';

/** The precision that a job computes in, whoever checked its recipe. */

afterEach(() => void vi.unstubAllEnvs());

const ampere = { name: 'A GPU', memory: 8e9, capability: 8 };
const turing = { ...ampere, capability: 7.5 };
const of = (precision: string, gpu: typeof ampere | null) => precisionOf(parseRecipe({ precision }), { gpu });

test('is what the processor multiplies: bfloat16 by name is an error where it does not', () => {
  vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
  expect([of('auto', null), of('float32', null)]).toEqual(['float32', 'float32']);
  const params = { key: 'precision', expected: whyNotMultiplied('bfloat16'), got: '"bfloat16"' };
  expect(() => of('bfloat16', null)).toThrow(expect.objectContaining({ code: 'recipe.invalid', params }));
});

test('is that of the GPU where one computes', () => {
  vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
  expect([of('auto', ampere), of('auto', turing)]).toEqual(['bfloat16', 'float16']);
  expect(of('bfloat16', turing)).toBe('bfloat16');
});
