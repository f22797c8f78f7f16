import { createHash } from 'node:crypto';
import { inputNode, inputsOf, type Program, type ProgramNode, type ValueRef } from './program.ts';
import { Rewriter } from './rewrite.ts';

/**
 * What a program computes from frozen variables alone is the same in each run: the kernel of a convolution with the batch
 * norm after it in it, in the layout and type that its op takes. It is computed once, into variables of its own.
 */

/** Tells whether a variable never changes while a program is used. */
export type IsFrozen = (variable: string) => boolean;

/** Begins the names of what was computed from frozen variables; the rest of a name says from which, and how. */
const FROZEN = 'frozen.';

/** Marks the nodes that follow from frozen variables and constants alone. Constants by themselves are not marked. */
export function frozenNodes(
  program: Program,
  isFrozen: IsFrozen,
  isFrozenInput = (input: string) => input.startsWith(FROZEN),
): boolean[] {
  const marks: boolean[] = [];
  program.nodes.forEach((node, index) => {
    const from = node.inputs.filter(({ node: at }) => program.nodes[at].op !== 'Constant');
    if (node.op === 'Variable') marks[index] = isFrozen(node.name!) || node.name!.startsWith(FROZEN);
    else if (node.op === 'Input') marks[index] = isFrozenInput(node.name!);
    else marks[index] = from.length > 0 && !node.body && from.every(({ node: at }) => marks[at]);
  });
  return marks;
}

/**
 * Moves what the bodies of calls compute from frozen variables alone to the program that calls them, where it is
 * computed once for all calls.
 */
export function raiseFrozen(program: Program, isFrozen: IsFrozen): Program {
  const frozen = frozenNodes(program, isFrozen);
  const identity = identities(program);
  const rewriter = new Rewriter();
  const moved: number[] = [];
  const at = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  const known = new Map<Program, Map<string, Raised>>();
  program.nodes.forEach((node, index) => {
    const inputs = node.inputs.map(at);
    if (node.op !== 'Call') moved[index] = rewriter.add({ ...node, inputs });
    else {
      const still = node.inputs.map((ref) => (frozen[ref.node] ? `${identity[ref.node]}.${ref.output}` : null));
      const raised = raisedOf(known, node.body!, still);
      moved[index] = addCall(rewriter, { ...node, inputs }, raised);
    }
  });
  return rewriter.finish(program, at);
}

/** A body without what is computed outside of it. */
interface Raised {
  body: Program;
  /** What it takes, in order: an input of the whole body, by its place, or a value that `outer` computes. */
  takes: ({ place: number } | { outer: ValueRef })[];
  /** The whole body. */
  outer: Program;
}

function raisedOf(known: Map<Program, Map<string, Raised>>, body: Program, still: (string | null)[]): Raised {
  const ofBody = known.get(body) ?? new Map<string, Raised>();
  known.set(body, ofBody);
  const raised = ofBody.get(still.join()) ?? raise(body, still);
  ofBody.set(still.join(), raised);
  return raised;
}

/** @param still the identity of each input that is frozen, null for others */
function raise(body: Program, still: (string | null)[]): Raised {
  const places = new Map(inputsOf(body).map(({ name }, place) => [name, place]));
  const isStill = (name: string) => still[places.get(name)!] !== null;
  const frozen = frozenNodes(body, isStill, isStill);
  const identity = identities(body, (name) => still[places.get(name)!]);
  const border = borderOf(body, frozen);
  const rewriter = new Rewriter();
  const moved = new Map<string, ValueRef>();
  const key = ({ node, output }: ValueRef) => `${node}.${output}`;
  const at = (ref: ValueRef): ValueRef => moved.get(key(ref))!;
  const takes: Raised['takes'] = [];
  body.nodes.forEach((node, index) => {
    if (!frozen[index]) {
      if (node.op === 'Input') takes.push({ place: places.get(node.name!)! });
      const own = rewriter.add({ ...node, inputs: node.inputs.map(at) });
      node.outputs.forEach((_, output) => moved.set(key({ node: index, output }), { node: own, output }));
      return;
    }
    for (const ref of border.filter(({ node: from }) => from === index)) {
      takes.push({ outer: ref });
      const input = rewriter.add(inputNode(nameOf(identity, ref), node.outputs[ref.output]));
      moved.set(key(ref), { node: input, output: 0 });
    }
  });
  return { body: rewriter.finish(body, at), takes, outer: body };
}

