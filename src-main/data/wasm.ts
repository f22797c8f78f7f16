/**
 * Just enough of a WebAssembly assembler to write the pixel kernels in TypeScript, with 128-bit vectors. Code is a flat
 * list of bytes; operations take the code of their operands and return their own.
 */
export type Code = readonly number[];

const VECTOR = 0xfd;
/** Value types. */
export const I32 = 0x7f;
export const V128 = 0x7b;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const done = (rest >> 6 === 0 || rest >> 6 === -1) && bytes.length < 5;
    if (done) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const sized = (code: Code): number[] => [...unsigned(code.length), ...code];
const list = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [...a, ...b, opcode];
const vector =
  (opcode: number) =>
  (...operands: Code[]): Code => [...operands.flat(), VECTOR, ...unsigned(opcode)];
// Alignment 0: addresses need not be multiples of anything.
const memory =
  (opcode: number) =>
  (address: Code, offset = 0): Code => [...address, VECTOR, ...unsigned(opcode), 0, ...unsigned(offset)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  lessThan: binary(0x48),
  load: (address: Code, offset = 0): Code => [...address, 0x28, 0, ...unsigned(offset)],
};

export const v128 = {
  load: memory(0x00),
  /** Four bytes, repeated four times. */
  load32Splat: memory(0x09),
  store: (address: Code, value: Code): Code => [...address, ...value, VECTOR, 0x0b, 0, 0],
  /** Stores the lowest four bytes. */
  store32: (address: Code, value: Code): Code => [...address, ...value, VECTOR, 0x5a, 0, 0, 0],
  zero: [VECTOR, 0x0c, ...new Array<number>(16).fill(0)] as Code,
  /** Sixteen of the 32 bytes of a (0–15) and b (16–31). */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, VECTOR, 0x0d, ...lanes],
  splat32: vector(0x11),
  narrow32: vector(0x85),
  narrow16: vector(0x66),
  extendLow8: vector(0x89),
  extendHigh8: vector(0x8a),
  shiftRight32: vector(0xac),
  add32: vector(0xae),
  /** Signed 16-bit products, summed in pairs to 32 bits. */
  dot16: vector(0xba),
};

/** A local variable of a function, parameters first. */
export interface Local {
  get: Code;
  set(value: Code): Code;
  /** Adds to a whole number. */
  step(by: Code): Code;
}

function local(index: number): Local {
  const get = [0x20, ...unsigned(index)];
  const set = (value: Code): Code => [...value, 0x21, ...unsigned(index)];
  return { get, set, step: (by) => set(i32.add(get, by)) };
}

/** Runs `body` at least once, and again while `condition` holds. */
export function repeat(body: readonly Code[], condition: Code): Code {
  return [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0x00, 0x0b];
}

export interface Routine {
  name: string;
  /** Number of parameters, all whole numbers. */
  parameters: number;
  /** Types of the other variables. */
  variables: readonly number[];
  body(locals: Local[]): readonly Code[];
}

/** Linear memory shared with the routines. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

// TypeScript describes WebAssembly only together with the DOM.
interface Host {
  Memory: new (limits: { initial: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: unknown };
}

/** Compiles `routines` over a new memory; `exports` has each of them under its name. */
export function instantiate(routines: readonly Routine[]): { memory: Memory; exports: unknown } {
  const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;
  const memory = new host.Memory({ initial: 1 });
  return { memory, exports: new host.Instance(new host.Module(assemble(routines)), { env: { memory } }).exports };
}

/** The bytes of a module that exports `routines` and works on the memory `env.memory`. */
function assemble(routines: readonly Routine[]): Uint8Array {
  const section = (id: number, content: Code): number[] => [id, ...sized(content)];
  const name = (text: string): number[] => sized([...text].map((letter) => letter.charCodeAt(0)));
  const types = routines.map(({ parameters }) => [0x60, ...list(new Array<Code>(parameters).fill([I32])), 0]);
  const bodies = routines.map(({ parameters, variables, body }) => {
    const locals = Array.from({ length: parameters + variables.length }, (_, index) => local(index));
    return sized([...list(variables.map((type) => [1, type])), ...body(locals).flat(), 0x0b]);
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list([[...name('env'), ...name('memory'), 0x02, 0x00, 0x01]])),
    ...section(3, list(routines.map((_, index) => unsigned(index)))),
    ...section(7, list(routines.map((routine, index) => [...name(routine.name), 0x00, ...unsigned(index)]))),
    ...section(10, list(bodies)),
  ]);
}
