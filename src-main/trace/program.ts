import type { Attr, DType, Values } from '../runtime/dtypes.ts';

/** A recorded computation as a plain value: it can be printed, hashed, rewritten, interpreted and compiled. */

export interface TensorSpec {
  shape: number[];
  dtype: DType;
}

/** Output `output` of node `node`. */
export interface ValueRef {
  node: number;
  output: number;
}

/**
 * One operation. `op` is TensorFlow's name, or one that is not TensorFlow's: `Input`
 * (fed each run), `Variable` (the state's value at the start of the run), `Constant`, `Call` (a program as one op),
 * `Cluster` (the same, compiled by XLA, see `engines/tensorflow/cluster.ts`) or a composite (`composites.ts`).
 */
export interface ProgramNode {
  op: string;
  attrs: Attr[];
  inputs: ValueRef[];
  outputs: TensorSpec[];
  /** The values of a `Constant`. */
  values?: Values | Uint8Array[];
  /** The name of an `Input` or `Variable`. */
  name?: string;
  /**
   * The program that a `Call` or `Cluster` computes: the node's inputs are its inputs, in order. It reads no variable.
   * A call's further inputs are only waited for.
   */
  body?: Program;
}

export interface Program {
  /** In an order in which each node comes after its inputs. */
  nodes: ProgramNode[];
  outputs: { name: string; value: ValueRef }[];
  /** State written when everything has been computed. */
  assigns: { variable: string; value: ValueRef }[];
}

/** Returns the specs of the named inputs, in order. */
export function inputsOf(program: Program): { name: string; spec: TensorSpec }[] {
  return named(program, 'Input');
}

/** Returns the specs of the variables that are read, in order. */
export function variablesOf(program: Program): { name: string; spec: TensorSpec }[] {
  return named(program, 'Variable');
}

function named(program: Program, op: string): { name: string; spec: TensorSpec }[] {
  return program.nodes
    .filter((node) => node.op === op)
    .map((node) => ({ name: node.name ?? '', spec: node.outputs[0] }));
}

/** Makes a node that stands for an input. */
export function inputNode(name: string, spec: TensorSpec): ProgramNode {
  return { op: 'Input', name, attrs: [], inputs: [], outputs: [spec] };
}
