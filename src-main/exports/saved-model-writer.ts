import { shapeSize } from '../base/shape-size.ts';
import { Message } from '../formats/protobuf-writer.ts';
import { StillhouseError } from '../protocol/errors.ts';
import { bytesOf } from './arrays.ts';
import type { Graph, GraphFile, WriteOptions } from './graph.ts';
import { graphFacts, jsonFile } from './graph-facts.ts';
import { addInference, sidesOf, TENSORFLOW_TYPES, TensorFlowGraph } from './tensorflow-nodes.ts';
import type { TensorFlowAttr, TensorFlowNode, TensorFlowSignature, TensorFlowValue } from './tensorflow-nodes.ts';

/** Field numbers are those of TensorFlow's saved_model.proto, meta_graph.proto, graph.proto and attr_value.proto. */

/** A message holds less than 2 GiB, and there are no variables beside it. */
const MOST_BYTES = 2 ** 31 - 2 ** 20;
/** The version of graphs that TensorFlow 2.21 makes, and the least that reads them. */
const [PRODUCER, MIN_CONSUMER] = [2304, 12];

/**
 * Writes a graph as SavedModel of constants: `serving_default` as the options say, and the other input as a signature of
 * its own, `normalised` or `images`. `assets.extra`, which loaders leave alone, holds the metadata.
 * @throws StillhouseError `export.large` where it does not fit
 */
export function writeSavedModel(graph: Graph, options: WriteOptions): GraphFile[] {
  const { input } = options;
  const nodes = new TensorFlowGraph({ divideGroups: false });
  const other = input === 'images' ? 'pixel_values' : 'images';
  const signatures: [string, TensorFlowSignature][] = [
    ['serving_default', addInference(nodes, graph, input, '')],
    [other === 'images' ? 'images' : 'normalised', addInference(nodes, graph, other, 'second/')],
  ];
  const meta = new Message().message(1, new Message().text(4, 'serve').text(5, '2.21.0'));
  meta.message(2, graphMessage(nodes.nodes));
  for (const [name, signature] of signatures)
    meta.message(5, new Message().text(1, name).message(2, signatureMessage(signature, graph.classes)));
  const model = new Message().integer(1, 1).message(2, meta);
  if (model.size > MOST_BYTES) throw new StillhouseError('export.large', { bytes: model.size, most: MOST_BYTES });
  return [
    { name: 'saved_model.pb', bytes: model.size, chunks: () => model.chunks() },
    jsonFile('assets.extra/stillhouse.json', graphFacts(graph, options)),
  ];
}

function graphMessage(nodes: readonly TensorFlowNode[]): Message {
  const graph = new Message();
  for (const node of nodes) graph.message(1, nodeMessage(node));
  return graph.message(4, new Message().integer(1, PRODUCER).integer(2, MIN_CONSUMER));
}

function nodeMessage({ name, op, inputs, attrs, value }: TensorFlowNode): Message {
  const node = new Message().text(1, name).text(2, op);
  for (const input of inputs) node.text(3, input);
  for (const [key, attr] of Object.entries(attrs))
    node.message(5, new Message().text(1, key).message(2, attrMessage(attr)));
  if (value) node.message(5, new Message().text(1, 'value').message(2, new Message().message(8, tensorMessage(value))));
  return node;
}

function attrMessage(attr: TensorFlowAttr): Message {
  const message = new Message();
  if ('type' in attr) return message.integer(6, TENSORFLOW_TYPES[attr.type].code);
  if ('int' in attr) return message.integer(3, attr.int);
  if ('bool' in attr) return message.integer(5, Number(attr.bool));
  if ('text' in attr) return message.text(2, attr.text);
  if ('shape' in attr) return message.message(7, shapeMessage(attr.shape));
  return message.message(1, new Message().packed(3, attr.ints));
}

function tensorMessage({ dtype, shape, values }: TensorFlowValue): Message {
  const bytes = { size: shapeSize(shape) * TENSORFLOW_TYPES[dtype].bytes, read: () => bytesOf(values()) };
  return new Message().integer(1, TENSORFLOW_TYPES[dtype].code).message(2, shapeMessage(shape)).bytes(4, bytes);
}

function shapeMessage(sides: readonly number[]): Message {
  const shape = new Message();
  for (const side of sides) shape.message(2, new Message().integer(1, side));
  return shape;
}

function signatureMessage({ input, outputs }: TensorFlowSignature, classes: number): Message {
  const info = (tensor: string, type: number, shape: number[]): Message =>
    new Message().text(1, tensor).integer(2, type).message(3, shapeMessage(shape));
  const entry = (key: string, value: Message): Message => new Message().text(1, key).message(2, value);
  const taken = info(input.tensor, TENSORFLOW_TYPES[input.dtype].code, sidesOf(input.shape));
  const signature = new Message().message(1, entry(input.name, taken));
  for (const { name, tensor } of outputs)
    signature.message(2, entry(name, info(tensor, TENSORFLOW_TYPES.float32.code, [-1, classes])));
  return signature.text(3, 'tensorflow/serving/predict');
}
