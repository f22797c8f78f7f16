/** Values by name, up to a limit of bytes; once it is reached nothing more is kept and nothing is dropped. */
export interface ByteCache<Value> {
  get(name: string): Value | undefined;
  /** Whether there is room for anything at all. */
  hasRoom(): boolean;
  /** Keeps `value`, which holds `bytes` of memory, if there is room; returns it either way. */
  keep(name: string, value: Value, bytes: number): Value;
}

/**
 * A cache of at most `limit` bytes. Each epoch comes by every image once, so what was read first is worth as much as
 * what was read last, and dropping the oldest would never hit.
 */
export function byteCache<Value>(limit: number): ByteCache<Value> {
  const kept = new Map<string, Value>();
  let room = limit;
  return {
    get: (name) => kept.get(name),
    hasRoom: () => room > 0,
    keep: (name, value, bytes) => {
      if (bytes <= room && !kept.has(name)) {
        kept.set(name, value);
        room -= bytes;
      }
      return value;
    },
  };
}
