import { DTYPES, sizeOf } from '../runtime/dtypes.ts';
import type { Program, ProgramNode, TensorSpec } from './program.ts';

/** Ops whose result is their first input's memory. */
const VIEWS = new Set(['Reshape', 'Saved', 'Variable', 'ExpandDims', 'Squeeze', 'Identity', 'IdentityN', 'AdamW']);

/**
 * The most that the values of one run of a lowered program need at a time, bytes, told from the program alone: a value
 * takes memory from where it is computed to its last use. Variables are not counted.
 * @param lanes how many calls run side by side
 */
export function footprint(program: Program, lanes: number): number {
  return peakOf(program, lanes, new Map());
}

function peakOf(program: Program, lanes: number, known: Map<Program, number>): number {
  const seen = known.get(program);
  if (seen !== undefined) return seen;
  const last = lastUses(program);
  const leaving = program.nodes.map((): number[] => []);
  last.forEach((end, node) => leaving[end]?.push(node));
  let live = 0;
  let peak = 0;
  program.nodes.forEach((node, index) => {
    live += ownBytes(node);
    const inside = node.op === 'Call' ? lanes * peakOf(node.body!, 1, known) : 0;
    peak = Math.max(peak, live + inside);
    for (const gone of leaving[index]) live -= ownBytes(program.nodes[gone]);
  });
  known.set(program, peak);
  return peak;
}

/** For each node the node after which its memory is free: its last user's, or that of a view of it. */
function lastUses(program: Program): number[] {
  const last = program.nodes.map((_, index) => index);
  const use = (node: number, at: number): void => {
    last[node] = Math.max(last[node], at);
  };
  for (const { value } of [...program.outputs, ...program.assigns]) use(value.node, program.nodes.length);
  for (let index = program.nodes.length - 1; index >= 0; index--) {
    const node = program.nodes[index];
    const end = VIEWS.has(node.op) ? last[index] : index;
    for (const ref of node.inputs) use(ref.node, end);
  }
  return last;
}

/** What a node adds: nothing for a view, an input of a call (its caller holds it) or a number. */
function ownBytes(node: ProgramNode): number {
  if (VIEWS.has(node.op) || node.op === 'Input') return 0;
  return node.outputs.reduce((sum, spec) => sum + bytesOf(spec), 0);
}

function bytesOf({ shape, dtype }: TensorSpec): number {
  return sizeOf(shape) * DTYPES[dtype].bytes;
}
