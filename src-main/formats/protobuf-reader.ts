import { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason } from '../protocol/reasons.ts';
import type { ByteSource } from './source.ts';

/**
 * Reads protocol buffers without loading them: fields are found by walking over them, and what is not asked for is
 * skipped, however long. Everything is checked against the end of the message that holds it, and the number of fields
 * of a file is bounded.
 */
export interface ProtoField {
  number: number;
  /** Of a varint, as a signed number; those beyond 2^53 are ±Infinity. 0 for other fields. */
  value: number;
  /** Of a field with a length: where its bytes are. */
  offset: number;
  length: number;
  /** Whether it has a length: a text, a message or packed numbers. */
  isBytes: boolean;
}

const WINDOW = 1 << 16;
const MOST_FIELDS = 5_000_000;
const MOST_TEXT = 1 << 22;

/** Walks over the messages of one file. */
export class ProtoReader {
  private window: Uint8Array = new Uint8Array(0);
  private start = 0;
  private fieldsLeft = MOST_FIELDS;

  /** @param path for errors only. */
  constructor(
    private readonly source: ByteSource,
    readonly path: string,
  ) {}

  /** The fields of the file itself, in order. @throws StillhouseError `teacher.format` */
  whole(): Generator<ProtoField, void, undefined> {
    return this.between(0, this.source.size);
  }

  /** The fields of a message. @throws StillhouseError `teacher.format` */
  fields({ offset, length, isBytes }: ProtoField): Generator<ProtoField, void, undefined> {
    if (!isBytes) throw this.bad(reason('protobuf.no-message'));
    return this.between(offset, offset + length);
  }

  /** The text of a field. @throws StillhouseError `teacher.format` when it is none, or absurdly long. */
  text({ offset, length, isBytes }: ProtoField): string {
    if (!isBytes || length > MOST_TEXT) throw this.bad(reason('protobuf.name'));
    return new TextDecoder().decode(this.source.read(offset, length));
  }

  /** The bytes of a field; of a number of fixed length, those that it is written in. */
  bytes({ offset, length, isBytes }: ProtoField, fixed = 0): Uint8Array {
    return this.source.read(offset, isBytes ? length : fixed);
  }

  /** The failure of the file. */
  bad(reason: Reason): StillhouseError {
    return new StillhouseError('teacher.format', { path: this.path, reason });
  }

  private *between(from: number, end: number): Generator<ProtoField, void, undefined> {
    let at = from;
    while (at < end) {
      if (--this.fieldsLeft < 0) throw this.bad(reason('protobuf.parts'));
      const [tag, next] = this.varint(at, end);
      const [number, wire] = [Math.floor(tag / 8), tag % 8];
      if (number < 1 || number > 536_870_911) throw this.bad(reason('protobuf.no-number'));
      const field = this.field(number, wire, next, end);
      yield field.read;
      at = field.end;
    }
  }

  private field(number: number, wire: number, at: number, end: number): { read: ProtoField; end: number } {
    const fixed = (length: number) => {
      if (at + length > end) throw this.bad(reason('protobuf.cut'));
      return { read: { number, value: 0, offset: at, length, isBytes: false }, end: at + length };
    };
    switch (wire) {
      case 0: {
        const [value, after] = this.varint(at, end);
        return { read: { number, value, offset: at, length: after - at, isBytes: false }, end: after };
      }
      case 1:
        return fixed(8);
      case 2: {
        const [length, offset] = this.varint(at, end);
        if (length < 0 || length > end - offset) throw this.bad(reason('protobuf.cut'));
        return { read: { number, value: 0, offset, length, isBytes: true }, end: offset + length };
      }
      case 5:
        return fixed(4);
      default:
        throw this.bad(reason('protobuf.type'));
    }
  }

  private varint(at: number, end: number): [value: number, end: number] {
    let [low, high] = [0, 0n];
    for (let index = 0; index < 10; index++) {
      if (at >= end) throw this.bad(reason('protobuf.cut'));
      const byte = this.byte(at++);
      // Seven bytes hold 49 bits, which a number holds too.
      if (index < 7) low += (byte & 0x7f) * 2 ** (7 * index);
      else high += BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return [high === 0n ? low : signed(BigInt(low) + high), at];
    }
    throw this.bad(reason('protobuf.endless'));
  }

  private byte(at: number): number {
    if (at < this.start || at >= this.start + this.window.length) {
      this.window = this.source.read(at, Math.min(WINDOW, this.source.size - at));
      this.start = at;
    }
    return this.window[at - this.start];
  }
}

function signed(bits: bigint): number {
  const value = Number(BigInt.asIntN(64, bits));
  return Number.isSafeInteger(value) ? value : value * Infinity;
}
