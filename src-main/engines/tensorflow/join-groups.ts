import { attr } from '../../trace/ops.ts';
import { rewrite, simplify } from '../../trace/rewrite.ts';
import type { Program, ProgramNode, ValueRef } from '../../trace/program.ts';
import { constant } from './nodes.ts';

/**
 * Joins the gradients of a convolution in groups, which are recorded group by group. oneDNN's ops take the whole with
 * its groups, as the forward op does; TensorFlow's own for processors do not.
 */
export function joinGroups(program: Program): Program {
  const joined = rewrite(program, (node, rewriter, inputs) => {
    const part = node.op === 'ConcatV2' ? groupOf(program, node) : null;
    if (!part) return rewriter.add({ ...node, inputs });
    const split = rewriter.nodes[inputs[0].node].inputs.map((ref) => rewriter.nodes[ref.node]);
    const whole = split.map((from, place): ValueRef => {
      return place === SIZE_OF[part.op]
        ? { node: rewriter.add(constant(node.outputs[0].shape)), output: 0 }
        : from.inputs[0];
    });
    return rewriter.add({ ...part, attrs: [...part.attrs, ONE_DNN], inputs: whole, outputs: node.outputs });
  });
  return simplify(joined);
}

/** Which input of a gradient says the size of the result. */
const SIZE_OF: Record<string, number> = { Conv2DBackpropInput: 0, Conv2DBackpropFilter: 1 };
/** TensorFlow chooses oneDNN's kernels by their op's name and this. */
const ONE_DNN = attr.text('_kernel', 'MklNameChangeOp');

/** Names the op by which TensorFlow computes a node: oneDNN's own where `joinGroups` marked it. */
export function nameOf({ op, attrs }: ProgramNode): string {
  return op in SIZE_OF && attrs.some(({ name }) => name === ONE_DNN.name) ? `_MklNative${op}` : op;
}

/** Finds the gradient of the first group where a node joins those of all groups along the channels; else null. */
function groupOf(program: Program, { inputs, outputs }: ProgramNode): ProgramNode | null {
  const parts = inputs.slice(0, -1).map(({ node }) => program.nodes[node]);
  const axis = Number(program.nodes[inputs[inputs.length - 1].node].values?.[0]);
  const [first] = parts;
  if (!(first.op in SIZE_OF) || axis !== outputs[0].shape.length - 1) return null;
  const isGroup = (part: ProgramNode, group: number): boolean =>
    part.op === first.op &&
    part.inputs.every(({ node, output }, place) => {
      if (node !== first.inputs[place].node) return false;
      const from = program.nodes[node];
      const isSplit = from.op === 'SplitV' && from.outputs.length === parts.length && output === group;
      return place === SIZE_OF[first.op] || isSplit;
    });
  return parts.every(isGroup) ? first : null;
}
