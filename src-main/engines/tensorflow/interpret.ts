import type { Attr, Values } from '../../runtime/dtypes.ts';
import { execute } from '../../runtime/eager.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Pointer } from '../../runtime/library.ts';
import { fromHandle, toHandle } from '../../runtime/tensors.ts';
import { COMPOSITES } from '../../trace/composites.ts';
import { inputsOf, type Program, type ProgramNode, type ValueRef } from '../../trace/program.ts';
import type { State } from '../engine.ts';

/**
 * Runs a program op by op: slow, and the reference for the compiled form. Unlike that, it leaves the state alone and
 * returns the values to assign.
 */
export function interpret(
  engine: TensorFlow,
  program: Program,
  state: State,
  inputs: Record<string, Values>,
): { outputs: Record<string, Values>; assigns: Record<string, Values> } {
  const results: Pointer[][] = [];
  const owned: Pointer[] = [];
  const keep = (handles: Pointer[]) => {
    owned.push(...handles);
    return handles;
  };
  try {
    for (const node of program.nodes) results.push(keep(runNode(engine, node, state, inputs, results, keep)));
    const read = ({ node, output }: ValueRef) => fromHandle(engine.tf, results[node][output]) as Values;
    return {
      outputs: Object.fromEntries(program.outputs.map(({ name, value }) => [name, read(value)])),
      assigns: Object.fromEntries(program.assigns.map(({ variable, value }) => [variable, read(value)])),
    };
  } finally {
    for (const handle of new Set(owned)) engine.tf.TFE_DeleteTensorHandle(handle);
  }
}

function runNode(
  engine: TensorFlow,
  node: ProgramNode,
  state: State,
  inputs: Record<string, Values>,
  results: Pointer[][],
  keep: (handles: Pointer[]) => Pointer[],
): Pointer[] {
  const { shape, dtype } = node.outputs[0];
  const args = node.inputs.map(({ node, output }) => results[node][output]);
  const run = (op: string, attrs: Attr[], inputs: Pointer[], count: number) =>
    execute(engine.tf, engine.context, op, attrs, inputs, count);
  switch (node.op) {
    case 'Input':
      return [toHandle(engine.tf, shape, dtype, inputs[node.name!])];
    case 'Variable':
      return [toHandle(engine.tf, shape, dtype, state.read(node.name!))];
    case 'Constant':
      return [toHandle(engine.tf, shape, dtype, node.values!)];
  }
  if (node.body) {
    const { body, outputs } = node;
    const names = inputsOf(body).map(({ name }) => name);
    const values = Object.fromEntries(args.map((arg, index) => [names[index], fromHandle(engine.tf, arg) as Values]));
    const results = interpret(engine, body, state, values).outputs;
    return outputs.map(({ shape, dtype }, index) =>
      toHandle(engine.tf, shape, dtype, results[body.outputs[index].name]),
    );
  }
  const composite = COMPOSITES[node.op];
  if (!composite) return run(node.op, node.attrs, args, node.outputs.length);
  return composite.expand((op, attrs, inputs) => keep(run(op, attrs, inputs, 1))[0], args, node.attrs);
}
