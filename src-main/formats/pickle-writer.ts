/** Plain data that can be pickled: what JSON has, without numbers beyond double precision. */
export type PickleData = null | boolean | number | string | PickleData[] | { [key: string]: PickleData };

/**
 * Writes a pickle of protocol 2, the one torch writes, without memo: every value is written where it stands.
 * Arrays become lists, objects dicts, whole numbers ints.
 */
export class PickleWriter {
  private readonly parts: Buffer[] = [];

  constructor() {
    this.op(0x80, 2);
  }

  /** Operation codes or raw bytes. */
  op(...bytes: number[]): this {
    this.parts.push(Buffer.from(bytes));
    return this;
  }

  /** `module.name` by reference. */
  global(module: string, name: string): this {
    this.parts.push(Buffer.from(`c${module}\n${name}\n`, 'latin1'));
    return this;
  }

  data(value: PickleData): this {
    if (value === null) return this.op(CODE.none);
    if (typeof value === 'boolean') return this.op(value ? CODE.true : CODE.false);
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number') return this.number(value);
    if (Array.isArray(value)) return this.list(value);
    this.op(CODE.emptyDict, CODE.mark);
    for (const [key, item] of Object.entries(value)) this.text(key).data(item);
    return this.op(CODE.setItems);
  }

  tuple(write: () => void): this {
    this.op(CODE.mark);
    write();
    return this.op(CODE.tuple);
  }

  /** An empty collections.OrderedDict. */
  orderedDict(): this {
    return this.global('collections', 'OrderedDict').op(CODE.emptyTuple, CODE.reduce);
  }

  /** The pickle, ended. */
  finish(): Uint8Array {
    this.op(CODE.stop);
    return Buffer.concat(this.parts);
  }

  private list(items: PickleData[]): this {
    this.op(CODE.emptyList, CODE.mark);
    for (const item of items) this.data(item);
    return this.op(CODE.appends);
  }

  private text(value: string): this {
    const bytes = Buffer.from(value);
    const head = Buffer.alloc(5);
    head[0] = CODE.text;
    head.writeUInt32LE(bytes.length, 1);
    this.parts.push(head, bytes);
    return this;
  }

  private number(value: number): this {
    const whole = Number.isSafeInteger(value) && !Object.is(value, -0);
    if (!whole) return this.eight(CODE.float, (bytes) => bytes.writeDoubleBE(value, 1));
    if (value >= 0 && value < 256) return this.op(CODE.byte, value);
    this.op(CODE.long, 8);
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    this.parts.push(bytes);
    return this;
  }

  private eight(code: number, fill: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(9);
    bytes[0] = code;
    fill(bytes);
    this.parts.push(bytes);
    return this;
  }
}

/** Operation codes by what they push or do. */
export const CODE = {
  none: 0x4e,
  true: 0x88,
  false: 0x89,
  byte: 0x4b,
  long: 0x8a,
  float: 0x47,
  text: 0x58,
  mark: 0x28,
  tuple: 0x74,
  emptyTuple: 0x29,
  emptyList: 0x5d,
  appends: 0x65,
  emptyDict: 0x7d,
  setItems: 0x75,
  reduce: 0x52,
  build: 0x62,
  persistent: 0x51,
  stop: 0x2e,
} as const;
