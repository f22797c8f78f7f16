import type { GraphScope, SketchNode, TensorRef } from './graph-sketch.ts';
import type { ProtoField, ProtoReader } from './protobuf-reader.ts';

/** Sketches a graph of TensorFlow. Field numbers are those of graph.proto, node_def.proto, function.proto, tensor.proto. */

export function scope(): GraphScope {
  return { makers: new Map(), nodes: [], args: [], returns: [] };
}

/** Adds the nodes and functions of a GraphDef. @throws StillhouseError `teacher.format` */
export function sketchGraph(
  reader: ProtoReader,
  graph: ProtoField,
  { main, functions }: { main: GraphScope; functions: Map<string, GraphScope> },
): void {
  for (const field of reader.fields(graph)) {
    if (field.number === 1) addNode(reader, field, main);
    if (field.number !== 2) continue;
    for (const definition of reader.fields(field)) {
      if (definition.number !== 1) continue;
      const { name, body } = readFunction(reader, definition);
      functions.set(name, body);
    }
  }
}

/** FunctionDef: signature 1 with name 1, arguments 2 and outputs 3; nodes 3; which tensor each output is 4. */
function readFunction(reader: ProtoReader, definition: ProtoField): { name: string; body: GraphScope } {
  const body = scope();
  const returned = new Map<string, TensorRef>();
  const outputs: string[] = [];
  let name = '';
  for (const field of reader.fields(definition)) {
    if (field.number === 3) addNode(reader, field, body);
    if (field.number === 4) returned.set(textOf(reader, field, 1), reference(textOf(reader, field, 2)));
    if (field.number !== 1) continue;
    for (const part of reader.fields(field)) {
      if (part.number === 1) name = reader.text(part);
      if (part.number === 2) body.args.push(textOf(reader, part, 1));
      if (part.number === 3) outputs.push(textOf(reader, part, 1));
    }
  }
  body.returns = outputs.map((output) => returned.get(output) ?? { name: '', index: 0 });
  return { name, body };
}

function addNode(reader: ProtoReader, message: ProtoField, into: GraphScope): void {
  const node: SketchNode = { op: '', inputs: [], outputs: [], calls: null, value: null };
  for (const field of reader.fields(message)) {
    if (field.number === 1) node.outputs.push(reader.text(field));
    if (field.number === 2) node.op = reader.text(field);
    if (field.number === 3) {
      const input = reader.text(field);
      if (!input.startsWith('^')) node.inputs.push(reference(input));
    }
    if (field.number === 5) readAttribute(reader, field, node);
  }
  into.nodes.push(node);
  into.makers.set(node.outputs[0] ?? '', node);
}

/** Reads a reference to an output: `name`, `name:1` and, inside a function, `name:output:1`. */
export function reference(text: string): TensorRef {
  const [name, ...rest] = text.split(':');
  return { name, index: Number(rest.at(-1) ?? 0) || 0 };
}

/** An entry of a map: key 1, AttrValue 2, whose field 8 is a tensor and 10 a function. */
function readAttribute(reader: ProtoReader, entry: ProtoField, node: SketchNode): void {
  for (const field of reader.fields(entry)) {
    if (field.number !== 2) continue;
    for (const part of reader.fields(field)) {
      if (part.number === 8 && part.isBytes) node.value = readTensor(reader, part);
      if (part.number === 10) node.calls = textOf(reader, part, 1);
    }
  }
}

const FLOAT32 = 1;
const FLOAT64 = 2;
/** Bytes of a constant that is read: one number for each of a few channels. */
const MOST_CONSTANT = 128;

/** TensorProto: type 1, bytes 4, floats 5, doubles 6. */
function readTensor(reader: ProtoReader, message: ProtoField): number[] | null {
  let type = 0;
  let [content, listed]: [ProtoField | null, number[]] = [null, []];
  for (const field of reader.fields(message)) {
    if (field.number === 1) type = field.value;
    if (field.number === 4) content = field;
    if (field.number !== 5 && field.number !== 6) continue;
    if (field.isBytes && field.length > MOST_CONSTANT) return null;
    const size = field.number === 5 ? 4 : 8;
    listed = [...listed, ...numbersOf(reader.bytes(field, size), size)].slice(0, MOST_CONSTANT);
  }
  const size = type === FLOAT32 ? 4 : type === FLOAT64 ? 8 : 0;
  if (size === 0 || (content?.length ?? 0) > MOST_CONSTANT) return null;
  if (content && content.length > 0) return content.length % size === 0 ? numbersOf(reader.bytes(content), size) : null;
  return listed.length > 0 ? listed : null;
}

function numbersOf(bytes: Uint8Array, size: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, at) =>
    size === 4 ? view.getFloat32(4 * at, true) : view.getFloat64(8 * at, true),
  );
}

function textOf(reader: ProtoReader, message: ProtoField, number: number): string {
  for (const field of reader.fields(message)) if (field.number === number) return reader.text(field);
  return '';
}
