/** Writes protocol buffers field by field; a message is its fields, joined. The other way: `protobuf-reader.ts`. */

/** Joins fields to a message. */
export function message(fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(fields);
}

/** Encodes a field that holds a whole number. @param value a whole number from 0 to 2^53. */
export function varintField(field: number, value: number): Buffer {
  return Buffer.from([...key(field, 0), ...varint(value)]);
}

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.from([...key(field, 1), ...bytes]);
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.from([...key(field, 5), ...bytes]);
}

export function textField(field: number, text: string): Buffer {
  return bytesField(field, Buffer.from(text));
}

/** Encodes a field that holds bytes, or a message inside another. */
export function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...key(field, 2), ...varint(bytes.length)]), bytes]);
}

function key(field: number, wire: number): number[] {
  return varint(field * 8 + wire);
}

// Not by shifts: a value may be above 2³¹.
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
