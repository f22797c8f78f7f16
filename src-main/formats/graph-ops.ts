import type { ProtoField, ProtoReader } from './protobuf-reader.ts';

/**
 * Says which operations of a TensorFlow graph can run for a few of its nodes: those that they depend on, and everything
 * inside the functions that are called on the way. Field numbers are those of graph.proto, node_def.proto,
 * attr_value.proto and function.proto.
 */
export class GraphOps {
  private readonly nodes = new Map<string, Node>();
  private readonly functions = new Map<string, Node[]>();

  /** Adds the nodes and functions of a GraphDef. @throws StillhouseError `teacher.format` */
  add(reader: ProtoReader, graph: ProtoField): void {
    for (const field of reader.fields(graph)) {
      if (field.number === 1) {
        const node = readNode(reader, field);
        this.nodes.set(node.name, node);
      }
      if (field.number !== 2) continue;
      for (const definition of reader.fields(field)) if (definition.number === 1) this.addFunction(reader, definition);
    }
  }

  /** Names of operations that can run when the nodes are asked for; tensors (`name:0`) are accepted too. */
  reachedFrom(names: readonly string[]): Set<string> {
    const ops = new Set<string>();
    const seen = new Set<string>();
    const called = new Set<string>();
    const waiting = [...names];
    while (waiting.length > 0) {
      const name = nodeName(waiting.pop()!);
      const node = this.nodes.get(name);
      if (!node || seen.has(name)) continue;
      seen.add(name);
      this.enter(node, ops, called);
      for (const input of node.inputs) waiting.push(input);
    }
    return ops;
  }

  private enter(first: Node, ops: Set<string>, called: Set<string>): void {
    const waiting = [first];
    while (waiting.length > 0) {
      const node = waiting.pop()!;
      ops.add(node.op);
      for (const name of [node.op, ...node.functions]) {
        if (called.has(name)) continue;
        called.add(name);
        for (const inner of this.functions.get(name) ?? []) waiting.push(inner);
      }
    }
  }

  private addFunction(reader: ProtoReader, definition: ProtoField): void {
    let name = '';
    const nodes: Node[] = [];
    for (const field of reader.fields(definition)) {
      if (field.number === 1) name = firstText(reader, field);
      if (field.number === 3) nodes.push(readNode(reader, field));
    }
    this.functions.set(name, nodes);
  }
}

interface Node {
  name: string;
  op: string;
  inputs: string[];
  /** Functions that its attributes name. */
  functions: string[];
}

/** `^name`, `name:1` and `name` → `name`. */
function nodeName(reference: string): string {
  return reference.replace(/^\^/, '').replace(/:\d+$/, '');
}

function readNode(reader: ProtoReader, message: ProtoField): Node {
  const node: Node = { name: '', op: '', inputs: [], functions: [] };
  for (const field of reader.fields(message)) {
    if (field.number === 1) node.name = reader.text(field);
    if (field.number === 2) node.op = reader.text(field);
    if (field.number === 3) node.inputs.push(reader.text(field));
    if (field.number !== 5) continue;
    for (const entry of reader.fields(field)) if (entry.number === 2) addFunctions(reader, entry, node.functions);
  }
  return node;
}

/** AttrValue: a function is field 10, a list 1 has functions as its field 9. */
function addFunctions(reader: ProtoReader, value: ProtoField, functions: string[]): void {
  for (const field of reader.fields(value)) {
    if (field.number === 10) functions.push(firstText(reader, field));
    if (field.number !== 1) continue;
    for (const part of reader.fields(field)) if (part.number === 9) functions.push(firstText(reader, part));
  }
}

function firstText(reader: ProtoReader, message: ProtoField): string {
  for (const field of reader.fields(message)) if (field.number === 1) return reader.text(field);
  return '';
}
