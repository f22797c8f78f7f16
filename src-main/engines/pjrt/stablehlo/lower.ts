import type { Values } from '../../../runtime/dtypes.ts';
import type { ModuleInput, ModuleOutput, StableHloModule } from '../../../runtime/pjrt/module.ts';
import { StillhouseError } from '../../../protocol/errors.ts';
import { reason } from '../../../protocol/reasons.ts';
import { batchAxis } from '../../../trace/batch-axis.ts';
import { narrowEnds, withPrecision, type Precision } from '../../../trace/narrow.ts';
import { inputsOf, type Program, type ProgramNode, type TensorSpec, type ValueRef } from '../../../trace/program.ts';
import { simplify } from '../../../trace/rewrite.ts';
import type { Site } from './lowering.ts';
import { LOWERINGS } from './ops.ts';
import { elementOf, typeText, type Value } from './text.ts';
import { shardingText, Writer, type ProductPrecision } from './writer.ts';

export interface ModuleOptions {
  precision: Precision;
  /** How many devices share each batch. */
  devices?: number;
}

/** Lowers a recorded program to StableHLO. @throws StillhouseError `engine.op` naming an op that has no lowering. */
export function toStableHlo(program: Program, { precision, devices = 1 }: ModuleOptions): StableHloModule {
  const products = precision === 'tf32' ? 'DEFAULT' : 'HIGHEST';
  return new ModuleWriter(typed(program, precision), products, devices).module();
}

/** The program in the types that it is computed in, and the bodies of its calls: one that many share is typed once. */
function typed(program: Program, precision: Precision): Program {
  const bodies = new Map<Program, Program>();
  const types = (one: Program): Program =>
    simplify(withPrecision(simplify(one), { precision, convolutions: true }, lowered));
  const lowered = (body: Program): Program => {
    const known = bodies.get(body) ?? narrowEnds(types(body));
    bodies.set(body, known);
    return known;
  };
  return types(program);
}

class ModuleWriter {
  private readonly functions: string[] = [];
  private readonly bodies = new Map<Program, string>();

  constructor(
    private readonly program: Program,
    private readonly products: ProductPrecision,
    private readonly devices: number,
  ) {}

  module(): StableHloModule {
    const { program, devices } = this;
    const assigned = new Map(program.assigns.map(({ variable }, index) => [variable, index]));
    const taken = [...nodesOf(program, 'Variable'), ...nodesOf(program, 'Input')];
    const inputs = taken.map((node) => this.input(node, assigned));
    const writer = new Writer(this.products);
    const given = [...program.assigns, ...program.outputs].map(({ value }) => value);
    const args = taken.map((node, index) => this.argument(node, index, inputs[index], assigned));
    const outputs = this.outputs();
    const results = this.body(writer, program, taken, given);
    const marks = outputs.map(({ shape, split }) => (devices > 1 ? ` {mhlo.sharding = "${shardingText(devices, shape.length, split)}"}` : '')); // prettier-ignore
    const main = writer.functionText('public @main', args, results, marks);
    const head = `module @program attributes {mhlo.num_partitions = ${devices} : i32, mhlo.num_replicas = 1 : i32} {`;
    return { mlir: [head, main, ...this.functions, '}', ''].join('\n'), replicas: devices, inputs, outputs };
  }

  private input(node: ProgramNode, assigned: Map<string, number>): ModuleInput {
    const [{ shape, dtype }] = node.outputs;
    const name = node.name!;
    const variable = node.op === 'Variable';
    const split = variable ? null : this.splitOf(name, node.outputs[0]);
    const own = shape.map((side, axis) => (axis === split ? side / this.devices : side));
    return { name, shape: own, dtype, variable, donated: variable && assigned.has(name), split };
  }

  /** Where an input is parted. One that cannot be parted equally goes to every device as a whole. */
  private splitOf(name: string, spec: TensorSpec): number | null {
    const axis = this.devices > 1 ? batchAxis(name, spec.shape.length) : null;
    return axis !== null && spec.shape[axis] % this.devices === 0 ? axis : null;
  }

  private argument(node: ProgramNode, index: number, input: ModuleInput, assigned: Map<string, number>): string {
    const [{ shape, dtype }] = node.outputs;
    const sharding = `mhlo.sharding = "${shardingText(this.devices, shape.length, input.split)}"`;
    const marks = [
      ...(input.donated ? [`tf.aliasing_output = ${assigned.get(input.name)} : i32`] : []),
      ...(this.devices > 1 ? [sharding] : []),
    ];
    const type = typeText({ shape, dtype: elementOf(dtype) });
    return `%arg${index}: ${type}${marks.length > 0 ? ` {${marks.join(', ')}}` : ''}`;
  }

  private outputs(): ModuleOutput[] {
    const { assigns, outputs } = this.program;
    const spec = ({ node, output }: ValueRef): TensorSpec => this.program.nodes[node].outputs[output];
    const written = assigns.map(({ variable, value }): ModuleOutput => ({ name: variable, ...spec(value), variable: true, split: null })); // prettier-ignore
    const read = outputs.map(({ name, value }): ModuleOutput => ({ name, ...spec(value), variable: false, split: null })); // prettier-ignore
    return [...written, ...read];
  }

