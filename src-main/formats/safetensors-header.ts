import type { StillhouseError } from '../protocol/errors.ts';
import { reason, type Reason, type ReasonValue } from '../protocol/reasons.ts';

/** One entry of the header: byte range from the end of the header on. */
export interface HeaderEntry {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

const MAX_ENTRIES = 200_000;
const MAX_SIDES = 64;
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Reads the header's JSON by its own grammar instead of JSON.parse: duplicate names are seen, and a hundred megabytes
 * of brackets cost no memory.
 */
export class HeaderScanner {
  private at = 0;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fail: (reason: Reason) => StillhouseError,
  ) {}

  /** The whole header. @throws what `fail` makes. */
  scan(): { metadata: Record<string, string>; entries: Map<string, HeaderEntry> } {
    const entries = new Map<string, HeaderEntry>();
    let metadata: Record<string, string> | null = null;
    if (this.bytes[0] !== OPEN) throw this.fail(reason('safetensors.brace'));
    this.members((name) => {
      if (entries.has(name) || (name === '__metadata__' && metadata))
        throw this.fail(reason('safetensors.name-twice', { name: clip(name) }));
      if (name === '__metadata__') metadata = this.metadata();
      else entries.set(name, this.entry(name));
      if (entries.size > MAX_ENTRIES) throw this.fail(reason('safetensors.arrays', { most: MAX_ENTRIES }));
    });
    this.blank();
    if (this.at !== this.bytes.length) throw this.fail(reason('safetensors.after-end', { at: this.at }));
    return { metadata: metadata ?? {}, entries };
  }

  private metadata(): Record<string, string> {
    const metadata = new Map<string, string>();
    this.members((name) => {
      if (metadata.has(name)) throw this.fail(reason('safetensors.metadata-twice', { name: clip(name) }));
      metadata.set(name, this.text());
      if (metadata.size > MAX_ENTRIES) throw this.fail(reason('safetensors.texts', { most: MAX_ENTRIES }));
    });
    return Object.fromEntries(metadata);
  }

  private entry(name: string): HeaderEntry {
    let [dtype, shape, range]: [string | null, number[] | null, number[] | null] = [null, null, null];
    this.members((key) => {
      if (key === 'dtype' && dtype === null) dtype = this.text();
      else if (key === 'shape' && !shape) shape = this.integers();
      else if (key === 'data_offsets' && !range) range = this.integers();
      else throw this.fail(reason('safetensors.key', { name: clip(name), key: clip(key) }));
    });
    const [begin, end, ...rest] = range ?? [];
    if (dtype === null || !shape || begin === undefined || end === undefined || rest.length > 0)
      throw this.fail(reason('safetensors.lacks', { name: clip(name) }));
    if (end < begin) throw this.fail(reason('safetensors.backwards', { name: clip(name) }));
    return { dtype: clip(dtype), shape, begin, end };
  }

  private members(member: (name: string) => void): void {
    this.expect(OPEN);
    if (this.take(CLOSE)) return;
    do {
      const name = this.text();
      this.expect(COLON);
      member(name);
    } while (this.take(COMMA));
    this.expect(CLOSE);
  }

  private integers(): number[] {
    const numbers: number[] = [];
    this.expect(OPEN_LIST);
    if (this.take(CLOSE_LIST)) return numbers;
    do {
      numbers.push(this.integer());
      if (numbers.length > MAX_SIDES) throw this.fail(reason('safetensors.list', { most: MAX_SIDES }));
    } while (this.take(COMMA));
    this.expect(CLOSE_LIST);
    return numbers;
  }

  private integer(): number {
    this.blank();
    const start = this.at;
    while (this.at - start < 20 && this.bytes[this.at] >= 0x30 && this.bytes[this.at] <= 0x39) this.at++;
    const digits = String.fromCharCode(...this.bytes.subarray(start, this.at));
    if (!/^(0|[1-9]\d*)$/.test(digits)) throw this.unexpected(reason('part.whole-number'));
    if (!Number.isSafeInteger(Number(digits))) throw this.fail(reason('safetensors.number', { digits }));
    return Number(digits);
  }

  private text(): string {
    this.expect(QUOTE);
    const start = this.at - 1;
    while (this.at < this.bytes.length && this.bytes[this.at] !== QUOTE)
      this.at += this.bytes[this.at] === BACKSLASH ? 2 : 1;
    this.expect(QUOTE);
    try {
      return JSON.parse(this.decoder.decode(this.bytes.subarray(start, this.at))) as string;
    } catch {
      throw this.fail(reason('safetensors.text', { start }));
    }
  }

  private blank(): void {
    for (let byte = this.bytes[this.at]; isBlank(byte); byte = this.bytes[this.at]) this.at++;
  }

  private take(byte: number): boolean {
    this.blank();
    if (this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  private expect(byte: number): void {
    if (!this.take(byte)) throw this.unexpected(String.fromCharCode(byte));
  }

  private unexpected(expected: ReasonValue): StillhouseError {
    const got =
      this.at < this.bytes.length ? JSON.stringify(String.fromCharCode(this.bytes[this.at])) : reason('part.end');
    return this.fail(reason('safetensors.at', { at: Math.min(this.at, this.bytes.length), expected, got }));
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

// Names come from the file: an error must not carry megabytes of them.
function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
