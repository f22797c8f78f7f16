import { shapeSize } from '../../../base/shape-size.ts';
import type { DType, Values } from '../../../runtime/dtypes.ts';
import { denseText, elementOf, listText, numberText, typeText, type Element, type Value } from './text.ts';

/** Says how products are computed where their operands are float32: exactly, or as TF32 where the device has it. */
export type ProductPrecision = 'HIGHEST' | 'DEFAULT';

type Spec = Pick<Value, 'shape' | 'dtype'>;

/** The starts of reductions. */
export const LOWEST = -Infinity;

/** Writes the body of one function, op by op. Every method adds lines and returns the value that they make. */
export class Writer {
  private readonly lines: string[] = [];
  private readonly constants = new Map<string, Value>();
  private count = 0;

  constructor(readonly precision: ProductPrecision) {}

  /** The function's text. */
  functionText(name: string, args: readonly string[], results: readonly Value[], attributes: readonly string[] = []) {
    const types = results.map(typeText);
    const given = types.map((type, index) => type + (attributes[index] ?? ''));
    const end = `  return ${results.map(({ name }) => name).join(', ')} : ${types.join(', ')}`;
    const head = `func.func ${name}(${args.join(', ')}) -> (${given.join(', ')}) {`;
    return [head, ...this.lines, ...(results.length > 0 ? [end] : ['  return']), '}'].join('\n');
  }

  /** A name that nothing has yet. */
  fresh(spec: Spec): Value {
    return { name: `%${this.count++}`, shape: spec.shape, dtype: spec.dtype };
  }

  line(text: string): void {
    this.lines.push(`  ${text}`);
  }

  /** An op with one result; `rest` follows its operands. */
  op(name: string, inputs: readonly Value[], out: Spec, rest = ''): Value {
    const value = this.fresh(out);
    const types = `(${inputs.map(typeText).join(', ')}) -> ${typeText(value)}`;
    this.line(`${value.name} = ${name} ${inputs.map((input) => input.name).join(', ')}${rest} : ${types}`);
    return value;
  }

  /** An op element by element, of operands of one shape. */
  each(name: string, inputs: readonly Value[], dtype: Element = inputs[0].dtype): Value {
    return this.op(`stablehlo.${name}`, inputs, { shape: inputs[0].shape, dtype });
  }

  /** The same number everywhere. */
  number(value: number, dtype: Element = 'float32', shape: readonly number[] = []): Value {
    const narrow = (dtype === 'bfloat16' || dtype === 'float16') && value !== 0 && Number.isFinite(value);
    if (narrow) return this.convert(this.number(value, 'float32', shape), dtype);
    return this.known(numberText(value, dtype), { shape, dtype });
  }

  /** A constant of a program. */
  values(values: Values, { shape, dtype }: { shape: readonly number[]; dtype: DType }): Value {
    return this.known(denseText(values, dtype), { shape, dtype: elementOf(dtype) });
  }

  private known(text: string, spec: Spec): Value {
    const key = `${text}:${typeText(spec)}`;
    const found = this.constants.get(key);
    if (found) return found;
    const value = this.fresh(spec);
    this.line(`${value.name} = stablehlo.constant dense<${text}> : ${typeText(value)}`);
    this.constants.set(key, value);
    return value;
  }

  /** `x` as a larger shape; axis i of `x` is axis axes[i] of it. */
  spread(x: Value, shape: readonly number[], axes: readonly number[]): Value {
    return this.op('stablehlo.broadcast_in_dim', [x], { shape, dtype: x.dtype }, `, dims = ${listText(axes)}`);
  }

  /** `x` as a larger shape, by NumPy's rules. */
  broadcast(x: Value, shape: readonly number[]): Value {
    if (String(x.shape) === String(shape)) return x;
    const shift = shape.length - x.shape.length;
    const kept = x.shape.map((_, axis) => axis).filter((axis) => x.shape[axis] !== 1 || shape[axis + shift] === 1);
    const thin = this.reshape(x, kept.map((axis) => x.shape[axis])); // prettier-ignore
    return this.spread(thin, shape, kept.map((axis) => axis + shift)); // prettier-ignore
  }

  /** An op of two operands that are broadcast to one shape. */
  binary(name: string, a: Value, b: Value): Value {
    const shape = broadcastShape(a.shape, b.shape);
    return this.each(name, [this.broadcast(a, shape), this.broadcast(b, shape)]);
  }

  compare(direction: string, a: Value, b: Value): Value {
    const shape = broadcastShape(a.shape, b.shape);
    const sides = [this.broadcast(a, shape), this.broadcast(b, shape)];
    return this.op(`stablehlo.compare ${direction},`, sides, { shape, dtype: 'bool' });
  }

