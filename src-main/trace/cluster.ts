import { sizeOf } from '../runtime/dtypes.ts';
import { inputNode, type Program, type ProgramNode, type ValueRef } from './program.ts';

/**
 * Groups neighbouring element-wise work into clusters: one node whose body is a program of its own, which XLA compiles
 * into few loops over memory. Matrix products stay outside, where oneDNN runs them.
 */

/** What XLA fuses well on a CPU. Everything else stays an op of TensorFlow. */
const FUSIBLE = new Set([
  ...['Add', 'AddV2', 'Sub', 'Mul', 'RealDiv', 'Div', 'Neg', 'Square', 'Sqrt', 'Rsqrt', 'Exp', 'Log', 'Erf', 'Floor'],
  ...['Maximum', 'Minimum', 'Relu', 'Relu6', 'Sigmoid', 'Tanh', 'Cast', 'MulNoNan', 'Select', 'SelectV2', 'AddN'],
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'BiasAdd'],
  ...['Sum', 'Mean', 'Max', 'Reshape', 'Transpose', 'Unpack', 'Pack', 'Slice', 'ZerosLike', 'ExpandDims', 'Squeeze'],
]);

/** Clusters whose largest result has fewer numbers are not worth a call, nor the time XLA takes to compile them. */
const SMALLEST = 65536;

/** The program with its element-wise parts gathered into `Cluster` nodes. */
export function cluster(program: Program, smallest = SMALLEST): Program {
  const group = groups(program);
  const members = new Map<number, number[]>();
  group.forEach((id, index) => {
    if (id >= 0) members.set(id, [...(members.get(id) ?? []), index]);
  });
  const users = usersOf(program);
  const clusters = new Map<number, Draft>();
  for (const [id, nodes] of members) {
    const draft = gather(program, nodes, users);
    if (draft && draft.outputs.some((ref) => sizeOf(program.nodes[ref.node].outputs[ref.output].shape) >= smallest)) {
      clusters.set(id, draft);
    }
  }
  return assemble(program, group, clusters);
}

/** A cluster before it has a place: its nodes, the values it takes and those it gives. */
interface Draft {
  nodes: number[];
  inputs: ValueRef[];
  outputs: ValueRef[];
}

const same = (a: ValueRef, b: ValueRef) => a.node === b.node && a.output === b.output;

/**
 * A group for each fusible node, −1 for others. Nodes are joined along edges when equally many barriers (nodes that
 * cannot be fused) lie on the longest way to them: no way out of such a group leads back in.
 */
function groups(program: Program): number[] {
  const depth: number[] = [];
  const group: number[] = [];
  const find = (id: number): number => (group[id] === id ? id : find(group[id]));
  program.nodes.forEach((node, index) => {
    const fusible = FUSIBLE.has(node.op);
    const deepest = node.inputs.reduce((most, ref) => Math.max(most, depth[ref.node]), 0);
    const source = node.op === 'Input' || node.op === 'Variable' || node.op === 'Constant';
    depth[index] = source || fusible ? deepest : deepest + 1;
    group[index] = fusible ? index : -1;
    if (!fusible) return;
    for (const ref of node.inputs) {
      if (group[ref.node] >= 0 && depth[ref.node] === depth[index]) group[find(ref.node)] = find(index);
    }
  });
  return group.map((id) => (id < 0 ? -1 : find(id)));
}

function usersOf(program: Program): Map<number, number[]> {
  const users = new Map<number, number[]>();
  program.nodes.forEach((node, index) => {
    for (const ref of node.inputs) users.set(ref.node, [...(users.get(ref.node) ?? []), index]);
  });
  return users;
}

