import { ATTR, DTYPES, type Attr, type Values } from '../runtime/dtypes.ts';
import type { Engine } from '../runtime/engine.ts';
import { Graph } from '../runtime/graph.ts';
import { GraphFunction } from '../runtime/graph-function.ts';
import type { GraphOutput, Pointer } from '../runtime/library.ts';
import { fromHandle, toHandle } from '../runtime/tensors.ts';
import { inputsOf, variablesOf, type Program, type ProgramNode, type TensorSpec, type ValueRef } from './program.ts';
import type { State } from './state.ts';

export interface CompileOptions {
  /** Compile with XLA as a whole. */
  xla?: boolean;
}

/** A program as one TensorFlow function over a state. Dispose it after use. */
export interface Compiled {
  /** Runs it on a worker thread. Inputs by name, copied; outputs by name, copies; variables are updated in place. */
  run(inputs: Record<string, Values>): Promise<Record<string, Values>>;
  dispose(): void;
}

/**
 * Compiles `program` over the variables of `state` that it names.
 * @throws RangeError when the state lacks a variable or an input is missing at a run; StillhouseError `engine.op`.
 */
export function compile(engine: Engine, program: Program, state: State, options: CompileOptions = {}): Compiled {
  const inputs = inputsOf(program);
  const variables = variableNames(program);
  const handles = variables.map((name) => state.handle(name));
  const compiled = build(engine, program, variables, options.xla ?? false);
  return {
    run: async (values) => {
      const fed = inputs.map(({ name, spec }) => feed(engine, name, spec, values[name]));
      try {
        const results = await compiled.run([...fed, ...handles]);
        return Object.fromEntries(program.outputs.map(({ name }, index) => [name, take(engine, results[index])]));
      } finally {
        for (const handle of fed) engine.tf.TFE_DeleteTensorHandle(handle);
      }
    },
    dispose: () => compiled.dispose(),
  };
}

/** Variables read or written, reads first. */
function variableNames(program: Program): string[] {
  const names = new Set(variablesOf(program).map(({ name }) => name));
  for (const { variable } of program.assigns) names.add(variable);
  return [...names];
}

function feed(engine: Engine, name: string, spec: TensorSpec, values: Values | undefined): Pointer {
  if (!values) throw new RangeError(`run: the input ${name} is missing`);
  return toHandle(engine.tf, spec.shape, spec.dtype, values);
}

function take(engine: Engine, handle: Pointer): Values {
  try {
    return fromHandle(engine.tf, handle) as Values;
  } finally {
    engine.tf.TFE_DeleteTensorHandle(handle);
  }
}

const typeAttr = (name: string, spec: TensorSpec): Attr => ({ name, type: ATTR.type, value: DTYPES[spec.dtype].code });

/** The graph function of a program: arguments are its inputs, then a resource for each variable. */
function build(engine: Engine, program: Program, variables: string[], xla: boolean): GraphFunction {
  const graph = new Graph(engine.tf);
  try {
    const fed: GraphOutput[] = [];
    const resources = new Map(variables.map((name) => [name, { oper: resourcePlaceholder(graph), index: 0 }]));
    const opers = new Array<Pointer>(program.nodes.length);
    const end = ({ node, output }: ValueRef): GraphOutput => ({ oper: opers[node], index: output });
    program.nodes.forEach((node, index) => {
      opers[index] = addNode(graph, node, resources, end);
      if (node.op === 'Input') fed.push({ oper: opers[index], index: 0 });
    });
    const writes = program.assigns.map(({ variable, value }) => {
      const spec = program.nodes[value.node].outputs[value.output];
      return graph.add('AssignVariableOp', [typeAttr('dtype', spec)], [resources.get(variable)!, end(value)]);
    });
    const outputs = program.outputs.map(({ value }) => end(value));
    return new GraphFunction(engine, graph, [...fed, ...resources.values()], outputs, writes, xla);
  } finally {
    graph.dispose();
  }
}

function resourcePlaceholder(graph: Graph): Pointer {
  return graph.add('Placeholder', [{ name: 'dtype', type: ATTR.type, value: DTYPES.resource.code }], []);
}

function addNode(
  graph: Graph,
  node: ProgramNode,
  resources: Map<string, GraphOutput>,
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
    default:
      return graph.add(node.op, node.attrs, node.inputs.map(end));
  }
}
