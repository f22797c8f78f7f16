import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { reason, type Reason } from '../protocol/reasons.ts';

/** A processor as oneDNN, the library that multiplies matrices for TensorFlow, may use it. */
export interface Processor {
  /** As Linux lists them: `avx2`, `avx512_bf16`; `bf16` on ARM. */
  flags: readonly string[];
  /** The variable that holds oneDNN to older instructions, with its value in lower case; null where none is set. */
  limit: { name: string; value: string } | null;
}

/** Levels of `ONEDNN_MAX_CPU_ISA`, each with all before it; oneDNN takes any other value for no limit. */
const AVX2_LEVELS = ['sse41', 'avx', 'avx2', 'avx2_vnni', 'avx2_vnni_2'] as const;
const AVX512_LEVELS = [
  ...(['avx512_core', 'avx512_core_vnni', 'avx512_core_bf16', 'avx512_core_fp16'] as const),
  ...(['avx512_core_amx', 'avx512_core_amx_fp16'] as const),
];
type Avx512Level = (typeof AVX512_LEVELS)[number];

/** With one of these TensorFlow hands products of float16 to oneDNN. */
const HANDS_FLOAT16: readonly string[] = ['avx512_fp16', 'amx_fp16', 'avx_ne_convert'];

// oneDNN takes them in this order.
const VARIABLES = ['ONEDNN_MAX_CPU_ISA', 'DNNL_MAX_CPU_ISA'] as const;

/** Reads which instructions this machine has, and which of them the environment leaves to oneDNN. */
export function thisProcessor(): Processor {
  const name = VARIABLES.find((variable) => process.env[variable]);
  return { flags: processorFlags(), limit: name ? { name, value: process.env[name]!.toLowerCase() } : null };
}

function processorFlags(): string[] {
  try {
    return flagsIn(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return [];
  }
}

/** Reads the flags out of the text of `/proc/cpuinfo`: `flags` on x86, `Features` on ARM. */
export function flagsIn(cpuinfo: string): string[] {
  const line = /^(?:flags|Features)[ \t]*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  return line.split(/\s+/).filter(Boolean);
}

/**
 * Tells whether a processor has instructions for products of bfloat16 with which TensorFlow makes them faster than
 * float32. On ARM it has oneDNN multiply on a Neoverse V1 alone, unless it is asked to, and nobody has measured that.
 */
export function hasBfloat16Products(processor: Processor): boolean {
  return processor.flags.includes('avx512_bf16') && reaches(processor, 'avx512_core_bf16');
}

/**
 * Returns the precision that a processor takes in place of `precision`, as a reason to show; null where it takes that.
 * TensorFlow hands narrow products to oneDNN by the processor's flags alone, and oneDNN ends the process where it has
 * no code for them. Without those flags TensorFlow computes them itself, bfloat16 and float16 alike; bfloat16 is refused
 * there, since nobody wins by it. (TensorFlow 2.21: `IsDataTypeSupportedByOneDNNOnThisCPU`; oneDNN 3:
 * `has_data_type_support`.)
 */
export function whyNotMultiplied(precision: string, processor: Processor = thisProcessor()): Reason | null {
  const { flags, limit } = processor;
  if (precision === 'tf32') return reason('value.processor', { precision });
  if (precision === 'float16' && !flags.some((flag) => HANDS_FLOAT16.includes(flag))) return null;
  if ((precision !== 'bfloat16' && precision !== 'float16') || multiplies(precision, processor)) return null;
  if (limit && multiplies(precision, { flags, limit: null }))
    return reason('value.processor-limit', { precision, name: limit.name, limit: limit.value });
  return reason('value.processor', { precision });
}

/** Tells whether oneDNN multiplies a precision, be it by way of float32. */
function multiplies(precision: 'bfloat16' | 'float16', processor: Processor): boolean {
  const { flags, limit } = processor;
  const has = (...names: string[]) => names.every((name) => flags.includes(name));
  // Every ARM of 64 bits has the first; levels are x86's. Products of `svebf16` alone are of other registers.
  if (has('asimd')) return precision === 'bfloat16' && has('bf16');
  const level = limit?.value ?? '';
  const vnni2 = has('avx2', 'avx_vnni', 'avx_vnni_int8', 'avx_ne_convert');
  if (vnni2 && (level === 'avx2_vnni_2' || !isLevel(level))) return true;
  if (!has('avx512f', 'avx512bw', 'avx512vl', 'avx512dq')) return false;
  if (precision === 'bfloat16') return reaches(processor, 'avx512_core');
  return has('avx512_fp16') && reaches(processor, 'avx512_core_fp16');
}

function reaches({ limit }: Processor, least: Avx512Level): boolean {
  const level = limit?.value ?? '';
  return !isLevel(level) || AVX512_LEVELS.slice(AVX512_LEVELS.indexOf(least)).some((name) => name === level);
}

function isLevel(value: string): boolean {
  return [...AVX2_LEVELS, ...AVX512_LEVELS].some((name) => name === value);
}

/** Returns the bytes of memory that the machine has. */
export function machineMemory(): number {
  return totalmem();
}
