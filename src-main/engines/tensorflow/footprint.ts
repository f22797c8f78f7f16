import type { IsFrozen, Split } from '../../trace/freeze.ts';
import { hasFlag } from '../../trace/ops.ts';
import type { Program, ProgramNode, ValueRef } from '../../trace/program.ts';
import { specBytes, variableBytes } from '../engine.ts';
import { VIEWS } from './nodes.ts';

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
  return VIEWS.has(node.op) || node.op === 'Input' ? 0 : specBytes(node.outputs[output]);
}

/**
 * Counts the bytes of frozen variables that a program reads, prepared or as they are, and of kernels that oneDNN keeps in
 * its own order beside them. Those that only `prepare` reads are freed (`State.trim`).
 */
export function frozenBytes({ program, prepare }: Split, isFrozen: IsFrozen = () => false): number {
  const prepared = new Set(prepare.assigns.map(({ variable }) => variable));
  return variableBytes(program, (name) => prepared.has(name) || isFrozen(name)) + orderedBytes(program, new Set());
}

/** Counts the kernels of convolutions that are marked constant; the body of several calls has them once. */
function orderedBytes({ nodes }: Program, seen: Set<Program>): number {
  return nodes.reduce((sum, { op, attrs, inputs, body }) => {
    const isNew = body !== undefined && !seen.has(body);
    if (isNew) seen.add(body);
    const constant = op === 'FusedConv' && hasFlag({ attrs }, 'is_filter_const');
    const own = constant ? specBytes(nodes[inputs[1].node].outputs[inputs[1].output]) : 0;
    return sum + own + (isNew ? orderedBytes(body, seen) : 0);
  }, 0);
}
