import { keepAlive, type PjrtApi } from './api.ts';
import { DeviceBuffer, awaitEvent, type HandleCount } from './device-buffer.ts';

/** The compiler's figures for one device, in bytes. */
export interface CompiledMemory {
  code: number;
  arguments: number;
  outputs: number;
  /** Of the outputs, what lies in the memory of donated arguments. */
  aliased: number;
  temporary: number;
  /** The most that is held at one time; 0 where the plugin does not say. */
  peak: number;
}

const COMPLETE_OPTIONS = 14 * 8;
const OPTION_SLOTS = 32;

/** A compiled program that no device has loaded. Dispose it after use. */
export class AheadExecutable {
  constructor(
    protected readonly api: PjrtApi,
    protected readonly pointer: bigint,
  ) {}

  memory(): CompiledMemory {
    const slots = this.api.call('Executable_GetCompiledMemoryStats', [this.pointer]);
    const [code, given, outputs, aliased, temporary] = [...slots.subarray(3, 8)].map(Number);
    return { code, arguments: given, outputs, aliased, temporary, peak: Number(slots[13]) };
  }

  /** The program as bytes that the same plugin loads again. */
  serialize(): Uint8Array {
    const slots = this.api.call('Executable_Serialize', [this.pointer]);
    const copy = this.api.bytes(slots[3], slots[4]);
    this.api.release(slots[6], slots[5]);
    return copy;
  }

  dispose(): void {
    this.api.call('Executable_Destroy', [this.pointer]);
  }
}

/** An execution that was begun. */
export interface Execution {
  /** For each device its outputs, which may be used at once. */
  outputs: DeviceBuffer[][];
  /** Resolves when every device has ended. @throws PjrtError, such as `device.out-of-memory`. */
  done: Promise<void>;
}

/** A program loaded on the devices of a client. Dispose it after use. */
export class PjrtExecutable extends AheadExecutable {
  private readonly outputs: number;
  private readonly held: HandleCount;
  private readonly inner: bigint;

  constructor(
    client: { held: HandleCount },
    api: PjrtApi,
    private readonly loaded: bigint,
  ) {
    const inner = api.call('LoadedExecutable_GetExecutable', [loaded])[3];
    super(api, inner);
    this.inner = inner;
    this.outputs = Number(api.call('Executable_NumOutputs', [inner])[3]);
    this.held = client.held;
    this.held.executables++;
  }

  /**
   * Begins to run on one list of buffers for each device. Donated arguments are used up; their handles still have to be
   * freed.
   * @param keep places of arguments that stay, though the program says that they are donated.
   */
  async execute(lists: readonly (readonly DeviceBuffer[])[], keep: readonly number[] = []): Promise<Execution> {
    const { api } = this;
    const given = lists.map((list) => BigUint64Array.from([...list.map(({ pointer }) => pointer), 0n]));
    const taken = lists.map(() => new BigUint64Array(this.outputs + 1));
    const places = (arrays: readonly BigUint64Array[]): BigUint64Array =>
      BigUint64Array.from(arrays, (array) => api.address(array));
    const events = new BigUint64Array(lists.length);
    const kept = BigInt64Array.from([...keep, 0], BigInt);
    const options = new BigUint64Array(OPTION_SLOTS);
    options[0] = BigInt(COMPLETE_OPTIONS);
    options[7] = api.address(kept);
    options[8] = BigInt(keep.length);
    const outputs = places(taken);
    const fields = [this.loaded, options, places(given), lists.length, lists[0].length, outputs, events, 0];
    await api.callAsync('LoadedExecutable_Execute', fields);
    keepAlive(given, kept, lists);
    const done = awaitEach(api, this.held, events);
    done.catch(() => undefined);
    const buffers = taken.map((list) =>
      [...list.subarray(0, this.outputs)].map((pointer) => new DeviceBuffer(api, this.held, pointer)),
    );
    return { outputs: buffers, done };
  }

  override dispose(): void {
    this.api.call('Executable_Destroy', [this.inner]);
    this.api.call('LoadedExecutable_Destroy', [this.loaded]);
    this.held.executables--;
  }
}

/** Waits for one event after the other, each on the same thread of the pool. @throws PjrtError of the first that failed */
async function awaitEach(api: PjrtApi, held: HandleCount, events: BigUint64Array): Promise<void> {
  let failure: unknown = null;
  for (const event of events) await awaitEvent(api, held, event).catch((error: unknown) => (failure ??= error));
  if (failure) throw failure as Error;
}