function addCall(rewriter: Rewriter, node: ProgramNode, { body, takes, outer }: Raised): number {
  const inputs = new Map(inputsOf(outer).map(({ name }, place) => [name, node.inputs[place]]));
  const placed = new Map<number, ValueRef>();
  const place = ({ node: from, output }: ValueRef): ValueRef => {
    const one = outer.nodes[from];
    if (one.op === 'Input') return inputs.get(one.name!)!;
    const known = placed.get(from) ?? { node: rewriter.add({ ...one, inputs: one.inputs.map(place) }), output: 0 };
    placed.set(from, known);
    return { node: known.node, output };
  };
  const given = takes.map((take) => ('place' in take ? node.inputs[take.place] : place(take.outer)));
  const awaited = node.inputs.slice(inputs.size);
  return rewriter.add({ ...node, inputs: [...given, ...awaited], body });
}

/** A program in two: `prepare` computes what follows from frozen variables into variables, `program` reads these. */
export interface Split {
  program: Program;
  prepare: Program;
}

/** Takes out of a program what follows from frozen variables alone. */
export function splitFrozen(program: Program, isFrozen: IsFrozen): Split {
  const frozen = frozenNodes(program, isFrozen);
  const identity = identities(program);
  const border = borderOf(program, frozen).filter(({ node }) => program.nodes[node].op !== 'Variable');
  const taken = new Map(border.map((ref) => [`${ref.node}.${ref.output}`, ref]));
  const rewriter = new Rewriter();
  const moved: number[] = [];
  const at = (ref: ValueRef): ValueRef => {
    if (!taken.has(`${ref.node}.${ref.output}`)) return { node: moved[ref.node], output: ref.output };
    const spec = program.nodes[ref.node].outputs[ref.output];
    const name = nameOf(identity, ref);
    return { node: rewriter.add({ op: 'Variable', name, attrs: [], inputs: [], outputs: [spec] }), output: 0 };
  };
  program.nodes.forEach((node, index) => {
    if (!frozen[index] || node.op === 'Variable') moved[index] = rewriter.add({ ...node, inputs: node.inputs.map(at) });
  });
  const assigns = border.map((value) => ({ variable: nameOf(identity, value), value }));
  return { program: rewriter.finish(program, at), prepare: onlyFrozen(program, frozen, assigns) };
}

/** The frozen nodes of a program and the constants that they may use. */
function onlyFrozen(program: Program, frozen: boolean[], assigns: Program['assigns']): Program {
  const rewriter = new Rewriter();
  const moved: number[] = [];
  const at = ({ node, output }: ValueRef): ValueRef => ({ node: moved[node], output });
  program.nodes.forEach((node, index) => {
    if (frozen[index] || node.op === 'Constant') moved[index] = rewriter.add({ ...node, inputs: node.inputs.map(at) });
  });
  return rewriter.finish({ nodes: [], outputs: [], assigns }, at);
}

/** Lists the values of frozen nodes that others need. */
function borderOf(program: Program, frozen: boolean[]): ValueRef[] {
  const border = new Map<string, ValueRef>();
  const need = (ref: ValueRef) => frozen[ref.node] && border.set(`${ref.node}.${ref.output}`, ref);
  program.nodes.forEach((node, index) => {
    if (!frozen[index]) node.inputs.forEach(need);
  });
  for (const { value } of [...program.outputs, ...program.assigns]) need(value);
  return [...border.values()];
}

/**
 * Describes each node by a hash of how it is computed: equal ones hold equal values.
 * @param known the identity of an input by its name, where it is known
 */
function identities(program: Program, known: (name: string) => string | null = () => null): string[] {
  const identity: string[] = [];
  program.nodes.forEach((node, index) => {
    const given = node.name === undefined ? null : known(node.name);
    identity[index] = given ?? identityOf(node, index, identity);
  });
  return identity;
}

function identityOf(node: ProgramNode, index: number, identity: string[]): string {
  if (node.body) return `call ${index}`;
  const attrs = node.attrs.map(({ name, value }) => `${name}=${String(value)}`);
  const inputs = node.inputs.map(({ node: from, output }) => `${identity[from]}.${output}`);
  const types = node.outputs.map(({ shape, dtype }) => `${dtype}[${shape}]`);
  const sha = createHash('sha256').update([node.op, node.name ?? '', ...attrs, ...inputs, ...types].join('|'));
  if (Array.isArray(node.values)) for (const bytes of node.values) sha.update(bytes);
  else if (node.values) sha.update(new Uint8Array(node.values.buffer, node.values.byteOffset, node.values.byteLength));
  return sha.digest('hex').slice(0, 24);
}

function nameOf(identity: string[], { node, output }: ValueRef): string {
  return `${FROZEN}${identity[node]}${output ? `.${output}` : ''}`;
}
