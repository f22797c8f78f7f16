import { badFormat, viewOf } from './source.ts';
import type { PickleReader } from './pickle-reader.ts';
import { reason, type Reason } from '../protocol/reasons.ts';

/**
 * A pickle machine that executes nothing: it builds plain data, and each global it meets must be on the caller's list
 * of inert ones. To add an operation: a line in OPERATIONS; what is not there is refused.
 */

/** A Python dict, ordered. `attributes` is what BUILD put on it. */
export class PickleDict {
  readonly items = new Map<unknown, unknown>();
  attributes: unknown = null;
}

export class PickleTuple {
  constructor(readonly items: readonly unknown[]) {}
}

/** A name that a pickle refers to; `call` makes its inert stand-in, where calling it is allowed. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call: ((args: readonly unknown[]) => unknown) | null = null,
  ) {}
}

/** An object of which nothing is known but what it was made from. */
export class PickleRecord {
  state: unknown = null;
  constructor(
    readonly type: string,
    readonly args: readonly unknown[],
  ) {}
}

/** Bytes that were passed over: where they lie, from the start of the source. */
export class PickleSpan {
  constructor(
    readonly position: number,
    readonly length: number,
  ) {}
}

/** Functions that the machine calls for its user. Both calls throw what they refuse. */
export interface PickleHost {
  /** Texts and bytes of at least so many bytes are not read: a {@link PickleSpan} stands for them. */
  spans?: number;
  /** The inert stand-in of `module.name`. */
  global(name: string): PickleGlobal;
  /** The object behind a persistent id. */
  persistent(id: unknown): unknown;
}

const MAX_STEPS = 4_000_000;
const MAX_HELD = 1_000_000;
const MAX_CONTAINERS = 500_000;
const MAX_INTEGER_BYTES = 64;
const MARK = Symbol('mark');

/**
 * Reads one pickle from where the reader stands to its STOP.
 * @throws StillhouseError `weights.format` for what is malformed or out of bounds, and what the host throws.
 */
export function unpickle(reader: PickleReader, host: PickleHost): unknown {
  const machine = new Machine(reader, host);
  for (let step = 0; step < MAX_STEPS; step++) {
    const code = reader.byte();
    if (code === STOP) return machine.pop();
    const operation = OPERATIONS.get(code);
    if (!operation) throw machine.bad(reason('pickle.operation', { code: code.toString(16) }));
    operation(machine);
    if (machine.stack.length > MAX_HELD || machine.memo.size > MAX_HELD) throw machine.bad(reason('pickle.objects'));
  }
  throw machine.bad(reason('pickle.operations', { most: MAX_STEPS }));
}

class Machine {
  readonly stack: unknown[] = [];
  readonly memo = new Map<number, unknown>();
  private readonly marks: number[] = [];
  private containers = 0;

  constructor(
    readonly reader: PickleReader,
    readonly host: PickleHost,
  ) {}

  bad(what: Reason): Error {
    return badFormat(this.reader.path, reason('pickle.is', { what }));
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  /** Pushes something that holds others; their number is bounded. */
  hold(value: unknown): void {
    if (++this.containers > MAX_CONTAINERS) throw this.bad(reason('pickle.containers'));
    this.stack.push(value);
  }

  mark(): void {
    this.marks.push(this.stack.length);
    this.stack.push(MARK);
  }

  pop(): unknown {
    const value = this.stack.pop();
    if (value === undefined) throw this.bad(reason('pickle.empty-stack'));
    if (value === MARK) throw this.bad(reason('pickle.mark'));
    return value;
  }

  drop(): void {
    if (this.stack.length === 0) throw this.bad(reason('pickle.empty-stack'));
    if (this.stack.pop() === MARK) this.marks.pop();
  }

  popMark(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined || this.stack[mark] !== MARK) throw this.bad(reason('pickle.no-mark'));
    const items = this.stack.splice(mark);
    items.shift();
    return items;
  }

  /** The topmost value, left in place. */
  top(): unknown {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw this.bad(reason('pickle.empty-stack'));
    return value;
  }

  popArgs(): readonly unknown[] {
    const args = this.pop();
    if (!(args instanceof PickleTuple)) throw this.bad(reason('pickle.no-tuple'));
    return args.items;
  }

