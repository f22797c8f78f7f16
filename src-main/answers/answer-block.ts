import { crc32 } from 'node:zlib';
import { shapeSize } from '../base/shape-size.ts';
import { fromFloat32, toFloat32 } from '../formats/named-array.ts';

/**
 * A block of kept answers: those of a teacher to neighbouring batches of an epoch, with a print of the images that each
 * is for, and a checksum of all. Little-endian: magic, six numbers of 32 bits and one of 64 (`HEADER`), a print of 32
 * bits for each batch, the answers of each batch, the checksum.
 */

/** Holds an answer as it is kept: the number of a class, or a number for each class. */
export interface AnswerForm {
  kind: 'decisions' | 'logits';
  classes: number;
  /** Of the logits. */
  type: 'float16' | 'float32';
  batchSize: number;
}

/** Answers to batches `first` to `first` + `count` of an epoch, from 0. */
export interface AnswerBlock {
  epoch: number;
  first: number;
  count: number;
  /** Milliseconds that the teacher took for them. */
  milliseconds: number;
  /** One for each batch. */
  prints: Uint32Array;
  /** Those of all batches, one after another. */
  answers: Uint8Array;
}

/** Answers to one batch: decisions [B], or logits [B, K]. */
export type Answers = Int32Array | Float32Array;

const MAGIC = Buffer.from('SHANSWR1', 'latin1');
const HEADER = MAGIC.length + 4 * 6 + 8;

/** Counts the bytes that the answers to a batch take. */
export function batchBytes(form: AnswerForm): number {
  const { kind, classes, type, batchSize } = form;
  const each = kind === 'decisions' ? decisionBytes(form) : classes * (type === 'float16' ? 2 : 4);
  return batchSize * each;
}

/** Counts the bytes of a block of `count` batches. */
export function blockBytes(form: AnswerForm, count: number): number {
  return HEADER + count * (4 + batchBytes(form)) + 4;
}

function decisionBytes({ classes }: AnswerForm): number {
  return classes > 1 << 16 ? 4 : 2;
}

/** Writes the answers to a batch as bytes. @throws Error where they are not as many as the form says. */
export function packAnswers(form: AnswerForm, answers: Answers): Uint8Array {
  const expected = shapeSize(form.kind === 'decisions' ? [form.batchSize] : [form.batchSize, form.classes]);
  if (answers.length !== expected) throw new Error(`packAnswers: expected ${expected} answers, got ${answers.length}`);
  if (form.kind === 'logits') {
    return new Uint8Array(fromFloat32(form.type === 'float16' ? 'F16' : 'F32', answers as Float32Array));
  }
  const bytes = decisionBytes(form) === 4 ? Uint32Array.from(answers) : Uint16Array.from(answers);
  return new Uint8Array(bytes.buffer);
}

/** Reads what {@link packAnswers} wrote. */
export function unpackAnswers(form: AnswerForm, packed: Uint8Array): Answers {
  // Copied: a view of other numbers has to begin at a multiple of their size.
  const bytes = new Uint8Array(packed);
  if (form.kind === 'logits') return toFloat32(form.type === 'float16' ? 'F16' : 'F32', bytes);
  return Int32Array.from(decisionBytes(form) === 4 ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer));
}

/** Writes a block as the bytes of a file. */
export function writeBlock(form: AnswerForm, block: AnswerBlock): Uint8Array {
  const { epoch, first, count, milliseconds, prints, answers } = block;
  const bytes = Buffer.alloc(blockBytes(form, count));
  MAGIC.copy(bytes);
  [epoch, first, count, form.batchSize, form.classes, batchBytes(form)].forEach((value, at) =>
    bytes.writeUInt32LE(value, MAGIC.length + 4 * at),
  );
  bytes.writeDoubleLE(milliseconds, HEADER - 8);
  prints.forEach((print, at) => bytes.writeUInt32LE(print, HEADER + 4 * at));
  bytes.set(answers, HEADER + 4 * count);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

/** Reads the bytes of a file as a block of a form; null where they are cut off, damaged, or of another form. */
export function readBlock(form: AnswerForm, bytes: Uint8Array): AnswerBlock | null {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < HEADER + 4 || !data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const [epoch, first, count, ...told] = Array.from({ length: 6 }, (_, at) => data.readUInt32LE(MAGIC.length + 4 * at));
  const expected = [form.batchSize, form.classes, batchBytes(form)];
  if (told.join() !== expected.join() || data.length !== blockBytes(form, count)) return null;
  if (crc32(data.subarray(0, -4)) !== data.readUInt32LE(data.length - 4)) return null;
  const prints = Uint32Array.from({ length: count }, (_, at) => data.readUInt32LE(HEADER + 4 * at));
  const answers = data.subarray(HEADER + 4 * count, -4);
  return { epoch, first, count, milliseconds: data.readDoubleLE(HEADER - 8), prints, answers };
}

/** Reads from the bytes of a block, of which these are the first, how long its teacher took; null of no block. */
export const HEAD_BYTES = HEADER;
export function millisecondsOf(head: Uint8Array): number | null {
  const data = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (data.length < HEADER || !data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  return data.readDoubleLE(HEADER - 8);
}
