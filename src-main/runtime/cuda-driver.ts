import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import { foreign } from '../base/foreign.ts';
import type { NativeFunction } from './library.ts';

/** CUDA's own driver library, which belongs to the system's driver: what it says is what TensorFlow will meet. */
export interface CudaDriver {
  /** The newest CUDA that it runs, as 12.9. */
  cuda: number;
  devices: CudaDevice[];
}

export interface CudaDevice {
  name: string;
  /** Bytes. */
  memory: number;
  /** Compute capability, as 8.6. */
  capability: number;
}

const SIGNATURES = {
  init: 'int cuInit(unsigned int flags)',
  version: 'int cuDriverGetVersion(void *version)',
  count: 'int cuDeviceGetCount(void *count)',
  device: 'int cuDeviceGet(void *device, int ordinal)',
  name: 'int cuDeviceGetName(void *name, int length, int device)',
  memory: 'int cuDeviceTotalMem_v2(void *bytes, int device)',
  attribute: 'int cuDeviceGetAttribute(void *value, int attribute, int device)',
} as const;

type Functions = { [Name in keyof typeof SIGNATURES]: NativeFunction };

const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;
const NAME_BYTES = 256;

/** Meanings of those of CUDA's error numbers on which a person can act. */
const MEANINGS: Readonly<Record<number, Reason>> = {
  2: reason('gpu.no-memory'),
  3: reason('gpu.shutting-down'),
  34: reason('gpu.stub'),
  100: reason('gpu.no-device'),
  802: reason('gpu.not-ready'),
  803: reason('gpu.versions'),
  804: reason('gpu.old-driver'),
  999: reason('gpu.unknown'),
};

/**
 * Asks the driver for its GPUs, in the order in which CUDA numbers them here.
 * @param file the driver's library.
 * @throws StillhouseError `gpu.driver-silent`.
 */
export function askCudaDriver(file = 'libcuda.so.1'): CudaDriver {
  const cuda = load(file);
  check(cuda.init(0));
  const number = Int32Array.of(0);
  const ask = (call: (place: Int32Array) => unknown): number => {
    check(call(number));
    return number[0];
  };
  const version = ask(cuda.version);
  const count = ask(cuda.count);
  return {
    cuda: Math.floor(version / 1000) + (version % 1000) / 100,
    devices: Array.from({ length: count }, (_, ordinal) => deviceOf(cuda, ask, ordinal)),
  };
}

function deviceOf(cuda: Functions, ask: (call: (place: Int32Array) => unknown) => number, ordinal: number): CudaDevice {
  const device = ask((place) => cuda.device(place, ordinal));
  const name = new Uint8Array(NAME_BYTES);
  const bytes = BigUint64Array.of(0n);
  check(cuda.name(name, NAME_BYTES, device));
  check(cuda.memory(bytes, device));
  const major = ask((place) => cuda.attribute(place, CAPABILITY_MAJOR, device));
  const minor = ask((place) => cuda.attribute(place, CAPABILITY_MINOR, device));
  return {
    name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
    memory: Number(bytes[0]),
    capability: major + minor / 10,
  };
}

function load(file: string): Functions {
  try {
    const library = foreign().load(file);
    const bound = Object.entries(SIGNATURES).map(([name, signature]) => [name, library.func(signature)]);
    return Object.fromEntries(bound) as Functions;
  } catch (error) {
    const why = reason('gpu.no-load', { file, why: (error as Error).message.replace(/^.*?: /, '') });
    throw new StillhouseError('gpu.driver-silent', { reason: why }, { cause: error });
  }
}

function check(result: unknown): void {
  if (result === 0) return;
  const why = MEANINGS[Number(result)] ?? reason('gpu.error', { code: Number(result) });
  throw new StillhouseError('gpu.driver-silent', { reason: why });
}
