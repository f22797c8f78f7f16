import { attr } from '../../../src-main/trace/ops.ts';
import { inputNode, type Program, type ProgramNode, type ValueRef } from '../../../src-main/trace/program.ts';
import type { DType, Values } from '../../../src-main/runtime/dtypes.ts';

/** Programs written by hand, node by node. */
export class Hand {
  readonly nodes: ProgramNode[] = [];

  add(op: string, inputs: ValueRef[], shape: number[], more: Partial<ProgramNode> & { dtype?: DType } = {}): ValueRef {
    const { dtype = 'float32', ...rest } = more;
    this.nodes.push({ op, attrs: [], inputs, outputs: [{ shape, dtype }], ...rest });
    return { node: this.nodes.length - 1, output: 0 };
  }

  input(name: string, shape: number[], dtype: DType = 'float32'): ValueRef {
    this.nodes.push(inputNode(name, { shape, dtype }));
    return { node: this.nodes.length - 1, output: 0 };
  }

  constant(values: Values, shape = [values.length], dtype: DType = 'int32'): ValueRef {
    return this.add('Constant', [], shape, { values, dtype });
  }

  cast(value: ValueRef, dtype: DType): ValueRef {
    return this.add('Cast', [value], this.nodes[value.node].outputs[value.output].shape, { dtype });
  }

  product(a: ValueRef, b: ValueRef, shape: number[]): ValueRef {
    const attrs = [attr.bool('transpose_a', false), attr.bool('transpose_b', false), attr.type('T', 'float32')];
    return this.add('MatMul', [a, b], shape, { attrs });
  }

  program(...outputs: ValueRef[]): Program {
    return { nodes: this.nodes, outputs: outputs.map((value, at) => ({ name: `out${at}`, value })), assigns: [] };
  }
}

/** What a program computes, without the nodes that hold its inputs. */
export const ops = ({ nodes }: Program): string[] =>
  nodes.filter(({ op }) => !['Input', 'Variable', 'Constant'].includes(op)).map(({ op }) => op);
