import { shapeSize } from '../../base/shape-size.ts';
import { DTYPES } from '../../runtime/dtypes.ts';
import type { Program, ProgramNode, TensorSpec, ValueRef } from '../../trace/program.ts';

/** Ops whose result is their first input's memory. */
const VIEWS = new Set(['Reshape', 'Saved', 'Variable', 'ExpandDims', 'Squeeze', 'Identity', 'IdentityN', 'AdamW']);

/**
 * Computes the most bytes that the values of one run of a lowered program need at a time, from the program alone. A
 * value takes memory from its computation to its last use. Variables are not counted.
 * @param lanes how many calls run side by side
 */
export function footprint(program: Program, lanes: number): number {
  return peakOf(program, lanes, new Map());
}

function peakOf(program: Program, lanes: number, known: Map<Program, number>): number {
  const seen = known.get(program);
  if (seen !== undefined) return seen;
  const leaving = program.nodes.map(() => 0);
  lastUses(program).forEach((ends, node) => {
    ends.forEach((end, output) => {
      if (end < leaving.length) leaving[end] += ownBytes(program.nodes[node], output);
    });
  });
  let live = 0;
  let peak = 0;
  program.nodes.forEach((node, index) => {
    live += node.outputs.reduce((sum, _, output) => sum + ownBytes(node, output), 0);
    const inside = node.op === 'Call' ? lanes * peakOf(node.body!, 1, known) : 0;
    peak = Math.max(peak, live + inside);
    live -= leaving[index];
  });
  known.set(program, peak);
  return peak;
}

/** For each output of each node the node after which its memory is free: its last user's, or that of a view of it. */
function lastUses(program: Program): number[][] {
  const last = program.nodes.map(({ outputs }, index) => outputs.map(() => index));
  const use = ({ node, output }: ValueRef, at: number): void => {
    last[node][output] = Math.max(last[node][output], at);
  };
  for (const { value } of [...program.outputs, ...program.assigns]) use(value, program.nodes.length);
  for (let index = program.nodes.length - 1; index >= 0; index--) {
    const node = program.nodes[index];
    const end = VIEWS.has(node.op) ? Math.max(...last[index]) : index;
    for (const ref of node.inputs) use(ref, end);
  }
  return last;
}

/** Counts the bytes that an output adds: nothing for a view, an input of a call (its caller holds it) or a number. */
function ownBytes(node: ProgramNode, output: number): number {
  return VIEWS.has(node.op) || node.op === 'Input' ? 0 : bytesOf(node.outputs[output]);
}

/** Counts the bytes of what a program prepares. */
export function preparedBytes({ nodes, assigns }: Program): number {
  return assigns.reduce((sum, { value }) => sum + bytesOf(nodes[value.node].outputs[value.output]), 0);
}

function bytesOf({ shape, dtype }: TensorSpec): number {
  return shapeSize(shape) * DTYPES[dtype].bytes;
}
