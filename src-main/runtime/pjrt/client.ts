import type { DType, Values } from '../dtypes.ts';
import { keepAlive, type PjrtApi, type PlainValue } from './api.ts';
import { DeviceBuffer, HandleCount, awaitEvent, elementType } from './device-buffer.ts';
import { PjrtExecutable } from './executable.ts';
import { programOf, type Library } from './library.ts';

/** One accelerator of a client. */
export interface PjrtDevice {
  readonly pointer: bigint;
  /** As its plugin names its kind: `cpu`, `NVIDIA H200`. */
  readonly kind: string;
  /** What else its plugin says of it, as `compute_capability`. */
  readonly attributes: Readonly<Record<string, PlainValue>>;
}

/** Memory of a device, in bytes. */
export interface DeviceMemory {
  inUse: number;
  peak: number;
  /** How much the plugin may take; null where it does not say. */
  limit: number | null;
}

/** The host's copy is read until the transfer is complete. */
const UNTIL_TRANSFERRED = 1;

/** The devices of a plugin that this process holds. Close it to let go of them. */
export class PjrtClient {
  readonly devices: readonly PjrtDevice[];
  /** The name of the platform: `cpu`, `cuda`, `rocm`. */
  readonly platform: string;
  /** Its version, in the plugin's words. */
  readonly platformVersion: string;
  /** Native things that are held: a run that leaks none leaves the counts as they were. */
  readonly held = new HandleCount();
  private readonly api: PjrtApi;

  constructor(
    readonly library: Library,
    private readonly pointer: bigint,
  ) {
    this.api = library.api;
    this.platform = this.words('Client_PlatformName');
    this.platformVersion = this.words('Client_PlatformVersion');
    const listed = this.api.call('Client_AddressableDevices', [pointer]);
    this.devices = [...this.api.words(listed[3], Number(listed[4]))].map((device) => ({
      pointer: device,
      ...this.describe(device),
    }));
  }

  /**
   * Compiles a module of StableHLO on a worker thread.
   * @param options a serialised `CompileOptionsProto` (`compile-options.ts`).
   */
  async compile(mlir: string, options: Uint8Array): Promise<PjrtExecutable> {
    const program = programOf(this.api, mlir);
    const made = await this.api.callAsync('Client_Compile', [this.pointer, program.slots, options, options.length]);
    keepAlive(program);
    return new PjrtExecutable(this, this.api, made[6]);
  }

  /** Loads what `PjrtExecutable.serialize` has given. @throws PjrtError for what another plugin has written. */
  async deserialize(serialized: Uint8Array): Promise<PjrtExecutable> {
    const made = await this.api.callAsync('Executable_DeserializeAndLoad', [
      this.pointer,
      serialized,
      serialized.byteLength,
    ]);
    return new PjrtExecutable(this, this.api, made[5]);
  }

  /**
   * Starts to copy values to a device, on a worker thread. The buffer may be used at once; `values` must not change
   * before what `sent` returns resolves. Call it once: it occupies a worker thread until then.
   */
  async upload(
    values: Values,
    dtype: DType,
    shape: readonly number[],
    device: PjrtDevice = this.devices[0],
  ): Promise<{ buffer: DeviceBuffer; sent(): Promise<void> }> {
    const dims = BigInt64Array.from(shape, BigInt);
    const data = values.byteLength > 0 ? values : new Uint8Array(8);
    const head = [this.pointer, data, elementType(dtype), dims, shape.length];
    const fields = [...head, 0, 0, UNTIL_TRANSFERRED, device.pointer];
    const slots = await this.api.callAsync('Client_BufferFromHostBuffer', fields);
    const buffer = new DeviceBuffer(this.api, this.held, slots[14]);
    return { buffer, sent: () => awaitEvent(this.api, this.held, slots[13]).finally(() => keepAlive(values, fields)) };
  }

  /** The memory of a device; null where the plugin does not tell, as that of the processor. */
  memory(device: PjrtDevice = this.devices[0]): DeviceMemory | null {
    try {
      const slots = this.api.call('Device_MemoryStats', [device.pointer]);
      const limited = (slots[11] & 1n) === 1n;
      return { inUse: Number(slots[3]), peak: Number(slots[4]), limit: limited ? Number(slots[10]) : null };
    } catch {
      return null;
    }
  }

  close(): void {
    this.api.call('Client_Destroy', [this.pointer]);
  }

  private words(name: 'Client_PlatformName' | 'Client_PlatformVersion'): string {
    const slots = this.api.call(name, [this.pointer]);
    return this.api.text(slots[3], slots[4]);
  }

  private describe(device: bigint): Omit<PjrtDevice, 'pointer'> {
    const { api } = this;
    const description = api.call('Device_GetDescription', [device])[3];
    const kind = api.call('DeviceDescription_Kind', [description]);
    const facts = api.call('DeviceDescription_Attributes', [description]);
    return { kind: api.text(kind[3], kind[4]), attributes: api.readNamedValues(facts[4], Number(facts[3])) };
  }
}
