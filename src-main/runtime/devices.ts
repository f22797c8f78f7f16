import { readFileSync } from 'node:fs';

/** Whether this processor multiplies bfloat16 matrices in hardware. Where that cannot be read: no. */
export function multipliesBfloat16(): boolean {
  try {
    return /\b(avx512_bf16|amx_bf16)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}
