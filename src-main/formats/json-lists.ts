import { ReasonError, reason } from '../protocol/reasons.ts';

/** Bytes that one element may have. */
const LARGEST = 1 << 20;
const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);
const BYTE_ORDER_MARK = '\ufeff';

/** An object in one of the lists of a JSON object. */
export interface ListElement {
  list: string;
  value: Record<string, unknown>;
}

/**
 * Yields the objects in the lists `wanted` of the JSON object that `chunks` make, in their order. Only one element is
 * held at a time, so that the file may be larger than any text can be; what is in no such list is passed over.
 * @throws ReasonError where it is no such object, or ends early.
 */
export async function* readJsonLists(
  chunks: AsyncIterable<Buffer>,
  wanted: ReadonlySet<string>,
): AsyncGenerator<ListElement, void, undefined> {
  const scan = new Scan(wanted);
  let buffer: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    yield* scan.take(buffer);
    buffer = scan.rest(buffer);
  }
  scan.end();
}

class Scan {
  private at = 0;
  private depth = 0;
  private inText = false;
  private escaped = false;
  /** Where the text or the element that is wanted begins; -1 where there is none. */
  private start = -1;
  private isKey = false;
  private key = '';
  private begun = false;

  constructor(private readonly wanted: ReadonlySet<string>) {}

  /** The elements that end in the bytes that were not yet looked at. */
  take(buffer: Buffer): ListElement[] {
    const found: ListElement[] = [];
    for (; this.at < buffer.length; this.at++) {
      if (this.inText && !this.passText(buffer)) break;
      const byte = buffer[this.at];
      if (byte === QUOTE) this.quote(buffer);
      else if (byte === OPEN || byte === OPEN_LIST) this.open(byte);
      else if (byte === CLOSE || byte === CLOSE_LIST) {
        this.depth--;
        if (this.depth < 0) throw new ReasonError(reason('file.not-json'));
        if (this.depth === 2 && this.start >= 0 && byte === CLOSE) found.push(this.element(buffer));
      } else if (this.depth === 1 && (byte === COMMA || byte === COLON)) this.isKey = byte === COMMA;
      else if (this.depth === 0) this.outside(byte);
    }
    return found;
  }

  /** What of a buffer is still needed. */
  rest(buffer: Buffer): Buffer {
    const from = this.start >= 0 ? this.start : this.at;
    if (this.at - from > LARGEST) throw new ReasonError(reason('json.element', { most: LARGEST }));
    this.at -= from;
    if (this.start >= 0) this.start = 0;
    return buffer.subarray(from);
  }

  end(): void {
    if (this.depth > 0 || this.inText) throw new ReasonError(reason('json.cut'));
    if (!this.begun) throw new ReasonError(reason('file.not-json'));
  }

  /** Goes on to the mark that ends a text; false where that is not in these bytes. */
  private passText(buffer: Buffer): boolean {
    let [at, escaped] = [this.at, this.escaped];
    for (; at < buffer.length; at++) {
      if (escaped) escaped = false;
      else if (buffer[at] === BACKSLASH) escaped = true;
      else if (buffer[at] === QUOTE) break;
    }
    [this.at, this.escaped] = [at, escaped];
    return at < buffer.length;
  }

  /** A text begins, or ends; one that names a list is kept. */
  private quote(buffer: Buffer): void {
    this.inText = !this.inText;
    if (this.depth !== 1 || !this.isKey) return;
    if (this.inText) {
      this.start = this.at;
      return;
    }
    this.key = parsed<string>(buffer.subarray(this.start, this.at + 1));
    this.start = -1;
  }

  private open(byte: number): void {
    if (this.depth === 0) {
      if (byte !== OPEN || this.begun) throw new ReasonError(reason('file.not-json'));
      this.begun = this.isKey = true;
    }
    if (this.depth === 2 && byte === OPEN && this.wanted.has(this.key)) this.start = this.at;
    this.depth++;
  }

  private outside(byte: number): void {
    const isMark = !this.begun && Buffer.from(BYTE_ORDER_MARK).includes(byte);
    if (!SPACES.has(byte) && !isMark) throw new ReasonError(reason('file.not-json'));
  }

  private element(buffer: Buffer): ListElement {
    const value = parsed<Record<string, unknown>>(buffer.subarray(this.start, this.at + 1));
    this.start = -1;
    return { list: this.key, value };
  }
}

function parsed<Value>(bytes: Buffer): Value {
  try {
    return JSON.parse(bytes.toString('utf8')) as Value;
  } catch (cause) {
    throw new ReasonError(reason('file.not-json'), { cause });
  }
}
