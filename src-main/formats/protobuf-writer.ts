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

/** Bytes that are made when their turn to be written comes. */
export interface LateBytes {
  size: number;
  read(): Uint8Array;
}

const PIECE = 1 << 16;

/** A message that is built field by field; large bytes stay where they are until {@link chunks} writes them. */
export class Message {
  private readonly parts: (Uint8Array | LateBytes)[] = [];
  /** Bytes of the message so far. */
  size = 0;

  /** @param value a whole number, also a negative one. */
  integer(field: number, value: number): this {
    return this.push(Uint8Array.from([...key(field, 0), ...signedVarint(value)]));
  }

  float(field: number, value: number): this {
    return this.push(floatField(field, value));
  }

  text(field: number, text: string): this {
    return this.push(textField(field, text));
  }

  bytes(field: number, bytes: LateBytes): this {
    return this.push(Uint8Array.from([...key(field, 2), ...varint(bytes.size)])).push(bytes);
  }

  message(field: number, inner: Message): this {
    this.push(Uint8Array.from([...key(field, 2), ...varint(inner.size)]));
    for (const part of inner.parts) this.push(part);
    return this;
  }

  /** Whole numbers in one field. */
  packed(field: number, values: readonly number[]): this {
    return this.push(bytesField(field, Uint8Array.from(values.flatMap(signedVarint))));
  }

  /** The bytes of the message, in pieces of a size that is good to write. */
  *chunks(): Generator<Uint8Array> {
    let small: Uint8Array[] = [];
    let size = 0;
    for (const part of this.parts) {
      if (part instanceof Uint8Array && part.length < PIECE) {
        small.push(part);
        size += part.length;
        if (size < PIECE) continue;
      }
      yield Buffer.concat(small);
      [small, size] = [[], 0];
      if (!(part instanceof Uint8Array)) yield part.read();
      else if (part.length >= PIECE) yield part;
    }
    yield Buffer.concat(small);
  }

  private push(part: Uint8Array | LateBytes): this {
    this.parts.push(part);
    this.size += part instanceof Uint8Array ? part.length : part.size;
    return this;
  }
}

/** Negative numbers take all ten bytes, as two's complement. */
function signedVarint(value: number): number[] {
  if (value >= 0) return varint(value);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
