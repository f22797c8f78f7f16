import { ATTR, DTYPES, type Attr, type Values } from '../../runtime/dtypes.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { Graph } from '../../runtime/graph.ts';
import { GraphFunction } from '../../runtime/graph-function.ts';
import type { GraphOutput, Pointer } from '../../runtime/library.ts';
import { fromHandle, toHandle } from '../../runtime/tensors.ts';
import {
  inputsOf,
  variablesOf,
  type Program,
  type ProgramNode,
  type TensorSpec,
  type ValueRef,
} from '../../trace/program.ts';
import type { Split } from '../../trace/freeze.ts';
import { hash } from '../../trace/print.ts';
import { simplify } from '../../trace/rewrite.ts';
import type { Compiled, State } from '../engine.ts';
import { FirstRun } from './first-run.ts';
import { oneDnnConv } from './fuse-conv.ts';
import { nameOf } from './join-groups.ts';
import { SOURCES, VIEWS } from './nodes.ts';
import { TensorFlowState } from './state.ts';

/**
 * Compiles `program` over the variables of `state` that it names.
 * @throws RangeError when the state lacks a variable or an input is missing at a run; StillhouseError `engine.op`.
 */
export function compile(engine: TensorFlow, program: Program, state: State): Compiled {
  const inputs = inputsOf(program);
  const variables = variableNames(program);
  const own = ownState(state);
  const handles = variables.map((name) => own.handle(name));
  const bodies = new Bodies();
  const isParted = engine.lanes > 1 && program.nodes.some(({ op }) => op === 'Call');
  const compiled = build(engine, program, variables, bodies, { isParted, inOrder: !isParted });
  const letGo = own.use(variables);
  let runs = 0;
  return {
    run: async (values, onFeed) => {
      const begun = performance.now();
      const fed = inputs.map(({ name, spec }) => feed(engine, name, spec, values[name]));
      if (isParted) fed.push(toHandle(engine.tf, [], 'bool', Uint8Array.of(runs++ === 0 ? 1 : 0)));
      onFeed?.(begun, performance.now());
      try {
        const results = await compiled.run([...fed, ...handles]);
        return Object.fromEntries(program.outputs.map(({ name }, index) => [name, take(engine, results[index])]));
      } finally {
        for (const handle of fed) engine.tf.TFE_DeleteTensorHandle(handle);
      }
    },
    dispose: () => {
      letGo();
      compiled.dispose();
      for (const one of bodies.values()) one.dispose();
    },
  };
}

/** Compiles a program over what `prepare` computes, which is done here where `state` has it not yet. */
export async function compileFrozen(engine: TensorFlow, { program, prepare }: Split, state: State): Promise<Compiled> {
  const missing = prepare.assigns.filter(({ variable }) => !state.has(variable));
  for (let index = 0; index < missing.length; index += PREPARED_AT_ONCE) {
    await computeOnce(engine, { ...prepare, assigns: missing.slice(index, index + PREPARED_AT_ONCE) }, state);
  }
  return compile(engine, program, state);
}

/** Few at a time: what they are made from on the way needs memory too. */
const PREPARED_AT_ONCE = 16;

async function computeOnce(engine: TensorFlow, prepare: Program, state: State): Promise<void> {
  for (const { variable, value } of prepare.assigns) {
    ownState(state).prepare(variable, prepare.nodes[value.node].outputs[value.output]);
  }
  const compiled = compile(engine, simplify(prepare), state);
  try {
    await compiled.run({});
  } finally {
    compiled.dispose();
  }
}

function ownState(state: State): TensorFlowState {
  if (!(state instanceof TensorFlowState)) throw new TypeError('compile: the state is not of this engine');
  return state;
}

/** Variables read or written, reads first. */
function variableNames(program: Program): string[] {
  const names = new Set(variablesOf(program).map(({ name }) => name));
  for (const { variable } of program.assigns) names.add(variable);
  return [...names];
}

function feed(engine: TensorFlow, name: string, spec: TensorSpec, values: Values | undefined): Pointer {
  if (!values) throw new RangeError(`run: the input ${name} is missing`);
  return toHandle(engine.tf, spec.shape, spec.dtype, values);
}

