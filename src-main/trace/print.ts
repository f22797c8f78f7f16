import { createHash } from 'node:crypto';
import { ATTR, dtypeOf, type Attr } from '../runtime/dtypes.ts';
import type { Program, ProgramNode, ValueRef } from './program.ts';

const SHORT: Record<string, string> = { float32: 'f32', bfloat16: 'bf16', float16: 'f16', int32: 'i32', uint8: 'u8' };

/**
 * Prints a program, one node a line: `%3:f32[2,4] = MatMul(%1, %2) transpose_b=true`. Types that TensorFlow infers are
 * left out. Equal programs print equally.
 */
export function print(program: Program): string {
  const lines = program.nodes.map((node, index) => `${results(node, index)} = ${operation(node)}`);
  const outputs = program.outputs.map(({ name, value }) => `return ${name} = ${reference(value)}`);
  const assigns = program.assigns.map(({ variable, value }) => `assign ${variable} = ${reference(value)}`);
  return [...lines, ...outputs, ...assigns].join('\n');
}

/** Computes the SHA-256 of a program, over its text and the values of its constants. */
export function hash(program: Program): string {
  const sha = createHash('sha256').update(print(program));
  for (const { values } of program.nodes) {
    if (Array.isArray(values)) for (const bytes of values) sha.update(bytes);
    else if (values) sha.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return sha.digest('hex');
}

function results(node: ProgramNode, index: number): string {
  return node.outputs
    .map(({ shape, dtype }, output) => {
      const name = node.outputs.length > 1 ? `%${index}.${output}` : `%${index}`;
      return `${name}:${SHORT[dtype] ?? dtype}[${shape.join(',')}]`;
    })
    .join(', ');
}

function operation(node: ProgramNode): string {
  if (node.op === 'Input' || node.op === 'Variable') return `${node.op} ${node.name}`;
  if (node.op === 'Constant') return `Constant ${constant(node)}`;
  if (node.body) {
    const body = print(node.body).replace(/^/gm, '    ');
    return `${node.op}(${node.inputs.map(reference).join(', ')}) {\n${body}\n}`;
  }
  const attrs = node.attrs.filter(({ name }) => !['T', 'N', 'Tidx', 'Tperm', 'Tshape', 'Index', 'Tdim'].includes(name));
  return [`${node.op}(${node.inputs.map(reference).join(', ')})`, ...attrs.map(attribute)].join(' ');
}

function constant({ values, outputs }: ProgramNode): string {
  const list = Array.from(values as ArrayLike<number>);
  const shown = list.length > 8 ? `${list.slice(0, 8).join(',')},… ${list.length} values` : list.join(',');
  return outputs[0].shape.length === 0 ? shown : `[${shown}]`;
}

function attribute({ name, type, value }: Attr): string {
  if (type === ATTR.type) return `${name}=${[value].flat().map((code) => dtypeOf(Number(code))).join(',')}`; // prettier-ignore
  return `${name}=${Array.isArray(value) ? `[${value.join(',')}]` : String(value)}`;
}

function reference({ node, output }: ValueRef): string {
  return output ? `%${node}.${output}` : `%${node}`;
}