/** null for a group that only moves or renames values: TensorFlow does that as well. */
function gather(program: Program, nodes: number[], users: Map<number, number[]>): Draft | null {
  const inside = new Set(nodes);
  const inputs: ValueRef[] = [];
  const outputs: ValueRef[] = [];
  for (const index of nodes) {
    for (const ref of program.nodes[index].inputs) {
      const outside = !inside.has(ref.node) && program.nodes[ref.node].op !== 'Constant';
      if (outside && !inputs.some((one) => same(one, ref))) inputs.push(ref);
    }
    program.nodes[index].outputs.forEach((_, output) => {
      const ref = { node: index, output };
      const used = (users.get(index) ?? []).some(
        (user) => !inside.has(user) && program.nodes[user].inputs.some((one) => same(one, ref)),
      );
      const returned = [...program.outputs, ...program.assigns].some(({ value }) => same(value, ref));
      if (used || returned) outputs.push(ref);
    });
  }
  const work = nodes.filter((index) => !MOVES_ONLY.has(program.nodes[index].op)).length;
  return work > 0 && nodes.length > 1 ? { nodes, inputs, outputs } : null;
}

const MOVES_ONLY = new Set(['Reshape', 'Transpose', 'Unpack', 'Pack', 'Slice', 'Squeeze', 'ExpandDims', 'ZerosLike']);

/** Writes the new program in an order in which each node follows its inputs. */
function assemble(program: Program, group: number[], clusters: Map<number, Draft>): Program {
  const nodes: ProgramNode[] = [];
  const moved = new Map<string, ValueRef>();
  const key = ({ node, output }: ValueRef) => `${node}.${output}`;
  const place = (ref: ValueRef): ValueRef => {
    const known = moved.get(key(ref));
    if (known) return known;
    const draft = clusters.get(group[ref.node]);
    if (draft) emitCluster(draft);
    else emitNode(ref.node);
    return moved.get(key(ref))!;
  };
  const emitNode = (index: number) => {
    const node = program.nodes[index];
    const inputs = node.inputs.map(place);
    nodes.push({ ...node, inputs });
    node.outputs.forEach((_, output) => moved.set(key({ node: index, output }), { node: nodes.length - 1, output }));
  };
  const emitCluster = (draft: Draft) => {
    const inputs = draft.inputs.map(place);
    const outputs = draft.outputs.map((ref) => program.nodes[ref.node].outputs[ref.output]);
    nodes.push({ op: 'Cluster', attrs: [], inputs, outputs, body: bodyOf(program, draft) });
    draft.outputs.forEach((ref, output) => moved.set(key(ref), { node: nodes.length - 1, output }));
  };
  program.nodes.forEach((node, index) => {
    if (group[index] < 0 || !clusters.has(group[index])) place({ node: index, output: 0 });
    else if (node.op === 'Input') emitNode(index);
  });
  const outputs = program.outputs.map(({ name, value }) => ({ name, value: place(value) }));
  const assigns = program.assigns.map(({ variable, value }) => ({ variable, value: place(value) }));
  return { nodes, outputs, assigns };
}

/** The cluster as a program: its inputs are named by number, so that equal clusters of a deep network are equal. */
function bodyOf(program: Program, draft: Draft): Program {
  const nodes: ProgramNode[] = draft.inputs.map((ref, index) =>
    inputNode(String(index), program.nodes[ref.node].outputs[ref.output]),
  );
  const moved = new Map<number, number>();
  const place = (ref: ValueRef): ValueRef => {
    const input = draft.inputs.findIndex((one) => same(one, ref));
    if (input >= 0) return { node: input, output: 0 };
    if (!moved.has(ref.node)) {
      nodes.push(program.nodes[ref.node]); // a constant
      moved.set(ref.node, nodes.length - 1);
    }
    return { node: moved.get(ref.node)!, output: ref.output };
  };
  for (const index of draft.nodes) {
    const node = program.nodes[index];
    const inputs = node.inputs.map(place);
    nodes.push({ ...node, inputs });
    moved.set(index, nodes.length - 1);
  }
  return {
    nodes,
    outputs: draft.outputs.map((ref, index) => ({ name: String(index), value: place(ref) })),
    assigns: [],
  };
}
