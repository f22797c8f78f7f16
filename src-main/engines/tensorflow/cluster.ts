import { shapeSize } from '../../base/shape-size.ts';
import { DTYPES } from '../../runtime/dtypes.ts';
import { KEPT } from '../../trace/narrow.ts';
import { inputNode, type Program, type ProgramNode, type ValueRef } from '../../trace/program.ts';
import { SOURCES } from './nodes.ts';

/**
 * Groups neighbouring element-wise work into clusters: one node whose body is a program of its own, which XLA compiles
 * into few loops over memory. Matrix products stay outside, where oneDNN runs them.
 */

/** Operations that XLA fuses well on a CPU. Everything else stays an op of TensorFlow. */
const FUSIBLE = new Set([
  ...['Add', 'AddV2', 'Sub', 'Mul', 'RealDiv', 'Div', 'Neg', 'Square', 'Sqrt', 'Rsqrt', 'Exp', 'Log', 'Erf', 'Floor'],
  ...['Maximum', 'Minimum', 'Relu', 'Relu6', 'Sigmoid', 'Tanh', 'Cast', 'MulNoNan', 'Select', 'SelectV2', 'AddN'],
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'BiasAdd'],
  ...['Sum', 'Mean', 'Max', 'Reshape', 'Transpose', 'Unpack', 'Pack', 'Slice', 'ZerosLike', 'ExpandDims', 'Squeeze'],
]);

/** Clusters whose largest result has fewer numbers are not worth a call, nor the time XLA takes to compile them. */
const SMALLEST = 65536;

/** Gathers the element-wise parts of a program into `Cluster` nodes. */
export function cluster(unclustered: Program, smallest = SMALLEST): Program {
  const program = widenAtUse(unclustered);
  const users = usersOf(program);
  const group = groups(program, users);
  const members = new Map<number, number[]>();
  group.forEach((id, index) => {
    if (id >= 0) members.set(id, [...(members.get(id) ?? []), index]);
  });
  const clusters = new Map<number, Draft>();
  for (const [id, nodes] of members) {
    const draft = gather(program, nodes, users);
    if (
      draft &&
      draft.outputs.some((ref) => shapeSize(program.nodes[ref.node].outputs[ref.output].shape) >= smallest)
    ) {
      clusters.set(id, draft);
    }
  }
  return assemble(program, group, clusters);
}

/** Whether a node only widens a value, as bfloat16 to float32. */
function widens(program: Program, node: ProgramNode): boolean {
  if (node.op !== 'Cast') return false;
  const { node: from, output } = node.inputs[0];
  return DTYPES[program.nodes[from].outputs[output].dtype].bytes < DTYPES[node.outputs[0].dtype].bytes;
}

/** Gives every user of a widened value a widening of its own: what waits for its use waits narrow. */
function widenAtUse(program: Program): Program {
  const nodes: ProgramNode[] = [];
  const moved: number[] = [];
  const place = ({ node, output }: ValueRef): ValueRef => {
    const source = program.nodes[node];
    if (!widens(program, source)) return { node: moved[node], output };
    nodes.push({ ...source, inputs: source.inputs.map(place) });
    return { node: nodes.length - 1, output };
  };
  program.nodes.forEach((node, index) => {
    if (widens(program, node)) return;
    const inputs = node.inputs.map(place);
    nodes.push({ ...node, inputs });
    moved[index] = nodes.length - 1;
  });
  const outputs = program.outputs.map(({ name, value }) => ({ name, value: place(value) }));
  const assigns = program.assigns.map(({ variable, value }) => ({ variable, value: place(value) }));
  return { nodes, outputs, assigns };
}

/** A cluster before it has a place: its nodes, the values it takes and those it gives. */
interface Draft {
  nodes: number[];
  inputs: ValueRef[];
  outputs: ValueRef[];
}

const same = (a: ValueRef, b: ValueRef) => a.node === b.node && a.output === b.output;