function take(engine: TensorFlow, handle: Pointer): Values {
  try {
    return fromHandle(engine.tf, handle) as Values;
  } finally {
    engine.tf.TFE_DeleteTensorHandle(handle);
  }
}

const typeAttr = (name: string, spec: TensorSpec): Attr => ({ name, type: ATTR.type, value: DTYPES[spec.dtype].code });

/** Compiled bodies of calls and clusters by hash: equal ones are compiled once, and each is hashed once. */
class Bodies extends Map<string, GraphFunction> {
  private readonly hashes = new Map<Program, string>();

  keyOf(body: Program): string {
    const key = this.hashes.get(body) ?? hash(body);
    this.hashes.set(body, key);
    return key;
  }
}

/** A call of a body's function, after the inputs that it only waits for. */
function call(
  graph: Graph,
  engine: TensorFlow,
  node: ProgramNode,
  { bodies, firstRun, after }: { bodies: Bodies; firstRun: FirstRun | null; after: readonly Pointer[] },
  end: (ref: ValueRef) => GraphOutput,
): Pointer {
  const body = node.body!;
  const key = bodies.keyOf(body);
  const inline = node.op === 'Cluster';
  // XLA has an order of its own.
  if (!bodies.has(key)) bodies.set(key, build(engine, body, [], bodies, { inline, inOrder: !inline }));
  const takes = inputsOf(body);
  const given = node.inputs.map(end);
  const codes = (specs: TensorSpec[]) => specs.map(({ dtype }) => DTYPES[dtype].code);
  const attrs: Attr[] = [
    { name: 'Tin', type: ATTR.type, value: codes(takes.map(({ spec }) => spec)) },
    { name: 'Tout', type: ATTR.type, value: codes(node.outputs) },
    { name: 'f', type: ATTR.func, value: bodies.get(key)!.name },
  ];
  if (inline) attrs.push({ name: '_XlaMustCompile', type: ATTR.bool, value: true });
  const gates = node.op === 'Call' ? firstRun?.before(key) : [];
  const awaited = new Set([...given.slice(takes.length).map(({ oper }) => oper), ...(gates ?? []), ...after]);
  const oper = graph.add('PartitionedCall', attrs, given.slice(0, takes.length), [...awaited]);
  if (node.op === 'Call') firstRun?.lead(key, oper);
  return oper;
}

/**
 * The graph function of a program: arguments are its inputs, then whether it runs for the first time where lanes
 * call its parts, then a resource for each variable. Its ops begin in order but for {@link LOOSE}, where that is asked.
 */
function build(
  engine: TensorFlow,
  program: Program,
  variables: string[],
  bodies: Bodies,
  { isParted = false, inOrder, ...options }: { inline?: boolean; isParted?: boolean; inOrder: boolean },
): GraphFunction {
  const graph = new Graph(engine.tf);
  try {
    const fed: GraphOutput[] = [];
    const firstRun = isParted ? new FirstRun(graph) : null;
    const resources = new Map(variables.map((name) => [name, { oper: resourcePlaceholder(graph), index: 0 }]));
    const opers = new Array<Pointer>(program.nodes.length);
    const end = ({ node, output }: ValueRef): GraphOutput => ({ oper: opers[node], index: output });
    const inPlace: Pointer[] = [];
    const begun: Pointer[] = [];
    program.nodes.forEach((node, index) => {
      if (node.op === 'AdamW') {
        const earlier = placesBack(inPlace, AT_ONCE);
        inPlace.push(applyAdamw(graph, program, index, { resources, earlier }, end));
        return;
      }
      const waits = inOrder && !SOURCES.has(node.op) && !VIEWS.has(node.op);
      const after = waits ? placesBack(begun, LOOSE) : [];
      opers[index] = node.body
        ? call(graph, engine, node, { bodies, firstRun, after }, end)
        : addNode(graph, node, { resources, after }, end);
      if (waits) begun.push(opers[index]);
      if (node.op === 'Input') fed.push({ oper: opers[index], index: 0 });
    });
    const plain = program.assigns.filter(({ value }) => program.nodes[value.node].op !== 'AdamW');
    const writes = plain.map(({ variable, value }) => {
      const spec = program.nodes[value.node].outputs[value.output];
      return graph.add('AssignVariableOp', [typeAttr('dtype', spec)], [resources.get(variable)!, end(value)]);
    });
    const outputs = program.outputs.map(({ value }) => end(value));
    const takes = [...fed, ...(firstRun ? [firstRun.isFirst] : []), ...resources.values()];
    return new GraphFunction(engine, graph, takes, outputs, [...writes, ...inPlace], options);
  } finally {
    graph.dispose();
  }
}

