/** Values by name, up to a limit of bytes; once it is reached nothing more is kept and nothing is dropped. */
export interface ByteCache<Value> {
  get(name: string): Value | undefined;
  /** Whether there is room for anything at all. */
  hasRoom(): boolean;
  /** Keeps `value`, which holds `bytes` of memory, if there is room; returns it either way. */
  keep(name: string, value: Value, bytes: number): Value;
}

/**
 * Makes a cache of at most `limit` bytes. An epoch reads every image once, so early entries are worth as much as late
 * ones, and a cache that drops the oldest would never hit.
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
