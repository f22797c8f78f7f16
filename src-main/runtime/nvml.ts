import { foreign } from '../base/foreign.ts';
import type { NativeFunction } from './library.ts';

/** What NVIDIA's management library, a part of the driver, says of GPUs while they compute. */

/** Says how busy a GPU is, whoever uses it. */
export interface GpuLoad {
  /** Bytes in use. */
  memory: number;
  /** Percent of the last moments (a sixth of a second to one) in which it computed something. */
  busy: number;
}

/** Reads the load of one GPU; null once the driver no longer tells. */
export type ReadGpuLoad = () => GpuLoad | null;

const CUDA = {
  init: 'int cuInit(unsigned int flags)',
  device: 'int cuDeviceGet(void *device, int ordinal)',
  place: 'int cuDeviceGetPCIBusId(void *text, int length, int device)',
} as const;

const NVML = {
  init: 'int nvmlInit_v2(void)',
  handle: 'int nvmlDeviceGetHandleByPciBusId_v2(const void *place, void *device)',
  memory: 'int nvmlDeviceGetMemoryInfo(uint64_t device, void *total_free_used)',
  rates: 'int nvmlDeviceGetUtilizationRates(uint64_t device, void *gpu_memory)',
} as const;

/** The driver's libraries. */
export interface DriverFiles {
  cuda?: string;
  nvml?: string;
}

const PLACE_BYTES = 32;
const USED = 2;

/**
 * Opens the readings of a GPU.
 * @param ordinal its number as CUDA counts in this process; NVML counts others, so the place on the bus is compared.
 * @returns null where there is no driver, no such GPU, or the driver does not tell.
 */
export function openGpuLoad(ordinal: number, files: DriverFiles = {}): ReadGpuLoad | null {
  const { cuda: cudaFile = 'libcuda.so.1', nvml: nvmlFile = 'libnvidia-ml.so.1' } = files;
  const cuda = functionsOf(cudaFile, CUDA);
  const nvml = cuda && functionsOf(nvmlFile, NVML);
  if (!nvml || cuda.init(0) !== 0 || nvml.init() !== 0) return null;
  const device = Int32Array.of(0);
  const place = new Uint8Array(PLACE_BYTES);
  if (cuda.device(device, ordinal) !== 0 || cuda.place(place, PLACE_BYTES, device[0]) !== 0) return null;
  const handle = BigUint64Array.of(0n);
  if (nvml.handle(place, handle) !== 0) return null;
  const read: ReadGpuLoad = () => {
    const memory = new BigUint64Array(USED + 1);
    const rates = new Uint32Array(2);
    const told = nvml.memory(handle[0], memory) === 0 && nvml.rates(handle[0], rates) === 0;
    return told ? { memory: Number(memory[USED]), busy: rates[0] } : null;
  };
  return read() && read;
}

function functionsOf<Names extends string>(
  file: string,
  signatures: Record<Names, string>,
): Record<Names, NativeFunction> | null {
  try {
    const library = foreign().load(file);
    const bound = Object.entries<string>(signatures).map(([name, signature]) => [name, library.func(signature)]);
    return Object.fromEntries(bound) as Record<Names, NativeFunction>;
  } catch {
    return null;
  }
}
