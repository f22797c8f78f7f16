import type { Program, ProgramNode, TensorSpec, ValueRef } from './program.ts';

/** Builds a program from another, node by node: the frame of every pass. */
export class Rewriter {
  readonly nodes: ProgramNode[] = [];
  private readonly seen = new Map<string, number>();

  /** Adds a node; one that computes the same as an earlier one is that one (effects do not exist in programs). */
  add(node: ProgramNode): number {
    const key = keyOf(node);
    const known = key === null ? undefined : this.seen.get(key);
    if (known !== undefined) return known;
    this.nodes.push(node);
    if (key !== null) this.seen.set(key, this.nodes.length - 1);
    return this.nodes.length - 1;
  }

  spec({ node, output }: ValueRef): TensorSpec {
    return this.nodes[node].outputs[output];
  }

  /** The finished program; `map` says where the old values are now. */
  finish(program: Program, map: (ref: ValueRef) => ValueRef): Program {
    return {
      nodes: this.nodes,
      outputs: program.outputs.map(({ name, value }) => ({ name, value: map(value) })),
      assigns: program.assigns.map(({ variable, value }) => ({ variable, value: map(value) })),
    };
  }
}

const LARGEST_COMPARED = 64;

function keyOf(node: ProgramNode): string | null {
  if (node.op === 'AdamW' || node.body) return null;
  if (Array.isArray(node.values) || (node.values && node.values.length > LARGEST_COMPARED)) return null;
  const values = node.values ? Array.from(node.values as ArrayLike<number>, String).join() : '';
  const attrs = node.attrs.map(({ name, value }) => `${name}=${String(value)}`).join(';');
  const inputs = node.inputs.map((ref) => `${ref.node}.${ref.output}`).join();
  const types = node.outputs.map(({ shape, dtype }) => `${dtype}[${shape}]`).join();
  return [node.op, node.name ?? '', inputs, attrs, types, values].join('|');
}

/** Finds the nodes that outputs and assignments need. */
export function needed(program: Program): boolean[] {
  const marks = new Array<boolean>(program.nodes.length).fill(false);
  for (const { value } of [...program.outputs, ...program.assigns]) marks[value.node] = true;
  for (let index = program.nodes.length - 1; index >= 0; index--) {
    if (marks[index]) for (const { node } of program.nodes[index].inputs) marks[node] = true;
  }
  return marks;
}

/** Copies a program node by node; `change` adds what stands for a node and says where it is. */
export function rewrite(
  program: Program,
  change: (node: ProgramNode, rewriter: Rewriter, inputs: ValueRef[], index: number) => number,
): Program {
  const rewriter = new Rewriter();
  const moved: number[] = [];
  const map = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  program.nodes.forEach((node, index) => moved.push(change(node, rewriter, node.inputs.map(map), index)));
  return rewriter.finish(program, map);
}

/**
 * Drops what nothing needs and conversions to the type that a value has, and computes equal things once. Inputs and
 * variables stay.
 */
export function simplify(program: Program): Program {
  const marks = needed(program);
  const rewriter = new Rewriter();
  const moved = new Array<number>(program.nodes.length);
  /** What a conversion to its own type is. */
  const unchanged = new Map<number, ValueRef>();
  const map = ({ node, output }: ValueRef): ValueRef => unchanged.get(node) ?? { node: moved[node], output };
  program.nodes.forEach((node, index) => {
    if (!marks[index] && node.op !== 'Input') return;
    const inputs = node.inputs.map(map);
    if (node.op === 'Cast' && rewriter.spec(inputs[0]).dtype === node.outputs[0].dtype) unchanged.set(index, inputs[0]);
    else moved[index] = rewriter.add({ ...node, inputs });
  });
  return rewriter.finish(program, map);
}
