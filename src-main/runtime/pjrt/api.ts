import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { foreign, type Foreign } from '../../base/foreign.ts';

/**
 * The C API of a PJRT plugin (XLA's `pjrt_c_api.h`), called by FFI: the only file that knows where its functions lie.
 * Each function takes one struct, in which every field has a slot of 8 bytes of its own: slot 0 is its size, 1 its
 * extensions, then come the fields in the order of the header, whole numbers in the low bytes of theirs.
 */

/** Functions by their slot in `PJRT_Api`, after its size, its extensions and three slots of version. Only appended to. */
const SLOTS = {
  Error_Destroy: 5,
  Error_Message: 6,
  Error_GetCode: 7,
  Plugin_Initialize: 8,
  Plugin_Attributes: 9,
  Event_Destroy: 10,
  Event_Await: 13,
  Client_Create: 15,
  Client_Destroy: 16,
  Client_PlatformName: 17,
  Client_PlatformVersion: 19,
  Client_AddressableDevices: 21,
  Client_Compile: 25,
  Client_BufferFromHostBuffer: 27,

  DeviceDescription_Attributes: 30,
  DeviceDescription_Kind: 31,
  Device_GetDescription: 34,
  Device_MemoryStats: 39,
  Executable_Destroy: 45,
  Executable_NumOutputs: 49,
  Executable_OptimizedProgram: 53,
  Executable_Serialize: 54,
  LoadedExecutable_Destroy: 55,
  LoadedExecutable_GetExecutable: 56,
  LoadedExecutable_Execute: 60,
  Executable_DeserializeAndLoad: 61,
  Buffer_Destroy: 63,
  Buffer_IsDeleted: 73,
  Buffer_ToHostBuffer: 75,
  TopologyDescription_Create: 87,
  TopologyDescription_Destroy: 88,
  Compile: 94,
  Executable_GetCompiledMemoryStats: 101,
} as const;

export type PjrtFunction = keyof typeof SLOTS;

/** An address, or a number in the place of one. */
export type Slot = bigint | number | NodeJS.ArrayBufferView;

/** The oldest minor version of the API (major 0) in which all of these functions have these slots. */
const OLDEST_MINOR = 81;
/** Slots of every argument struct, more than any has: a newer plugin finds zeros in what it has added. */
const SPARE = 32;
const FIRST_MINOR_BYTE = 32;
const LOW_WORD = 0xffffffffn;

/** `PJRT_Error_Code`: Abseil's status codes. */
const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

export type PjrtCode = (typeof CODES)[number];

/** A value of a `PJRT_NamedValue`. Whole numbers are bigints: XLA refuses an int64 for a float. */
export type NamedValue = string | boolean | bigint | number | readonly number[];

/** A value that a plugin tells. */
export type PlainValue = string | number | number[] | boolean;

type Native = ((args: BigUint64Array) => bigint) & {
  async(args: BigUint64Array, done: (failure: Error | null, result: bigint) => void): void;
};

/** A refusal of the plugin, in its own words. */
export class PjrtError extends StillhouseError {
  constructor(
    call: PjrtFunction,
    readonly status: PjrtCode,
    readonly words: string,
  ) {
    const code = status === 'RESOURCE_EXHAUSTED' ? 'device.out-of-memory' : 'device.refused';
    super(code, { call, reason: `${status}: ${words.trim()}` });
  }
}

/** The functions of one loaded plugin. */
export class PjrtApi {
  readonly version: { major: number; minor: number };
  private readonly koffi: Foreign = foreign();
  private readonly functions = new Map<PjrtFunction, Native>();
  private readonly table: BigUint64Array;
  private readonly proto: ReturnType<Foreign['proto']>;
  private readonly deleter: ReturnType<Foreign['proto']>;
  private readonly memcpy: (to: Uint8Array, from: bigint, bytes: number) => unknown;

  /** @throws StillhouseError `engine.load` for a library that is no plugin, or speaks another version of the API. */
  constructor(file: string, library: { func(signature: string): unknown }, libc: { func(signature: string): unknown }) {
    this.memcpy = libc.func('void *memcpy(void *to, const void *from, size_t bytes)') as typeof this.memcpy;
    this.proto = this.koffi.proto('void *', ['void *']);
    this.deleter = this.koffi.proto('void', ['void *']);
    const api = getApi(file, library);
    const [major, minor] = this.koffi.decode(api, FIRST_MINOR_BYTE, 'int32_t', 2) as Int32Array;
    this.version = { major, minor };
    if (major !== 0 || minor < OLDEST_MINOR)
      throw new StillhouseError('engine.load', { reason: reason('pjrt.version', { got: `${major}.${minor}` }) });
    const slots = Number(this.koffi.decode(api, 'uint64_t')) / 8;
    this.table = BigUint64Array.from(this.koffi.decode(api, 'uint64_t', slots) as Iterable<bigint>);
  }

  /**
   * Calls a function and returns the slots of its struct.
   * @param fields from slot 2 on.
   * @throws PjrtError in the plugin's words.
   */
  call(name: PjrtFunction, fields: readonly Slot[]): BigUint64Array {
    const slots = this.slots(fields);
    this.throwIf(name, this.native(name)(slots));
    return slots;
  }

  /** Calls a function on a worker thread. The fields are kept alive until it returns. */
  async callAsync(name: PjrtFunction, fields: readonly Slot[]): Promise<BigUint64Array> {
    const slots = this.slots(fields);
    const error = await new Promise<bigint>((resolve, reject) => {
      this.native(name).async(slots, (failure, result) => (failure ? reject(failure) : resolve(result)));
    });
    keepAlive(fields);
    this.throwIf(name, error);
    return slots;
  }

