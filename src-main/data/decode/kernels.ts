import { BYTES } from './kernel-bytes.ts';

/**
 * The pixel kernels (`pixel-kernels.as`) and the memory they work on. One call of the data pipeline takes all it needs
 * from the front of the memory, and the next call overwrites it: nothing outlives {@link freshMemory}.
 */
interface Kernels {
  across(from: number, to: number, rows: number, fromStride: number, toStride: number, ...rest: number[]): void;
  down(from: number, to: number, rows: number, stride: number, toStride: number, ...table: number[]): void;
  invert(at: number, bytes: number): void;
  posterize(at: number, bytes: number, mask: number): void;
  solarize(at: number, bytes: number, threshold: number): void;
  solarizeAdd(at: number, bytes: number, add: number): void;
  blendPlain(at: number, bytes: number, plain: number, factor: number): void;
  blendGrey(at: number, pixels: number, factor: number): void;
  lightnessSum(at: number, pixels: number): number;
  sharpen(from: number, to: number, width: number, height: number, factor: number): void;
  ranges(at: number, groups: number, out: number): void;
  histogram(at: number, pixels: number, counts: number): void;
  lookUp(at: number, pixels: number, tables: number): void;
  affine(from: number, to: number, width: number, height: number, fill: number, ...more: number[]): void;
  affineAcross(from: number, to: number, width: number, height: number, fill: number, ...row: number[]): void;
  affineDown(from: number, to: number, width: number, height: number, fill: number, ...row: number[]): void;
  boxBlur(from: number, to: number, lines: number, lineStep: number, count: number, ...rest: number[]): void;
}

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

// TypeScript describes WebAssembly only together with the DOM.
interface Host {
  Memory: new (limits: { initial: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: Memory } }) => { exports: unknown };
}

const PAGE = 65536;
/** Vectors may reach this far past the last byte of an image. */
const SLACK = 64;

let loaded: { memory: Memory; kernels: Kernels } | null = null;
let view = new Uint8Array(0);
let used = 0;

function load(): { memory: Memory; kernels: Kernels } {
  if (loaded) return loaded;
  const host = (globalThis as unknown as { WebAssembly: Host }).WebAssembly;
  const memory = new host.Memory({ initial: 16 });
  const module = new host.Module(Buffer.from(BYTES, 'base64'));
  const { exports } = new host.Instance(module, { env: { memory } });
  return (loaded = { memory, kernels: exports as Kernels });
}

/** Returns the kernels, which are compiled at the first call. */
export function kernels(): Kernels {
  return load().kernels;
}

// Below lie the compiled module's own constants, if any.
const FIRST = 1024;

/** Begins anew: whatever was taken before, after `mark` where one is given, may be overwritten. */
export function freshMemory(mark = FIRST): void {
  used = mark;
}

/** Marks the memory that was taken so far: {@link freshMemory} leaves it alone. */
export function keepMemory(): number {
  return used;
}

/** Takes `bytes` bytes of memory with undefined content and returns their address, a multiple of 16. */
export function take(bytes: number): number {
  const { memory } = load();
  const at = used;
  used += Math.ceil((bytes + SLACK) / 16) * 16;
  if (used > memory.buffer.byteLength) memory.grow(Math.ceil((used - memory.buffer.byteLength) / PAGE));
  return at;
}

/** Returns `bytes` bytes from `at` on, to read and write; they are valid until the next {@link take}. */
export function memoryAt(at: number, bytes: number): Uint8Array {
  const { memory } = load();
  if (view.buffer !== memory.buffer) view = new Uint8Array(memory.buffer);
  return view.subarray(at, at + bytes);
}

/** Copies `values` to memory of its own. @returns its address. */
export function put(values: Uint8Array | Int32Array): number {
  const at = take(values.byteLength);
  memoryAt(at, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return at;
}

/** An image in this memory: [height, width, 3] without padding. */
export interface Raster {
  at: number;
  width: number;
  height: number;
}

/** Takes memory for an image, with undefined content. */
export function emptyRaster(width: number, height: number): Raster {
  return { at: take(width * height * 3), width, height };
}

/** Returns the bytes of an image; they are valid until the next {@link take}. */
export function bytesOf({ at, width, height }: Raster): Uint8Array {
  return memoryAt(at, width * height * 3);
}
