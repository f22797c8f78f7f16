import path from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';

/**
 * The CUDA libraries that TensorFlow opens by their names alone, those that they need before them. Opened here by
 * path, they are what those names mean in this process, whatever else the machine has, and one that does not load says
 * why. TensorFlow itself would leave the GPU out without a word.
 */
const LIBRARIES = [
  'nvjitlink/lib/libnvJitLink.so.12',
  'cuda_runtime/lib/libcudart.so.12',
  'cublas/lib/libcublasLt.so.12',
  'cublas/lib/libcublas.so.12',
  'cufft/lib/libcufft.so.11',
  'cusparse/lib/libcusparse.so.12',
  'cusolver/lib/libcusolver.so.11',
  'cuda_nvrtc/lib/libnvrtc.so.12',
  'cudnn/lib/libcudnn.so.9',
  'cuda_cupti/lib/libcupti.so.12',
  'nccl/lib/libnccl.so.2',
] as const;

/** The functions of the C library that this needs. */
interface Linker {
  setenv(name: string, value: string, overwrite: 0 | 1): unknown;
  dlopen(path: string, flags: number): unknown;
  dlerror(): string | null;
}

const RTLD_NOW = 2;
const RTLD_GLOBAL = 0x100;

/**
 * Prepares the process for a TensorFlow with CUDA, before it is loaded: loads the CUDA libraries in `folder` and sets
 * the variables by which XLA finds its assembler. Variables that the person has set stay.
 * @throws StillhouseError `engine.load` naming the library that does not load.
 */
export function prepareCuda(folder: string, libc: Linker): void {
  for (const [name, value] of Object.entries(cudaEnvironment(folder, process.env))) libc.setenv(name, value, 1);
  for (const library of LIBRARIES) {
    if (!libc.dlopen(path.join(folder, 'nvidia', library), RTLD_NOW | RTLD_GLOBAL))
      throw new StillhouseError('engine.load', { reason: libc.dlerror() ?? library });
  }
}

/** Returns the variables that CUDA and XLA read once; a value in `given` takes precedence. */
export function cudaEnvironment(folder: string, given: NodeJS.ProcessEnv): Record<string, string> {
  const { XLA_FLAGS: flags = '', CUDA_DEVICE_ORDER, NVIDIA_TF32_OVERRIDE } = given;
  const tools = `--xla_gpu_cuda_data_dir="${path.join(folder, 'nvidia', 'cuda_nvcc')}"`;
  return {
    XLA_FLAGS: flags.includes('--xla_gpu_cuda_data_dir') ? flags : `${flags} ${tools}`.trim(),
    // Numbers as nvidia-smi shows them, not fastest first.
    CUDA_DEVICE_ORDER: CUDA_DEVICE_ORDER ?? 'PCI_BUS_ID',
    // float32 means float32: without this GPUs since Ampere multiply it with ten bits.
    NVIDIA_TF32_OVERRIDE: NVIDIA_TF32_OVERRIDE ?? '0',
  };
}
