/** TensorFlow's `ConfigProto`, written by hand: a handful of varint fields. */

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

function integerField(field: number, value: number): number[] {
  return [field << 3, ...varint(value)];
}

const INTRA_OP_THREADS = 2;
const INTER_OP_THREADS = 5;

/** A serialised ConfigProto: `within` threads inside one op, `between` for ops that run side by side. */
export function contextConfig({ within, between }: { within: number; between: number }): Uint8Array {
  return Uint8Array.from([...integerField(INTRA_OP_THREADS, within), ...integerField(INTER_OP_THREADS, between)]);
}
