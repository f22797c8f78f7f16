import type { Program, ProgramNode, ValueRef } from '../trace/program.ts';
import { paired, permuted, type Numbers } from './arrays.ts';

/** Gives a parameter of the network by its name. */
export type ParamSource = (name: string) => Float32Array;

/** Computes what depends on parameters alone, one op after another; nothing is kept. */
export function evaluate(program: Program, { node: at }: ValueRef, params: ParamSource): Numbers {
  const node = program.nodes[at];
  const { shape } = node.outputs[0];
  if (node.op === 'Variable') return { shape, values: params(node.name!) };
  if (node.op === 'Constant') return { shape, values: Float32Array.from(node.values as Float32Array) };
  const rule = RULES[node.op];
  if (!rule) throw new Error(`evaluate: no rule for ${node.op}`);
  const inputs = node.inputs.map((ref) => evaluate(program, ref, params));
  return { shape, values: rule(inputs, node).values };
}

const RULES: Record<string, (inputs: Numbers[], node: ProgramNode) => Numbers> = {
  Reshape: ([x]) => x,
  Cast: ([x]) => x,
  Transpose: ([x, order]) => permuted(x, Array.from(order.values)),
  Add: ([a, b]) => paired(a, b, (a, b) => a + b),
  AddV2: ([a, b]) => paired(a, b, (a, b) => a + b),
  Sub: ([a, b]) => paired(a, b, (a, b) => a - b),
  Mul: ([a, b]) => paired(a, b, (a, b) => a * b),
  Rsqrt: ([x]) => ({ ...x, values: x.values.map((value) => 1 / Math.sqrt(value)) }),
};