  /** Reads text that the plugin owns. */
  text(pointer: bigint, length: bigint): string {
    return new TextDecoder().decode(this.bytes(pointer, length));
  }

  /** Copies bytes that the plugin owns. */
  bytes(pointer: bigint, length: bigint): Uint8Array {
    const copy = new Uint8Array(Number(length));
    if (copy.length > 0) this.memcpy(copy, pointer, copy.length);
    return copy;
  }

  /** Copies 64-bit words that the plugin owns. */
  words(pointer: bigint, count: number): BigUint64Array {
    const bytes = this.bytes(pointer, BigInt(8 * count));
    return new BigUint64Array(bytes.buffer, 0, count);
  }

  /** Calls a deleter that came with something. */
  release(deleter: bigint, pointer: bigint): void {
    this.koffi.call(deleter, this.deleter, pointer);
  }

  address(view: NodeJS.ArrayBufferView): bigint {
    return this.koffi.address(view);
  }

  /** Writes `PJRT_NamedValue` structs of 7 slots each. `kept` must outlive the call that takes them. */
  namedValues(options: Readonly<Record<string, NamedValue>>): {
    slots: BigUint64Array;
    kept: NodeJS.ArrayBufferView[];
  } {
    const kept: NodeJS.ArrayBufferView[] = [];
    const place = (view: NodeJS.ArrayBufferView): bigint => (kept.push(view), this.address(view));
    const entries = Object.entries(options);
    const slots = new BigUint64Array(7 * entries.length + 1);
    entries.forEach(([name, value], index) => {
      const key = Buffer.from(name);
      slots.set([56n, 0n, place(terminated(key)), BigInt(key.length), ...valueSlots(value, place)], 7 * index);
    });
    return { slots, kept };
  }

  /** Reads `PJRT_NamedValue` structs. */
  readNamedValues(pointer: bigint, count: number): Record<string, PlainValue> {
    const values = this.words(pointer, 7 * count);
    return Object.fromEntries(Array.from({ length: count }, (_, at) => this.namedValue(values.subarray(7 * at))));
  }

  private namedValue([, , name, nameSize, kind, value, size]: BigUint64Array): [string, PlainValue] {
    const read = (): PlainValue => {
      switch (BigInt(lowWord(kind))) {
        case KINDS.string:
          return this.text(value, size);
        case KINDS.int64:
          return Number(BigInt.asIntN(64, value));
        case KINDS.int64List:
          return [...this.words(value, Number(size))].map((word) => Number(BigInt.asIntN(64, word)));
        case KINDS.float:
          return new Float32Array(Uint32Array.of(lowWord(value)).buffer)[0];
        default:
          return (value & 1n) === 1n;
      }
    };
    return [this.text(name, nameSize), read()];
  }

  private slots(fields: readonly Slot[]): BigUint64Array {
    const slots = new BigUint64Array(SPARE);
    slots[0] = BigInt(8 * SPARE);
    fields.forEach((field, index) => {
      slots[index + 2] = ArrayBuffer.isView(field) ? this.address(field) : BigInt.asUintN(64, BigInt(field));
    });
    return slots;
  }

  private native(name: PjrtFunction): Native {
    const known = this.functions.get(name);
    if (known) return known;
    const pointer = this.table.at(SLOTS[name]);
    if (!pointer) throw new StillhouseError('engine.load', { reason: reason('pjrt.lacks', { name }) });
    const bound = this.koffi.decode(pointer, this.proto) as unknown as Native;
    this.functions.set(name, bound);
    return bound;
  }

  private throwIf(name: PjrtFunction, error: bigint | null): void {
    if (!error) return;
    const message = this.slots([error]);
    this.native('Error_Message')(message);
    const words = this.text(message[3], message[4]);
    const code = this.slots([error]);
    this.native('Error_GetCode')(code);
    this.native('Error_Destroy')(this.slots([error]));
    throw new PjrtError(name, CODES[lowWord(code[3])] ?? 'UNKNOWN', words);
  }
}

/** Reads the number in a slot whose upper half is padding. */
export function lowWord(slot: bigint): number {
  return Number(slot & LOW_WORD);
}

/** Encodes text with a NUL after it. */
export function terminated(text: string | Uint8Array): Uint8Array {
  return Buffer.concat([typeof text === 'string' ? Buffer.from(text) : text, Uint8Array.of(0)]);
}

const alive = new WeakSet<object>();

/** Keeps things alive: called after an await, it shows the collector that native code needed them until then. */
export function keepAlive(...things: readonly object[]): void {
  for (const thing of things) alive.delete(thing);
}

function getApi(file: string, library: { func(signature: string): unknown }): bigint {
  try {
    const api = (library.func('void *GetPjrtApi(void)') as () => bigint | null)();
    if (api) return api;
  } catch (error) {
    throw new StillhouseError('engine.load', { reason: reason('pjrt.no-plugin', { file }) }, { cause: error });
  }
  throw new StillhouseError('engine.load', { reason: reason('pjrt.no-plugin', { file }) });
}

const KINDS = { string: 0n, int64: 1n, int64List: 2n, float: 3n, bool: 4n } as const;

/** Type, value and number of elements of a named value. */
function valueSlots(value: NamedValue, place: (view: NodeJS.ArrayBufferView) => bigint): bigint[] {
  switch (typeof value) {
    case 'string': {
      const text = Buffer.from(value);
      return [KINDS.string, place(terminated(text)), BigInt(text.length)];
    }
    case 'boolean':
      return [KINDS.bool, value ? 1n : 0n, 1n];
    case 'bigint':
      return [KINDS.int64, BigInt.asUintN(64, value), 1n];
    case 'number':
      return [KINDS.float, BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]), 1n];
    default:
      return [KINDS.int64List, place(BigInt64Array.from(value, BigInt)), BigInt(value.length)];
  }
}
