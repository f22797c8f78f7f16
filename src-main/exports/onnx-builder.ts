import { shapeSize } from '../base/shape-size.ts';
import { MOST_HALF, toHalf } from '../formats/half.ts';
import { Message, type LateBytes } from '../formats/protobuf-writer.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { bytesOf, known } from './arrays.ts';
import type { Weight } from './graph.ts';

/** Field numbers are those of onnx.proto; types those of its TensorProto.DataType. */
export const ONNX_TYPES = { float32: 1, uint8: 2, int64: 7, float16: 10 } as const;
const [FLOAT, INT, INTS] = [1, 2, 7];

type OnnxAttr = { int: number } | { ints: readonly number[] } | { float: number };
export type OnnxAttrs = Record<string, OnnxAttr>;

interface Initializer {
  name: string;
  shape: readonly number[];
  type: number;
  bytes: LateBytes;
}

/** Gathers nodes and initializers of an ONNX graph, and names what nodes make. */
export class OnnxBuilder {
  private readonly nodes: Message[] = [];
  private readonly initializers = new Map<string, Initializer>();
  private readonly names = new Set<string>();

  /** @param half numbers are halves, until it is set to false. */
  constructor(public half: boolean) {}

  /**
   * Adds a node.
   * @param name of the node; its first output has the same one
   * @param outputs how many there are; the others are called `name:1`, `name:2`, …
   * @returns the name of its first output
   */
  op(type: string, inputs: string[], attrs: OnnxAttrs = {}, name = type, outputs = 1): string {
    const own = this.freshName(name);
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    for (let at = 0; at < outputs; at++) node.text(2, at === 0 ? own : `${own}:${at}`);
    node.text(3, own).text(4, type);
    for (const [key, value] of Object.entries(attrs)) node.message(5, attrMessage(key, value));
    this.nodes.push(node);
    return own;
  }

  /** Adds a weight under its name, or finds it. @throws StillhouseError `export.half` for a number beyond the halves. */
  weight({ name, shape, values }: Weight): string {
    if (!this.half) return this.initializer({ name, shape, type: ONNX_TYPES.float32, bytes: floats(shape, values) });
    const read = () => bytesOf(toHalf(withinHalf(name, values())));
    return this.initializer({ name, shape, type: ONNX_TYPES.float16, bytes: { size: 2 * shapeSize(shape), read } });
  }

  /** A weight of float32 also in a graph of halves. */
  float({ name, shape, values }: Weight): string {
    return this.initializer({ name, shape, type: ONNX_TYPES.float32, bytes: floats(shape, values) });
  }

  /** A number of the graph's type. */
  number(value: number): string {
    return this.weight({ name: `number.${value}`, shape: [], values: () => Float32Array.of(value) });
  }

  /** Whole numbers, as shapes and axes are. */
  integers(values: readonly number[], shape = [values.length]): string {
    const name = `integers.${shape.length}.${values.join('_')}`;
    const bytes = known(bytesOf(BigInt64Array.from(values, BigInt)));
    return this.initializer({ name, shape, type: ONNX_TYPES.int64, bytes });
  }

  initializer(given: Initializer): string {
    if (!this.initializers.has(given.name)) this.initializers.set(given.name, given);
    return given.name;
  }

  /** Bytes of all initializers. */
  weightBytes(): number {
    return [...this.initializers.values()].reduce((sum, { bytes }) => sum + bytes.size, 0);
  }

  /** Writes nodes and initializers into a GraphProto. @returns what lies in `external`, in its order. */
  write(graph: Message, name: string, external: string | null): LateBytes[] {
    for (const node of this.nodes) graph.message(1, node);
    graph.text(2, name);
    const outside: LateBytes[] = [];
    let offset = 0;
    for (const { name, shape, type, bytes } of this.initializers.values()) {
      const tensor = new Message().packed(1, shape).integer(2, type).text(8, name);
      if (external === null || bytes.size < LEAST_EXTERNAL) tensor.bytes(9, bytes);
      else {
        for (const [key, value] of [
          ['location', external],
          ['offset', String(offset)],
          ['length', String(bytes.size)],
        ] as const)
          // prettier-ignore
          tensor.message(13, new Message().text(1, key).text(2, value));
        tensor.integer(14, 1);
        outside.push(bytes);
        offset += bytes.size;
      }
      graph.message(5, tensor);
    }
    return outside;
  }

  private freshName(name: string): string {
    let fresh = name;
    for (let at = 1; this.names.has(fresh); at++) fresh = `${name}_${at}`;
    this.names.add(fresh);
    return fresh;
  }
}

/** Smaller ones stay in the file, where shapes are found. */
const LEAST_EXTERNAL = 1024;

function floats(shape: readonly number[], values: () => Float32Array): LateBytes {
  return { size: 4 * shapeSize(shape), read: () => bytesOf(values()) };
}

/** Returns numbers that halves hold. @throws StillhouseError `export.half` for one beyond them. */
export function withinHalf(name: string, values: Float32Array): Float32Array {
  const beyond = values.find((value) => !(Math.abs(value) <= MOST_HALF));
  if (beyond !== undefined) throw new StillhouseError('export.half', { name, value: beyond, most: MOST_HALF });
  return values;
}

function attrMessage(key: string, value: OnnxAttr): Message {
  const attr = new Message().text(1, key);
  if ('float' in value) return attr.float(2, value.float).integer(20, FLOAT);
  if ('int' in value) return attr.integer(3, value.int).integer(20, INT);
  for (const one of value.ints) attr.integer(8, one);
  return attr.integer(20, INTS);
}
