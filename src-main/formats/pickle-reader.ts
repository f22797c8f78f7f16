import { badFormat, viewOf, type ByteSource } from './source.ts';
import { reason } from '../protocol/reasons.ts';

const WINDOW = 1 << 16;
const MAX_LINE = 4096;

/** Reads a pickle's bytes in order, never beyond its limit and never more than a window ahead. */
export class PickleReader {
  private window: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
  private start: number;
  private at = 0;
  private readonly end: number;

  /** From `position` on, at most `limit` bytes. */
  constructor(
    private readonly source: ByteSource,
    position: number,
    limit: number,
    readonly path: string,
  ) {
    this.start = position;
    this.end = Math.min(source.size, position + limit);
  }

  /** Where the next byte is read, from the start of the source. */
  get position(): number {
    return this.start + this.at;
  }

  byte(): number {
    this.need(1);
    return this.window[this.at++];
  }

  /** The next bytes, valid until the next read. */
  bytes(length: number): Uint8Array {
    this.need(length);
    this.at += length;
    return this.window.subarray(this.at - length, this.at);
  }

  /** Passes over the next bytes without reading them. */
  skip(length: number): void {
    const position = this.position + length;
    if (!(position <= this.end)) throw badFormat(this.path, reason('pickle.cut', { position: this.position }));
    [this.window, this.start, this.at] = [new Uint8Array(0), position, 0];
  }

  /** An unsigned little-endian number of 1, 2, 4 or 8 bytes. */
  unsigned(width: 1 | 2 | 4 | 8): number {
    const view = viewOf(this.bytes(width));
    if (width === 8) {
      const value = view.getBigUint64(0, true);
      return value > 2n ** 53n ? Infinity : Number(value);
    }
    return width === 4 ? view.getUint32(0, true) : width === 2 ? view.getUint16(0, true) : view.getUint8(0);
  }

  /** Text up to a line feed, which is left out. */
  line(): string {
    const codes: number[] = [];
    for (let code = this.byte(); code !== 0x0a; code = this.byte()) {
      if (codes.push(code) > MAX_LINE) throw badFormat(this.path, reason('pickle.line', { most: MAX_LINE }));
    }
    return String.fromCharCode(...codes);
  }

  private need(length: number): void {
    if (this.at + length <= this.window.length) return;
    const position = this.position;
    if (!(position + length <= this.end)) throw badFormat(this.path, reason('pickle.cut', { position }));
    this.window = this.source.read(position, Math.min(Math.max(length, WINDOW), this.end - position));
    this.start = position;
    this.at = 0;
  }
}
