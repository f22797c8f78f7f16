import type { DType, Values } from '../dtypes.ts';
import { keepAlive, type PjrtApi } from './api.ts';

/** `PJRT_Buffer_Type`. */
const ELEMENT_TYPES: Partial<Record<DType, number>> = {
  bool: 1,
  int32: 4,
  int64: 5,
  uint8: 6,
  float16: 10,
  float32: 11,
  float64: 12,
  bfloat16: 13,
  complex64: 14,
};

/** Returns the code of an element type. @throws RangeError for one that no device holds. */
export function elementType(dtype: DType): number {
  const code = ELEMENT_TYPES[dtype];
  if (code === undefined) throw new RangeError(`elementType: PJRT has no ${dtype}`);
  return code;
}

/** Counts native things: what was made and not given back. */
export class HandleCount {
  buffers = 0;
  events = 0;
  executables = 0;
}

/** Values on a device. Free it after use, also when an execution has used it up. */
export class DeviceBuffer {
  private freed = false;

  constructor(
    private readonly api: PjrtApi,
    private readonly held: HandleCount,
    readonly pointer: bigint,
  ) {
    held.buffers++;
  }

  /** Whether an execution to which it was donated has used it up. */
  get isDeleted(): boolean {
    return (this.api.call('Buffer_IsDeleted', [this.pointer])[3] & 1n) === 1n;
  }

  /** Copies the values, row by row, into `values`, off this thread. @throws PjrtError of the execution that made them. */
  async read<Kind extends Values>(values: Kind): Promise<Kind> {
    if (values.byteLength === 0) return values;
    const slots = this.api.call('Buffer_ToHostBuffer', [this.pointer, 0, values, values.byteLength]);
    await awaitEvent(this.api, this.held, slots[6]);
    keepAlive(values);
    return values;
  }

  /** Copies the values as {@link read} does, on this thread, which waits. */
  readNow<Kind extends Values>(values: Kind): Kind {
    if (values.byteLength === 0) return values;
    const event = this.api.call('Buffer_ToHostBuffer', [this.pointer, 0, values, values.byteLength])[6];
    try {
      this.api.call('Event_Await', [event]);
    } finally {
      this.api.call('Event_Destroy', [event]);
    }
    return values;
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    this.held.buffers--;
    this.api.call('Buffer_Destroy', [this.pointer]);
  }
}

/** Waits for an event off this thread, then frees it. @throws PjrtError when what it stands for has failed. */
export async function awaitEvent(api: PjrtApi, held: HandleCount, event: bigint): Promise<void> {
  if (!event) return;
  held.events++;
  try {
    await api.callAsync('Event_Await', [event]);
  } finally {
    held.events--;
    api.call('Event_Destroy', [event]);
  }
}
