import { bytesField, doubleField, floatField, message, textField, varintField } from './protobuf-writer.ts';

/**
 * TensorBoard's event files: records with checksums (TFRecord), each an `Event` message with scalars. Only what a
 * curve needs.
 */

/** Scalars of one step. */
export interface Scalars {
  /** Milliseconds since 1970. */
  time: number;
  step: number;
  values: readonly (readonly [tag: string, value: number])[];
}

/** Returns the first records of a file: its version, and a mark by which a reader drops earlier files of this run. */
export function eventFileStart(time: number): Buffer {
  const version = message([doubleField(1, time / 1000), textField(3, 'brain.Event:2')]);
  const start = message([doubleField(1, time / 1000), varintField(2, 0), bytesField(7, varintField(1, 1))]);
  return Buffer.concat([record(version), record(start)]);
}

/** Encodes one record with the scalars of a step; values that are not finite are kept as they are. */
export function eventRecord({ time, step, values }: Scalars): Buffer {
  const summary = values.map(([tag, value]) => bytesField(1, message([textField(1, tag), floatField(2, value)])));
  return record(message([doubleField(1, time / 1000), varintField(2, step), bytesField(5, message(summary))]));
}

/** A record: length, its checksum, the bytes, their checksum. */
function record(bytes: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(bytes.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc(bytes));
  return Buffer.concat([head, bytes, tail]);
}

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

/** Computes CRC-32C, masked as TensorFlow masks it: a checksum over bytes that hold checksums would be weak. */
export function maskedCrc(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CASTAGNOLI[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  sum = ~sum >>> 0;
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}
