import { readFileSync } from 'node:fs';
import type { CudaDevice } from './cuda-driver.ts';

/** The first generation of GPUs that multiplies bfloat16 in hardware (Ampere). */
const BFLOAT16_CAPABILITY = 8;

/** Tells whether the GPU, or without one this processor, multiplies bfloat16 matrices in hardware. */
export function multipliesBfloat16(gpu: CudaDevice | null = null): boolean {
  if (gpu) return gpu.capability >= BFLOAT16_CAPABILITY;
  return processorFlags().some((flag) => flag === 'avx512_bf16' || flag === 'amx_bf16');
}

function processorFlags(): string[] {
  try {
    return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].trim().split(/\s+/) ?? [];
  } catch {
    return [];
  }
}
