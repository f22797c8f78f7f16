/** Arrays of bytes by name, up to a limit; once it is reached nothing more is kept and nothing is dropped. */
export interface ByteCache {
  get(name: string): Uint8Array | undefined;
  /** Keeps `bytes` if there is room; returns them either way. */
  keep(name: string, bytes: Uint8Array): Uint8Array;
}

/**
 * A cache of at most `limit` bytes. Each epoch comes by every picture once, so what was read first is worth as much as
 * what was read last, and dropping the oldest would never hit.
 */
export function byteCache(limit: number): ByteCache {
  const kept = new Map<string, Uint8Array>();
  let room = limit;
  return {
    get: (name) => kept.get(name),
    keep: (name, bytes) => {
      if (bytes.byteLength <= room && !kept.has(name)) {
        kept.set(name, bytes);
        room -= bytes.byteLength;
      }
      return bytes;
    },
  };
}
