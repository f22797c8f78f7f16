import { GraphOps } from './graph-ops.ts';
import type { GraphScope, GraphSketch } from './graph-sketch.ts';
import { scope, sketchGraph } from './tensorflow-sketch.ts';
import { ProtoReader, type ProtoField } from './protobuf-reader.ts';
import type { ByteSource } from './source.ts';
import type { TensorInterface } from './tensor-interface.ts';
import { reason } from '../protocol/reasons.ts';

/** Facts that `saved_model.pb` states about the graph that it holds for serving. */
export interface SavedModelHeader {
  signatures: Map<string, Signature>;
  sketch: GraphSketch;
  /** Names of operations that can run when it is loaded, or when the signature is asked. */
  opsOf(signature: Signature): Set<string>;
}

/** Named inputs and outputs of a graph. `tensor` is what the graph calls them: `serving_default_images:0`. */
export interface Signature {
  inputs: SignatureTensor[];
  outputs: SignatureTensor[];
}

export interface SignatureTensor extends TensorInterface {
  tensor: string;
}

// Field numbers of saved_model.proto, meta_graph.proto and saver.proto.
const SAVED = { metaGraph: 2 };
const META = { info: 1, graph: 2, saver: 3, collection: 4, signature: 5, tag: 4 };
/** A signature that runs when the model is loaded. */
const INIT = '__saved_model_init_op';

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

/**
 * Reads the signatures of a SavedModel and its operations; variables are skipped.
 * @throws StillhouseError `teacher.format` when it is no SavedModel for serving, or damaged.
 */
export function readSavedModelHeader(source: ByteSource, path: string): SavedModelHeader {
  const reader = new ProtoReader(source, path);
  const tags: string[] = [];
  for (const field of reader.whole()) {
    if (field.number !== SAVED.metaGraph) continue;
    const found = tagsOf(reader, field);
    if (found.includes('serve')) return readMetaGraph(reader, field);
    tags.push(found.join('+'));
  }
  const has =
    tags.length > 0 ? reason('saved-model.graphs', { tags: tags.join(', ') }) : reason('saved-model.no-graph');
  throw reader.bad(reason('saved-model.not-serving', { has }));
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
  const signatures = new Map<string, Signature>();
  const graph = new GraphOps();
  const sketch = { main: scope(), functions: new Map<string, GraphScope>() };
  const atLoad: string[] = [];
  for (const field of reader.fields(metaGraph)) {
    if (field.number === META.graph) {
      graph.add(reader, field);
      sketchGraph(reader, field, sketch);
    }
    if (field.number === META.saver) atLoad.push(...textsIn(reader, field, [3]));
    // MainOp of TensorFlow 1: any collection may name it.
    if (field.number === META.collection) atLoad.push(...collected(reader, field));
    if (field.number !== META.signature) continue;
    let [name, signature]: [string, Signature] = ['', { inputs: [], outputs: [] }];
    for (const entry of reader.fields(field)) {
      if (entry.number === 1) name = reader.text(entry);
      if (entry.number === 2) signature = readSignature(reader, entry);
    }
    signatures.set(name, signature);
  }
  const init = signatures.get(INIT)?.outputs ?? [];
  signatures.delete(INIT);
  return {
    signatures,
    sketch,
    opsOf: ({ outputs }) => graph.reachedFrom([...atLoad, ...[...init, ...outputs].map(({ tensor }) => tensor)]),
  };
}

/** The names in a collection: CollectionDef (2) with a list of nodes (1). */
function collected(reader: ProtoReader, entry: ProtoField): string[] {
  const names: string[] = [];
  for (const part of reader.fields(entry)) {
    if (part.number !== 2) continue;
    for (const list of reader.fields(part)) if (list.number === 1) names.push(...textsIn(reader, list, [1]));
  }
  return names;
}

function textsIn(reader: ProtoReader, message: ProtoField, numbers: number[]): string[] {
  const found: string[] = [];
  for (const field of reader.fields(message)) if (numbers.includes(field.number)) found.push(reader.text(field));
  return found;
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