  call(callee: unknown, args: readonly unknown[]): void {
    if (!(callee instanceof PickleGlobal) || !callee.call)
      throw this.bad(
        callee instanceof PickleGlobal ? reason('pickle.calls', { name: callee.name }) : reason('pickle.uncallable'),
      );
    this.hold(callee.call(args));
  }

  global(module: unknown, name: unknown): PickleGlobal {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.bad(reason('pickle.no-text'));
    return this.host.global(`${module}.${name}`);
  }

  remember(index: number): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index)) throw this.bad(reason('pickle.recall'));
    this.push(this.memo.get(index));
  }

  setItems(items: readonly unknown[]): void {
    const target = this.top();
    const dict = target instanceof PickleDict ? target : null;
    if (items.length % 2 !== 0) throw this.bad(reason('pickle.no-value'));
    if (!dict && !(target instanceof PickleRecord)) throw this.bad(reason('pickle.no-dict'));
    for (let i = 0; i < items.length; i += 2) dict?.items.set(items[i], items[i + 1]);
  }

  append(items: readonly unknown[]): void {
    const target = this.top();
    if (Array.isArray(target)) for (const item of items) target.push(item);
    else if (target instanceof Set) for (const item of items) target.add(item);
    else if (!(target instanceof PickleRecord)) throw this.bad(reason('pickle.no-list'));
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof PickleDict) target.attributes = state;
    else if (target instanceof PickleRecord) target.state = state;
    else throw this.bad(reason('pickle.no-state'));
  }

  text(length: number): void {
    this.push(new TextDecoder('utf-8').decode(this.reader.bytes(length)));
  }

  latin(length: number): void {
    if (this.passes(length)) return;
    this.push(Buffer.from(this.reader.bytes(length)).toString('latin1'));
  }

  raw(length: number): void {
    if (this.passes(length)) return;
    this.push(this.reader.bytes(length).slice());
  }

  private passes(length: number): boolean {
    const { reader, host } = this;
    if (host.spans === undefined || length < host.spans) return false;
    this.push(new PickleSpan(reader.position, length));
    reader.skip(length);
    return true;
  }

  integer(length: number): void {
    if (length > MAX_INTEGER_BYTES) throw this.bad(reason('pickle.long-number', { bytes: length }));
    let value = 0n;
    const bytes = this.reader.bytes(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    this.push(narrow(length > 0 ? BigInt.asIntN(8 * length, value) : 0n));
  }

  decimal(line: string): void {
    if (line === '00' || line === '01') return this.push(line === '01');
    if (!/^[+-]?\d{1,150}L?$/.test(line)) throw this.bad(reason('pickle.number'));
    this.push(narrow(BigInt(line.replace(/L$/, ''))));
  }
}

// Whole numbers are plain where that is exact.
function narrow(value: bigint): number | bigint {
  const small = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return small ? Number(value) : value;
}

const STOP = 0x2e;
const code = (letter: string) => letter.charCodeAt(0);
type Operation = (machine: Machine) => void;

