import { shapeSize } from '../base/shape-size.ts';
import { DTYPES, type Values } from '../runtime/dtypes.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import type { IsFrozen } from '../trace/freeze.ts';
import type { Precision } from '../trace/narrow.ts';
import { variablesOf, type Program, type TensorSpec } from '../trace/program.ts';

/**
 * The seam between what is computed and what computes it: a recorded program and its state know no engine, and only
 * the folders beside this file know an engine's handles.
 */

/** Computes recorded programs. One a process. */
export interface Engine {
  /** The loaded library, which records programs and decodes images whatever computes. */
  readonly tensorflow: TensorFlow;
  readonly device: Device;
  /** Threads of the processor that it was given. */
  readonly threads: number;
  /** How many independent parts of one program run side by side. */
  readonly lanes: number;
  /** Whether a run gains by being begun before the one ahead of it has ended: its inputs go up meanwhile. */
  readonly ahead: boolean;
  /** Reads what its accelerators do at this moment; left out where they do not tell. */
  readonly load?: () => DeviceLoad;
  /** Tells whether it cannot compute an op; a recording names such a one. Left out: it computes all. */
  readonly lacks?: (op: string) => boolean;
  newState(): State;
  /**
   * Lowers and compiles `program` over the variables of `state` that it names.
   * @throws RangeError when the state lacks a variable; StillhouseError `engine.op`.
   */
  compile(program: Program, state: State, options?: CompileOptions): Promise<Compiled>;
  /** Computes what `program` holds in memory besides the variables that a run changes. */
  footprint(program: Program, as?: LowerAs): Promise<Footprint>;
}

/** Bytes that a program holds. */
export interface Footprint {
  /** The most that the values of one run need at a time. */
  values: number;
  /** Frozen variables as the program uses them, with what is computed from them once. */
  frozen: number;
}

/** The processor or the accelerators that compute. */
export interface Device {
  /** `cpu`, or the accelerator's name. */
  name: string;
  kind: 'processor' | 'accelerator';
  /** Whether it multiplies bfloat16 matrices in hardware. */
  bfloat16: boolean;
  /** Whether it multiplies float32 matrices faster where their factors may be rounded (TF32). */
  tf32: boolean;
  /** Bytes that one of them lets a training have; null where it has none of its own, or nothing tells. */
  memory: number | null;
  /** How many of them share each batch. */
  count: number;
}

/** Measures accelerators at a moment; undefined where nothing measures. */
export interface DeviceLoad {
  /** Bytes that the process has held at the most on one of them. */
  deviceMemory?: number;
  /** Percent of the last moments in which they computed, in their mean. */
  deviceBusy?: number;
}

/** Counts the bytes of those variables that a program reads. */
export function variableBytes(program: Program, counts: (variable: string) => boolean): number {
  const counted = variablesOf(program).filter(({ name }) => counts(name));
  return counted.reduce((sum, { spec }) => sum + specBytes(spec), 0);
}

/** Counts the bytes of a value. */
export function specBytes({ shape, dtype }: TensorSpec): number {
  return shapeSize(shape) * DTYPES[dtype].bytes;
}

/** Requires values of the shape that a variable has. @throws RangeError for another shape, or another number of values. */
export function requireFit(
  name: string,
  existing: readonly number[] | undefined,
  shape: readonly number[],
  count: number,
): void {
  if (existing && existing.join() !== shape.join())
    throw new RangeError(`State.set: ${name} has shape [${existing}], got [${shape}]`);
  if (count !== shapeSize(shape))
    throw new RangeError(`State.set: ${name} expects ${shapeSize(shape)} values, got ${count}`);
}

/** Reports when the inputs of a run were copied into the engine, by `performance.now()`. */
export type OnFeed = (start: number, end: number) => void;

/** Says what a program may be turned into. */
export interface LowerAs {
  /** Of the matrix products; float32 when left out. */
  precision?: Precision;
  /** Which variables never change while the program is used: what follows from them alone may be computed once. */
  isFrozen?: IsFrozen;
}

export interface CompileOptions extends LowerAs {
  /** As it was recorded, op by op where the engine can: to compare networks number by number. */
  exact?: boolean;
}

/** A program, compiled over a state. Dispose it after use. */
export interface Compiled {
  /**
   * Runs it off the event loop. Inputs by name, copied; outputs by name, copies; variables are updated in place. Runs
   * follow one another in the order of their calls; inputs must not change before the results are there.
   * @throws RangeError when an input is missing.
   */
  run(inputs: Record<string, Values>, onFeed?: OnFeed): Promise<Record<string, Values>>;
  dispose(): void;
}

/**
 * Named float32 variables that live in the engine: parameters, optimizer moments, averages, a frozen teacher.
 * Compiled programs read and write them in place. Dispose it to free the memory.
 */
export interface State {
  names(): string[];
  has(name: string): boolean;
  /** The shape of a variable. @throws RangeError when there is none of that name. */
  shape(name: string): number[];
  /** Creates or overwrites a variable with a copy of `values`. A variable keeps the shape it was created with. */
  set(name: string, shape: readonly number[], values: Float32Array): void;
  /** A copy of a variable's current values. */
  read(name: string): Float32Array;
  /**
   * Frees the frozen variables that no compiled program reads, and what was prepared from frozen ones for programs that
   * are gone. A program that is compiled later finds only what is left: call it when all are compiled. On a processor what
   * variables were read into is given back to the system too.
   */
  trim(isFrozen: IsFrozen): void;
  dispose(): void;
}
