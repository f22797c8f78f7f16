import type { GraphScope, GraphSketch, SketchNode } from './graph-sketch.ts';
import { ProtoReader, type ProtoField } from './protobuf-reader.ts';
import type { ByteSource } from './source.ts';
import type { TensorInterface } from './tensor-interface.ts';
import { reason } from '../protocol/reasons.ts';

/** Facts that an ONNX file states about itself; its weights are not read. Field numbers are those of onnx.proto. */
export interface OnnxHeader {
  /** Name of the graph, '' where it has none. */
  name: string;
  inputs: TensorInterface[];
  outputs: TensorInterface[];
  /** Texts that whoever exported it put there. */
  metadata: Record<string, string>;
  sketch: GraphSketch;
}

const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 };

/** TensorProto.DataType. */
const TYPES: Record<number, string> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  16: 'bfloat16',
};

/**
 * Reads inputs, outputs, metadata and operations of an ONNX model; its weights are skipped.
 * @throws StillhouseError `teacher.format` when it is no ONNX model, or damaged.
 */
export function readOnnxHeader(source: ByteSource, path: string): OnnxHeader {
  const reader = new ProtoReader(source, path);
  const metadata: Record<string, string> = {};
  let graph: ReturnType<typeof readGraph> | null = null;
  for (const field of reader.whole()) {
    if (field.number === MODEL.graph) graph = readGraph(reader, field);
    if (field.number === MODEL.metadata) {
      const [key, value] = texts(reader, field, [1, 2]);
      metadata[key] = value;
    }
  }
  if (!graph) throw reader.bad(reason('onnx.no-graph'));
  return { ...graph, metadata };
}

function readGraph(reader: ProtoReader, graph: ProtoField): Omit<OnnxHeader, 'metadata'> {
  const [inputs, outputs]: TensorInterface[][] = [[], []];
  const weights = new Set<string>();
  const main: GraphScope = { makers: new Map(), nodes: [], args: [], returns: [] };
  const add = (node: SketchNode): void => {
    main.nodes.push(node);
    for (const output of node.outputs) main.makers.set(output, node);
  };
  let name = '';
  for (const field of reader.fields(graph)) {
    if (field.number === GRAPH.node) add(readNode(reader, field));
    else if (field.number === GRAPH.name) name = reader.text(field);
    else if (field.number === GRAPH.initializer) {
      const weight = readTensor(reader, field);
      weights.add(weight.outputs[0]);
      add(weight);
    } else if (field.number === GRAPH.input) inputs.push(readValue(reader, field));
    else if (field.number === GRAPH.output) outputs.push(readValue(reader, field));
  }
  if (main.nodes.every(({ op }) => op === 'Constant')) throw reader.bad(reason('onnx.empty-graph'));
  // Old files list their weights among the inputs.
  const sketch: GraphSketch = { main, functions: new Map() };
  return { name, inputs: inputs.filter((input) => !weights.has(input.name)), outputs, sketch };
}

/** NodeProto: input 1, output 2, op type 4, attribute 5; of a constant, its tensor. */
function readNode(reader: ProtoReader, message: ProtoField): SketchNode {
  const node: SketchNode = { op: '', inputs: [], outputs: [], calls: null, value: null };
  for (const field of reader.fields(message)) {
    if (field.number === 1) node.inputs.push({ name: reader.text(field), index: 0 });
    if (field.number === 2) node.outputs.push(reader.text(field));
    if (field.number === 4) node.op = reader.text(field);
    // AttributeProto: a float is its field 2, a tensor its field 5.
    if (field.number !== 5) continue;
    for (const part of reader.fields(field)) {
      if (part.number === 5) node.value = readTensor(reader, part).value;
      if (part.number === 2 && !part.isBytes) node.value = numbersOf(reader.bytes(part, 4), FLOAT32);
    }
  }
  return node;
}

const FLOAT32 = 1;
const FLOAT64 = 11;

/** TensorProto: dimensions 1, type 2, floats 4, name 8, raw bytes 9, doubles 10; as a constant, with its numbers where they are few. */
function readTensor(reader: ProtoReader, message: ProtoField): SketchNode {
  let [name, type, value]: [string, number, number[] | null] = ['', 0, null];
  let raw: ProtoField | null = null;
  for (const field of reader.fields(message)) {
    if (field.number === 2) type = field.value;
    if (field.number === 8) name = reader.text(field);
    if (field.number === 9) raw = field;
    if (field.number === 4 || field.number === 10) {
      const [kind, size] = field.number === 4 ? [FLOAT32, 4] : [FLOAT64, 8];
      if (field.isBytes && field.length > MOST_CONSTANT) continue;
      value = [...(value ?? []), ...(numbersOf(reader.bytes(field, size), kind) ?? [])].slice(0, MOST_CONSTANT);
    }
  }
  if (raw && raw.length <= MOST_CONSTANT) value = numbersOf(reader.bytes(raw), type);
  return { op: 'Constant', inputs: [], outputs: [name], calls: null, value };
}

/** Bytes of a constant that is read: one number for each of a few channels. */
const MOST_CONSTANT = 128;

/** Little-endian numbers; null where they are no float32 or float64. */
function numbersOf(bytes: Uint8Array, type: number): number[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = type === FLOAT32 ? 4 : type === FLOAT64 ? 8 : 0;
  if (size === 0 || bytes.length % size !== 0) return null;
  return Array.from({ length: bytes.length / size }, (_, at) =>
    size === 4 ? view.getFloat32(4 * at, true) : view.getFloat64(8 * at, true),
  );
}

/** Texts of a message by field number, '' where one is missing. */
function texts(reader: ProtoReader, message: ProtoField, numbers: number[]): string[] {
  const found = numbers.map(() => '');
  for (const field of reader.fields(message)) {
    const place = numbers.indexOf(field.number);
    if (place >= 0) found[place] = reader.text(field);
  }
  return found;
}

/** ValueInfoProto: name 1, type 2 → tensor type 1 → element type 1, shape 2. */
function readValue(reader: ProtoReader, value: ProtoField): TensorInterface {
  const read: TensorInterface = { name: '', dtype: 'no tensor', shape: null };
  for (const field of reader.fields(value)) {
    if (field.number === 1) read.name = reader.text(field);
    if (field.number !== 2) continue;
    for (const type of reader.fields(field)) {
      if (type.number !== 1) continue;
      for (const part of reader.fields(type)) {
        if (part.number === 1) read.dtype = TYPES[part.value] ?? `type ${part.value}`;
        if (part.number === 2) read.shape = [...reader.fields(part)].map((side) => readSide(reader, side));
      }
    }
  }
  return read;
}

/** A dimension: its length 1, or a name 2, which says that any length will do. */
function readSide(reader: ProtoReader, side: ProtoField): number | null {
  for (const field of reader.fields(side)) if (field.number === 1 && field.value > 0) return field.value;
  return null;
}