/** By operation code: letters are those of protocol 0 and 1, numbers those of 2 to 5. */
const OPERATIONS = new Map<number, Operation>([
  // Frame and stack
  [0x80, (m) => checkProtocol(m, m.reader.byte())],
  [0x95, (m) => void m.reader.bytes(8)],
  [code('('), (m) => m.mark()],
  [code('0'), (m) => m.drop()],
  [code('1'), (m) => void m.popMark()],
  [code('2'), (m) => m.push(m.top())],
  // Plain values
  [code('N'), (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [code('I'), (m) => m.decimal(m.reader.line())],
  [code('L'), (m) => m.decimal(m.reader.line())],
  [code('J'), (m) => m.push(m.reader.unsigned(4) | 0)],
  [code('K'), (m) => m.push(m.reader.unsigned(1))],
  [code('M'), (m) => m.push(m.reader.unsigned(2))],
  [0x8a, (m) => m.integer(m.reader.unsigned(1))],
  [0x8b, (m) => m.integer(m.reader.unsigned(4))],
  [code('F'), (m) => m.push(Number(m.reader.line()))],
  [code('G'), (m) => m.push(viewOf(m.reader.bytes(8)).getFloat64(0, false))],
  // Text and bytes
  [code('S'), (m) => m.push(unquote(m, m.reader.line()))],
  [code('V'), (m) => m.push(m.reader.line())],
  [code('T'), (m) => m.latin(m.reader.unsigned(4))],
  [code('U'), (m) => m.latin(m.reader.unsigned(1))],
  [code('X'), (m) => m.text(m.reader.unsigned(4))],
  [0x8c, (m) => m.text(m.reader.unsigned(1))],
  [0x8d, (m) => m.text(m.reader.unsigned(8))],
  [code('B'), (m) => m.raw(m.reader.unsigned(4))],
  [code('C'), (m) => m.raw(m.reader.unsigned(1))],
  [0x8e, (m) => m.raw(m.reader.unsigned(8))],
  [0x96, (m) => m.raw(m.reader.unsigned(8))],
  // Containers
  [code(')'), (m) => m.hold(new PickleTuple([]))],
  [code('t'), (m) => m.hold(new PickleTuple(m.popMark()))],
  [0x85, (m) => m.hold(new PickleTuple(popMany(m, 1)))],
  [0x86, (m) => m.hold(new PickleTuple(popMany(m, 2)))],
  [0x87, (m) => m.hold(new PickleTuple(popMany(m, 3)))],
  [code(']'), (m) => m.hold([])],
  [code('l'), (m) => m.hold(m.popMark())],
  [code('a'), (m) => m.append([m.pop()])],
  [code('e'), (m) => m.append(m.popMark())],
  [code('}'), (m) => m.hold(new PickleDict())],
  [code('d'), (m) => newDict(m, m.popMark())],
  [code('s'), (m) => m.setItems(popMany(m, 2))],
  [code('u'), (m) => m.setItems(m.popMark())],
  [0x8f, (m) => m.hold(new Set())],
  [0x90, (m) => m.append(m.popMark())],
  [0x91, (m) => m.hold(new Set(m.popMark()))],
  // Memory
  [code('p'), (m) => m.remember(index(m, m.reader.line()))],
  [code('q'), (m) => m.remember(m.reader.unsigned(1))],
  [code('r'), (m) => m.remember(m.reader.unsigned(4))],
  [0x94, (m) => m.remember(m.memo.size)],
  [code('g'), (m) => m.recall(index(m, m.reader.line()))],
  [code('h'), (m) => m.recall(m.reader.unsigned(1))],
  [code('j'), (m) => m.recall(m.reader.unsigned(4))],
  // Objects: only what the host allows
  [code('c'), (m) => m.push(m.global(m.reader.line(), m.reader.line()))],
  [0x93, (m) => pushGlobal(m, popMany(m, 2))],
  [code('R'), (m) => callWith(m, m.popArgs())],
  [0x81, (m) => callWith(m, m.popArgs())],
  [0x92, (m) => callNamed(m, m.pop())],
  [code('i'), (m) => m.call(m.global(m.reader.line(), m.reader.line()), m.popMark())],
  [code('o'), (m) => callFirst(m, m.popMark())],
  [code('b'), (m) => m.build()],
  [code('P'), (m) => m.push(m.host.persistent(m.reader.line()))],
  [code('Q'), (m) => m.push(m.host.persistent(m.pop()))],
]);

function checkProtocol(machine: Machine, version: number): void {
  if (version > 5) throw machine.bad(reason('pickle.protocol', { version }));
}

function popMany(machine: Machine, count: number): unknown[] {
  return Array.from({ length: count }, () => machine.pop()).reverse();
}

function newDict(machine: Machine, items: readonly unknown[]): void {
  machine.hold(new PickleDict());
  machine.setItems(items);
}

function pushGlobal(machine: Machine, [module, name]: unknown[]): void {
  machine.push(machine.global(module, name));
}

function callWith(machine: Machine, args: readonly unknown[]): void {
  machine.call(machine.pop(), args);
}

function callNamed(machine: Machine, named: unknown): void {
  if (!(named instanceof PickleDict)) throw machine.bad(reason('pickle.no-named'));
  callWith(machine, machine.popArgs());
}

function callFirst(machine: Machine, [callee, ...args]: unknown[]): void {
  machine.call(callee, args);
}

function index(machine: Machine, line: string): number {
  if (!/^\d{1,15}$/.test(line)) throw machine.bad(reason('pickle.remember'));
  return Number(line);
}

function unquote(machine: Machine, line: string): string {
  const quoted = /^(['"])([^\\]*)\1$/.exec(line);
  if (!quoted) throw machine.bad(reason('pickle.escapes'));
  return quoted[2];
}