  /** Of one shape after broadcasting. */
  select(test: Value, a: Value, b: Value): Value {
    const shape = broadcastShape(broadcastShape(test.shape, a.shape), b.shape);
    const all = [test, a, b].map((one) => this.broadcast(one, shape));
    return this.op('stablehlo.select', all, { shape, dtype: a.dtype });
  }

  convert(x: Value, dtype: Element): Value {
    return x.dtype === dtype ? x : this.op('stablehlo.convert', [x], { shape: x.shape, dtype });
  }

  reshape(x: Value, shape: readonly number[]): Value {
    return String(x.shape) === String(shape) ? x : this.op('stablehlo.reshape', [x], { shape, dtype: x.dtype });
  }

  transpose(x: Value, order: readonly number[]): Value {
    const shape = order.map((axis) => x.shape[axis]);
    return this.op('stablehlo.transpose', [x], { shape, dtype: x.dtype }, `, dims = ${listText(order)}`);
  }

  reverse(x: Value, axes: readonly number[]): Value {
    return this.op('stablehlo.reverse', [x], x, `, dims = ${listText(axes)}`);
  }

  slice(x: Value, begin: readonly number[], shape: readonly number[]): Value {
    if (String(x.shape) === String(shape)) return x;
    const ranges = begin.map((from, axis) => `${from}:${from + shape[axis]}`);
    return this.op('stablehlo.slice', [x], { shape, dtype: x.dtype }, ` ${listText(ranges)}`);
  }

  concat(inputs: readonly Value[], axis: number): Value {
    if (inputs.length === 1) return inputs[0];
    const side = inputs.reduce((sum, { shape }) => sum + shape[axis], 0);
    const shape = inputs[0].shape.map((old, at) => (at === axis ? side : old));
    return this.op('stablehlo.concatenate', inputs, { shape, dtype: inputs[0].dtype }, `, dim = ${axis}`);
  }

  iota(shape: readonly number[], axis: number, dtype: Element = 'int32'): Value {
    const value = this.fresh({ shape, dtype });
    this.line(`${value.name} = stablehlo.iota dim = ${axis} : ${typeText(value)}`);
    return value;
  }

  /** Reduces `axes` by an op of two operands. */
  reduce(x: Value, name: string, start: number, axes: readonly number[], keep = false): Value {
    if (axes.length === 0) return x;
    const init = this.number(start, x.dtype);
    const out = this.fresh({ shape: x.shape.filter((_, axis) => !axes.includes(axis)), dtype: x.dtype });
    const types = `(${typeText(x)}, ${typeText(init)}) -> ${typeText(out)}`;
    this.line(
      `${out.name} = stablehlo.reduce(${x.name} init: ${init.name}) applies stablehlo.${name} across dimensions = ${listText(axes)} : ${types}`,
    );
    return keep ? this.reshape(out, x.shape.map((side, axis) => (axes.includes(axis) ? 1 : side))) : out; // prettier-ignore
  }

  sum(x: Value, axes: readonly number[], keep = false): Value {
    return this.reduce(x, 'add', 0, axes, keep);
  }

  mean(x: Value, axes: readonly number[], keep = false): Value {
    const count = shapeSize(axes.map((axis) => x.shape[axis]));
    return this.binary('multiply', this.sum(x, axes, keep), this.number(1 / count, x.dtype));
  }

  /** The values themselves, computed before anything that uses the results, and not computed again for it. */
  barrier(inputs: readonly Value[]): Value[] {
    const outs = inputs.map((input) => this.fresh(input));
    const names = (values: readonly Value[]) => values.map(({ name }) => name).join(', ');
    this.line(`${names(outs)} = stablehlo.optimization_barrier ${names(inputs)} : ${inputs.map(typeText).join(', ')}`);
    return outs;
  }

  /** The parts of `x` along its axis 0 on the devices, as many as it can be parted into. */
  parted(x: Value, devices: number): Value {
    if (devices < 2 || x.shape.length === 0 || x.shape[0] % devices !== 0) return x;
    const sharding = shardingText(devices, x.shape.length, 0);
    return this.op('stablehlo.custom_call @Sharding(', [x], x, `) {mhlo.sharding = "${sharding}"}`);
  }
}

/** Writes as XLA does that `axis` lies in equal parts on the devices; null: each has the whole. */
export function shardingText(devices: number, rank: number, axis: number | null): string {
  if (axis === null) return '{replicated}';
  const sides = Array.from({ length: rank }, (_, at) => (at === axis ? devices : 1));
  return `{devices=[${sides.join(',')}]<=[${devices}]}`;
}

/** Computes the shape that two operands are broadcast to. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const side = (shape: readonly number[], axis: number) => shape[axis - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => (side(a, axis) === 1 ? side(b, axis) : side(a, axis)));
}
