import { hasBfloat16Products, thisProcessor } from '../base/processor.ts';
import type { CudaDevice } from './cuda-driver.ts';

/** The first generation of GPUs that multiplies bfloat16 in hardware (Ampere). */
const BFLOAT16_CAPABILITY = 8;

/** Tells whether the GPU, or without one this processor, multiplies bfloat16 matrices in hardware. */
export function multipliesBfloat16(gpu: CudaDevice | null = null): boolean {
  return gpu ? gpu.capability >= BFLOAT16_CAPABILITY : hasBfloat16Products(thisProcessor());
}