/**
 * A group for each fusible node, −1 for others. Nodes of one level are joined along edges: no way out of such a group
 * leads back in, for levels only grow along a way. A widening joins its user.
 */
function groups(program: Program, users: Users): number[] {
  const level = levels(program, users);
  const isApart = viewsOfOutputs(program, level, users);
  const group = program.nodes.map(({ op }, index) => (FUSIBLE.has(op) && !isApart(index) ? index : -1));
  const find = (id: number): number => (group[id] === id ? id : find(group[id]));
  program.nodes.forEach((node, index) => {
    if (group[index] < 0 || widens(program, node)) return;
    const join = (from: number): void => {
      if (group[from] >= 0) group[find(from)] = find(index);
    };
    for (const { node: from } of node.inputs) {
      const widening = widens(program, program.nodes[from]);
      const source = widening ? program.nodes[from].inputs[0].node : from;
      if (widening) join(from);
      if (level[source] === level[index]) join(source);
    }
  });
  return group.map((id) => (id < 0 ? -1 : find(id)));
}

/**
 * Finds reshapings for barriers alone of what others need too: outside of a cluster they are views of its result, inside
 * they would be a second one.
 */
function viewsOfOutputs(program: Program, level: readonly number[], users: Users): (index: number) => boolean {
  return (index) => {
    const { op, inputs } = program.nodes[index];
    if (op !== 'Reshape') return false;
    const source = inputs[0].node;
    const isOutside = (user: number): boolean => !FUSIBLE.has(program.nodes[user].op);
    const isNeeded = (users.get(source) ?? []).some((user) => isOutside(user) || level[user] !== level[source]);
    return isNeeded && (users.get(index) ?? []).every(isOutside);
  };
}

/**
 * How many barriers (nodes that cannot be fused) lie on the longest way to each node; for what is computed from kept
 * values alone as many as on the way to its first user.
 */
function levels(program: Program, users: Users): number[] {
  const level: number[] = [];
  const late: boolean[] = [];
  program.nodes.forEach(({ op, inputs }, index) => {
    const barrier = !FUSIBLE.has(op) && !SOURCES.has(op);
    level[index] = inputs.reduce((most, { node }) => Math.max(most, level[node]), 0) + (barrier ? 1 : 0);
    late[index] = op === KEPT || op === 'Constant' || (FUSIBLE.has(op) && inputs.every(({ node }) => late[node]));
  });
  for (let index = program.nodes.length - 1; index >= 0; index--) {
    if (!late[index] || !FUSIBLE.has(program.nodes[index].op)) continue;
    const before = (user: number) => level[user] - (FUSIBLE.has(program.nodes[user].op) ? 0 : 1);
    const latest = Math.min(...(users.get(index) ?? []).map(before));
    if (Number.isFinite(latest)) level[index] = Math.max(level[index], latest);
  }
  return level;
}

/** For each node that has users, these. */
type Users = ReadonlyMap<number, readonly number[]>;

function usersOf(program: Program): Users {
  const users = new Map<number, number[]>();
  program.nodes.forEach((node, index) => {
    for (const ref of node.inputs) users.set(ref.node, [...(users.get(ref.node) ?? []), index]);
  });
  return users;
}

/**
 * null for a group that only moves and converts values, or does so around one sum or transposition: TensorFlow does that
 * as well, and on all cores, while a cluster runs on one.
 */
function gather(program: Program, nodes: number[], users: Users): Draft | null {
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
  const ops = nodes.map((index) => program.nodes[index].op).filter((op) => !MOVES_ONLY.has(op));
  const work = ops.filter((op) => op !== 'Cast').length;
  const isAcross = nodes.some((index) => ACROSS.has(program.nodes[index].op));
  return work > (isAcross ? 1 : 0) && ops.length > 1 ? { nodes, inputs, outputs } : null;
}

/** Ops whose results come from other places than their own, in loops that XLA writes slowly. */
const ACROSS = new Set(['Sum', 'Mean', 'Max', 'Transpose']);
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