/**
 * How far ops may run ahead of the order in which they were recorded: each begins after the one so many places before.
 * Without that TensorFlow puts gradients of parameters off, and what they wait for fills memory (docs/engine.md).
 */
const LOOSE = 8;

/** Parameters that are updated side by side: the new values of others wait until these have taken the place of the old. */
const AT_ONCE = 4;

/** The operation so many places before the next one; none where there are fewer. */
function placesBack(operations: readonly Pointer[], places: number): Pointer[] {
  return operations.length < places ? [] : [operations[operations.length - places]];
}

/**
 * AdamW on the variables themselves: TensorFlow's fused kernel, after the decay. Its outputs exist only as the new
 * values of the variables that it read.
 */
function applyAdamw(
  graph: Graph,
  program: Program,
  index: number,
  { resources, earlier }: { resources: Map<string, GraphOutput>; earlier: readonly Pointer[] },
  end: (ref: ValueRef) => GraphOutput,
): Pointer {
  const node = program.nodes[index];
  const read = node.inputs.slice(0, 3).map((ref) => program.nodes[ref.node].name!);
  const written = program.assigns.filter(({ value }) => value.node === index);
  const fits = written.length === 3 && written.every(({ variable, value }) => read[value.output] === variable);
  if (!fits) throw new RangeError('compile: AdamW must write the variables that it reads, and nothing else may use it');
  const [param, mean, square] = read.map((name) => resources.get(name)!);
  const [value, , , gradient, lr, power1, power2, beta1, beta2, epsilon, decay] = node.inputs.map(end);
  const float: Attr = { name: 'T', type: ATTR.type, value: DTYPES.float32.code };
  const before = [value.oper];
  if (!isOne(program.nodes[node.inputs[10].node])) {
    const dtype: Attr = { name: 'dtype', type: ATTR.type, value: DTYPES.float32.code };
    const scaled = graph.add('Mul', [float], [value, decay], earlier);
    before.push(graph.add('AssignVariableOp', [dtype], [param, { oper: scaled, index: 0 }]));
  }
  const inputs = [param, mean, square, power1, power2, lr, beta1, beta2, epsilon, gradient];
  return graph.add('ResourceApplyAdam', [float], inputs, before);
}

function isOne(node: ProgramNode): boolean {
  return node.values?.length === 1 && node.values[0] === 1;
}

function resourcePlaceholder(graph: Graph): Pointer {
  return graph.add('Placeholder', [{ name: 'dtype', type: ATTR.type, value: DTYPES.resource.code }], []);
}

function addNode(
  graph: Graph,
  node: ProgramNode,
  { resources, after }: { resources: Map<string, GraphOutput>; after: readonly Pointer[] },
  end: (ref: ValueRef) => GraphOutput,
): Pointer {
  const spec = node.outputs[0];
  switch (node.op) {
    case 'Input':
      return graph.add(
        'Placeholder',
        [typeAttr('dtype', spec), { name: 'shape', type: ATTR.shape, value: spec.shape }],
        [],
      );
    case 'Variable': {
      const read = graph.add('ReadVariableOp', [typeAttr('dtype', spec)], [resources.get(node.name!)!]);
      const shape: Attr = { name: 'shape', type: ATTR.shape, value: spec.shape };
      return graph.add('EnsureShape', [typeAttr('T', spec), shape], [{ oper: read, index: 0 }]);
    }
    case 'Constant':
      return graph.constant(spec.shape, spec.dtype, node.values!);
    case 'Saved':
      return graph.add('Identity', [typeAttr('T', spec)], node.inputs.map(end));
    case 'FusedConv': {
      const { op, attrs } = oneDnnConv(node);
      return graph.add(op, attrs, node.inputs.map(end), after);
    }
    default:
      return graph.add(nameOf(node), node.attrs, node.inputs.map(end), after);
  }
}
