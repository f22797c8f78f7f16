import { ProtoReader, type ProtoField } from './protobuf-reader.ts';
import type { ByteSource } from './source.ts';
import type { TensorInterface } from './tensor-interface.ts';

/** What `saved_model.pb` says of the graph that it holds for serving. */
export interface SavedModelHeader {
  signatures: Map<string, Signature>;
  /** Every operation of the graph and of its functions, by name. */
  ops: Set<string>;
}

/** Named inputs and outputs of a graph. `tensor` is what the graph calls them: `serving_default_images:0`. */
export interface Signature {
  inputs: SignatureTensor[];
  outputs: SignatureTensor[];
}

export interface SignatureTensor extends TensorInterface {
  tensor: string;
}

// Field numbers of saved_model.proto, meta_graph.proto, graph.proto and function.proto.
const SAVED = { metaGraph: 2 };
const META = { info: 1, graph: 2, signature: 5, tag: 4 };
const GRAPH = { node: 1, library: 2 };

/** DataType of types.proto. */
const TYPES: Record<number, string> = {
  1: 'float32',
  2: 'float64',
  3: 'int32',
  4: 'uint8',
  7: 'string',
  9: 'int64',
  10: 'bool',
  14: 'bfloat16',
  19: 'float16',
};

/** @throws StillhouseError `teacher.format` when it is no SavedModel for serving, or damaged. */
export function readSavedModelHeader(source: ByteSource, path: string): SavedModelHeader {
  const reader = new ProtoReader(source, path);
  const tags: string[] = [];
  for (const field of reader.whole()) {
    if (field.number !== SAVED.metaGraph) continue;
    const found = tagsOf(reader, field);
    if (found.includes('serve')) return readMetaGraph(reader, field);
    tags.push(found.join('+'));
  }
  const has = tags.length > 0 ? `it has graphs for ${tags.join(', ')} alone` : 'it has no graph';
  throw reader.bad(`it is not a SavedModel for serving: ${has}`);
}

function tagsOf(reader: ProtoReader, metaGraph: ProtoField): string[] {
  const tags: string[] = [];
  for (const field of reader.fields(metaGraph)) {
    if (field.number !== META.info) continue;
    for (const part of reader.fields(field)) if (part.number === META.tag) tags.push(reader.text(part));
  }
  return tags;
}

function readMetaGraph(reader: ProtoReader, metaGraph: ProtoField): SavedModelHeader {
  const header: SavedModelHeader = { signatures: new Map(), ops: new Set() };
  for (const field of reader.fields(metaGraph)) {
    if (field.number === META.graph) readGraph(reader, field, header.ops);
    if (field.number !== META.signature) continue;
    let [name, signature]: [string, Signature] = ['', { inputs: [], outputs: [] }];
    for (const entry of reader.fields(field)) {
      if (entry.number === 1) name = reader.text(entry);
      if (entry.number === 2) signature = readSignature(reader, entry);
    }
    header.signatures.set(name, signature);
  }
  return header;
}

function readGraph(reader: ProtoReader, graph: ProtoField, ops: Set<string>): void {
  for (const field of reader.fields(graph)) {
    if (field.number === GRAPH.node) addOp(reader, field, ops);
    if (field.number !== GRAPH.library) continue;
    for (const definition of reader.fields(field)) {
      if (definition.number !== 1) continue;
      // FunctionDef: its nodes are field 3.
      for (const part of reader.fields(definition)) if (part.number === 3) addOp(reader, part, ops);
    }
  }
}

/** NodeDef: the operation is field 2. */
function addOp(reader: ProtoReader, node: ProtoField, ops: Set<string>): void {
  for (const field of reader.fields(node)) if (field.number === 2) ops.add(reader.text(field));
}

function readSignature(reader: ProtoReader, message: ProtoField): Signature {
  const signature: Signature = { inputs: [], outputs: [] };
  for (const field of reader.fields(message)) {
    if (field.number === 1) signature.inputs.push(readTensor(reader, field));
    if (field.number === 2) signature.outputs.push(readTensor(reader, field));
  }
  return signature;
}

/** An entry of a map: key 1, TensorInfo 2 with name 1, type 2, shape 3. */
function readTensor(reader: ProtoReader, entry: ProtoField): SignatureTensor {
  const read: SignatureTensor = { name: '', tensor: '', dtype: 'no type', shape: null };
  for (const field of reader.fields(entry)) {
    if (field.number === 1) read.name = reader.text(field);
    if (field.number !== 2) continue;
    for (const part of reader.fields(field)) {
      if (part.number === 1) read.tensor = reader.text(part);
      if (part.number === 2) read.dtype = TYPES[part.value] ?? `type ${part.value}`;
      if (part.number === 3) read.shape = readShape(reader, part);
    }
  }
  return read;
}

/** TensorShapeProto: dimensions 2 with length 1 (−1: any), 3 says that even the rank is unknown. */
function readShape(reader: ProtoReader, message: ProtoField): (number | null)[] | null {
  const sides: (number | null)[] = [];
  for (const field of reader.fields(message)) {
    if (field.number === 3 && field.value !== 0) return null;
    if (field.number !== 2) continue;
    let length = 0;
    for (const part of reader.fields(field)) if (part.number === 1) length = part.value;
    sides.push(length > 0 ? length : null);
  }
  return sides;
}
