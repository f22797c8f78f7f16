import { shapeSize } from '../base/shape-size.ts';
import { toHalf } from '../formats/half.ts';
import type { LateBytes } from '../formats/protobuf-writer.ts';
import { bytesOf } from './arrays.ts';
import type { Graph, GraphFile, WriteOptions } from './graph.ts';
import { graphFacts } from './graph-facts.ts';
import { withinHalf } from './onnx-builder.ts';
import { addInference, sidesOf, TENSORFLOW_TYPES, TensorFlowGraph } from './tensorflow-nodes.ts';
import type { TensorFlowAttr, TensorFlowNode, TensorFlowSignature, TensorFlowValue } from './tensorflow-nodes.ts';

const SHARD_BYTES = 4 << 20;

/**
 * Writes a graph as TF.js' graph model: `model.json` and weights in files of 4 MiB, which browsers keep. As halves they
 * take half the space, and are widened when they are read.
 * @throws StillhouseError `export.half` for a weight beyond the halves
 */
export function writeTfjs(graph: Graph, options: WriteOptions): GraphFile[] {
  const { input, precision } = options;
  const nodes = new TensorFlowGraph({ divideGroups: true });
  const signature = addInference(nodes, graph, input, '');
  const weights = nodes.nodes.flatMap((node) =>
    node.value ? [weightOf(node.name, node.value, precision === 'float16')] : [],
  );
  const total = weights.reduce((sum, { bytes }) => sum + bytes.size, 0);
  const count = Math.max(1, Math.ceil(total / SHARD_BYTES));
  const paths = Array.from({ length: count }, (_, at) => `group1-shard${at + 1}of${count}.bin`);
  const model = {
    ...{ format: 'graph-model', generatedBy: '2.21.0', convertedBy: 'stillhouse' },
    signature: signatureJson(signature, graph.classes),
    userDefinedMetadata: graphFacts(graph, options),
    modelTopology: { node: nodes.nodes.map(nodeJson), library: {}, versions: { producer: 2304 } },
    weightsManifest: [{ paths, weights: weights.map(({ entry }) => entry) }],
  };
  const json = Buffer.from(JSON.stringify(model));
  return [
    { name: 'model.json', bytes: json.length, chunks: () => [json] },
    ...paths.map((path, at) => {
      const [from, to] = [at * SHARD_BYTES, Math.min(total, (at + 1) * SHARD_BYTES)];
      return {
        name: path,
        bytes: to - from,
        chunks: () =>
          part(
            weights.map(({ bytes }) => bytes),
            from,
            to,
          ),
      };
    }),
  ];
}

/** The bytes from `from` to `to` of all that stand behind one another; only those that lie in it are made. */
function* part(all: readonly LateBytes[], from: number, to: number): Generator<Uint8Array> {
  let start = 0;
  for (const { size, read } of all) {
    const [begin, end] = [Math.max(from - start, 0), Math.min(to - start, size)];
    if (begin < end) yield read().subarray(begin, end);
    start += size;
  }
}

function weightOf(name: string, { dtype, shape, values }: TensorFlowValue, half: boolean) {
  const count = shapeSize(shape);
  const entry = { name, shape, dtype };
  if (!half || dtype !== 'float32' || shape.length === 0)
    return { entry, bytes: { size: count * TENSORFLOW_TYPES[dtype].bytes, read: () => bytesOf(values()) } };
  const read = () => bytesOf(toHalf(withinHalf(name, values() as Float32Array)));
  const quantization = { dtype: 'float16', original_dtype: 'float32' };
  return { entry: { ...entry, quantization }, bytes: { size: 2 * count, read } };
}

/** GraphDef as JSON writes protocol buffers: whole numbers as texts, bytes in base64. */
function nodeJson({ name, op, inputs, attrs, value }: TensorFlowNode) {
  const attr = Object.fromEntries(Object.entries(attrs).map(([key, one]) => [key, attrJson(one)]));
  if (value)
    attr.value = { tensor: { dtype: TENSORFLOW_TYPES[value.dtype].name, tensorShape: shapeJson(value.shape) } };
  return { name, op, ...(inputs.length > 0 && { input: inputs }), attr };
}

function attrJson(attr: TensorFlowAttr): object {
  if ('type' in attr) return { type: TENSORFLOW_TYPES[attr.type].name };
  if ('int' in attr) return { i: String(attr.int) };
  if ('bool' in attr) return { b: attr.bool };
  if ('text' in attr) return { s: Buffer.from(attr.text).toString('base64') };
  if ('shape' in attr) return { shape: shapeJson(attr.shape) };
  return { list: { i: attr.ints.map(String) } };
}

function shapeJson(sides: readonly number[]) {
  return { dim: sides.map((side) => ({ size: String(side) })) };
}

function signatureJson({ input, outputs }: TensorFlowSignature, classes: number) {
  const info = (name: string, dtype: string, sides: number[]) => ({ name, dtype, tensorShape: shapeJson(sides) });
  // TF.js has no bytes: they are int32 there.
  const type = input.dtype === 'uint8' ? 'DT_INT32' : 'DT_FLOAT';
  return {
    inputs: { [input.name]: info(input.tensor, type, sidesOf(input.shape)) },
    outputs: Object.fromEntries(outputs.map(({ name, tensor }) => [name, info(tensor, 'DT_FLOAT', [-1, classes])])),
  };
}
