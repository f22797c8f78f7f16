import { ProtoReader, type ProtoField } from './protobuf-reader.ts';
import type { ByteSource } from './source.ts';
import type { TensorInterface } from './tensor-interface.ts';

/** What an ONNX file says of itself; its weights are not read. Field numbers are those of onnx.proto. */
export interface OnnxHeader {
  /** Name of the graph, '' where it has none. */
  name: string;
  inputs: TensorInterface[];
  outputs: TensorInterface[];
  /** Texts that whoever exported it put there. */
  metadata: Record<string, string>;
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

/** @throws StillhouseError `teacher.format` when it is no ONNX model, or damaged. */
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
  if (!graph) throw reader.bad('it is not an ONNX model: it has no graph');
  return { ...graph, metadata };
}

function readGraph(reader: ProtoReader, graph: ProtoField): Omit<OnnxHeader, 'metadata'> {
  const [inputs, outputs]: TensorInterface[][] = [[], []];
  const weights = new Set<string>();
  let [name, nodes] = ['', 0];
  for (const field of reader.fields(graph)) {
    if (field.number === GRAPH.node) nodes++;
    else if (field.number === GRAPH.name) name = reader.text(field);
    else if (field.number === GRAPH.initializer) weights.add(texts(reader, field, [8])[0]);
    else if (field.number === GRAPH.input) inputs.push(readValue(reader, field));
    else if (field.number === GRAPH.output) outputs.push(readValue(reader, field));
  }
  if (nodes === 0) throw reader.bad('it is not an ONNX model: its graph is empty');
  // Old files list their weights among the inputs.
  return { name, inputs: inputs.filter((input) => !weights.has(input.name)), outputs };
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
