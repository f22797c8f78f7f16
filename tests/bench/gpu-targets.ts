/**
 * GPUs as XLA's compiler wants them described (`GpuTargetConfigProto`), from NVIDIA's data sheets and the occupancy
 * table of the CUDA programming guide.
 */
interface GpuTarget {
  name: string;
  /** Compute capability. */
  major: number;
  minor: number;
  /** Whether code is for this generation alone (`sm_90a`). */
  accelerated: boolean;
  cores: number;
  fpusPerCore: number;
  threadsPerCore: number;
  sharedPerCore: number;
  sharedPerBlock: number;
  l2: number;
  /** Bytes a second. */
  bandwidth: number;
  gigahertz: number;
  memory: number;
}

const KIB = 1024;
const MIB = 2 ** 20;

export const GPU_TARGETS = {
  h200: {
    ...{ name: 'NVIDIA H200', major: 9, minor: 0, accelerated: true, cores: 132, fpusPerCore: 128 },
    ...{ threadsPerCore: 2048, sharedPerCore: 228 * KIB, sharedPerBlock: 227 * KIB, l2: 50 * MIB },
    ...{ bandwidth: 4.8e12, gigahertz: 1.98, memory: 141 * 1024 ** 3 },
  },
  a100: {
    ...{ name: 'NVIDIA A100-SXM4-80GB', major: 8, minor: 0, accelerated: false, cores: 108, fpusPerCore: 64 },
    ...{ threadsPerCore: 2048, sharedPerCore: 164 * KIB, sharedPerBlock: 163 * KIB, l2: 40 * MIB },
    ...{ bandwidth: 2.039e12, gigahertz: 1.41, memory: 79.25 * 1024 ** 3 },
  },
  rtx4090: {
    ...{ name: 'NVIDIA GeForce RTX 4090', major: 8, minor: 9, accelerated: false, cores: 128, fpusPerCore: 128 },
    ...{ threadsPerCore: 1536, sharedPerCore: 100 * KIB, sharedPerBlock: 99 * KIB, l2: 72 * MIB },
    ...{ bandwidth: 1.008e12, gigahertz: 2.52, memory: 23.6 * 1024 ** 3 },
  },
  v100: {
    ...{ name: 'Tesla V100-SXM2-32GB', major: 7, minor: 0, accelerated: false, cores: 80, fpusPerCore: 64 },
    ...{ threadsPerCore: 2048, sharedPerCore: 96 * KIB, sharedPerBlock: 96 * KIB, l2: 6 * MIB },
    ...{ bandwidth: 0.9e12, gigahertz: 1.53, memory: 31.7 * 1024 ** 3 },
  },
  p100: {
    ...{ name: 'Tesla P100-SXM2-16GB', major: 6, minor: 0, accelerated: false, cores: 56, fpusPerCore: 64 },
    ...{ threadsPerCore: 2048, sharedPerCore: 64 * KIB, sharedPerBlock: 48 * KIB, l2: 4 * MIB },
    ...{ bandwidth: 0.732e12, gigahertz: 1.48, memory: 15.9 * 1024 ** 3 },
  },
} as const satisfies Record<string, GpuTarget>;

export type GpuTargetName = keyof typeof GPU_TARGETS;

/** Writes a target as protobuf text. */
export function targetConfig(target: GpuTarget): string {
  const { name, major, minor, accelerated } = target;
  return `
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: ${48 * KIB}
  shared_memory_per_core: ${target.sharedPerCore} shared_memory_per_block_optin: ${target.sharedPerBlock}
  threads_per_core_limit: ${target.threadsPerCore} core_count: ${target.cores} fpus_per_core: ${target.fpusPerCore}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  memory_bandwidth: ${target.bandwidth} l2_cache_size: ${target.l2} clock_rate_ghz: ${target.gigahertz}
  device_memory_size: ${Math.floor(target.memory)} device_address_bits: 64
  cuda_compute_capability { major: ${major} minor: ${minor} feature_extension: ${accelerated ? 'ACCELERATED_FEATURES' : 'NONE'} }
  device_vendor: "NVIDIA Corporation" name: "${name}"
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.13.1"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 13 patch: 1 }
device_description_str: "${name}"
`;
}