  /** Writes what a program computes. @param taken the nodes that are arguments, in order */
  private body(writer: Writer, program: Program, taken: readonly ProgramNode[], given: readonly ValueRef[]): Value[] {
    const places = new Map(taken.map((node, index) => [node, index]));
    const values: Value[][] = [];
    const at = ({ node, output }: ValueRef): Value => values[node][output];
    for (const node of program.nodes) {
      const place = places.get(node);
      const spec = node.outputs.map(({ shape, dtype }) => ({ shape, dtype: elementOf(dtype) }));
      if (place !== undefined) values.push([{ name: `%arg${place}`, ...spec[0] }]);
      else if (node.op === 'Constant') values.push([writer.values(node.values as Values, node.outputs[0])]);
      else if (node.op === 'Call') values.push(this.call(writer, program, node, at));
      else values.push(this.lowered(writer, program, node, node.inputs.map(at)));
    }
    return given.map(at);
  }

  private lowered(writer: Writer, program: Program, node: ProgramNode, inputs: readonly Value[]): Value[] {
    const lowering = LOWERINGS[node.op];
    if (!lowering) throw withoutLowering(node.op);
    const found = [lowering(siteOf(writer, program, node), ...inputs)].flat();
    // What waits for the gradient narrow must not be replaced by what it was narrowed from.
    const kept = node.op === 'Identity' && found[0].dtype !== 'float32';
    if (kept) return writer.barrier(found);
    const moved = node.op === 'GatherV2' && this.devices > 1;
    return moved ? found.map((value) => writer.parted(value, this.devices)) : found;
  }

  /** A call of a body. What it waits for comes first: its inputs that are no parameters are held back until then. */
  private call(writer: Writer, program: Program, node: ProgramNode, at: (ref: ValueRef) => Value): Value[] {
    const body = node.body!;
    const count = inputsOf(body).length;
    const given = node.inputs.slice(0, count).map(at);
    const awaited = node.inputs.slice(count).map(at);
    const waits = node.inputs.slice(0, count).map((ref) => awaited.length > 0 && !isParameter(program, ref));
    const late = [...given.filter((_, index) => waits[index]), ...awaited];
    const held = late.length > 0 ? writer.barrier(late) : [];
    const inputs = given.map((value, index) => (waits[index] ? held[waits.slice(0, index).filter(Boolean).length] : value)); // prettier-ignore
    const results = node.outputs.map((spec) => ({ ...writer.fresh({ ...spec, dtype: elementOf(spec.dtype) }) }));
    const types = `(${inputs.map(typeText).join(', ')}) -> (${results.map(typeText).join(', ')})`;
    const names = results.map(({ name }) => name).join(', ');
    writer.line(`${names} = call ${this.functionOf(body)}(${inputs.map(({ name }) => name).join(', ')}) : ${types}`);
    return results;
  }

  /** The name of the function of a body, which is written when it is first called. */
  private functionOf(body: Program): string {
    const known = this.bodies.get(body);
    if (known) return known;
    const name = `@part${this.bodies.size}`;
    this.bodies.set(body, name);
    const writer = new Writer(this.products);
    const taken = nodesOf(body, 'Input');
    const results = this.body(writer, body, taken, body.outputs.map(({ value }) => value)); // prettier-ignore
    const args = taken.map(({ outputs: [{ shape, dtype }] }, index) => `%arg${index}: ${typeText({ shape, dtype: elementOf(dtype) })}`); // prettier-ignore
    this.functions.push(writer.functionText(`private ${name}`, args, results));
    return name;
  }
}

function nodesOf(program: Program, op: string): ProgramNode[] {
  return program.nodes.filter((node) => node.op === op);
}

/** Whether a value is a variable, as it is or converted. */
function isParameter(program: Program, { node }: ValueRef): boolean {
  const { op, inputs } = program.nodes[node];
  return op === 'Variable' || (op === 'Cast' && isParameter(program, inputs[0]));
}

function withoutLowering(op: string): StillhouseError {
  return new StillhouseError('engine.op', { op, reason: reason('engine.no-lowering') });
}

function siteOf(writer: Writer, program: Program, node: ProgramNode): Site {
  const find = (name: string) => node.attrs.find((attr) => attr.name === name)?.value;
  return {
    writer,
    node,
    outputs: node.outputs,
    attr: (name) => {
      const value = find(name);
      if (value === undefined) throw new RangeError(`${node.op}: it lacks the attribute ${name}`);
      return value;
    },
    is: (name) => find(name) === true,
    numbers: (index) => {
      const { op, values } = program.nodes[node.inputs[index].node];
      if (!values) throw new RangeError(`${node.op}: input ${index} is no constant but ${op}`);
      return Array.from(values as ArrayLike<number | bigint>, Number);
    },
  };
}
