import { Message, type LateBytes } from '../formats/protobuf-writer.ts';
import { StillhouseError } from '../protocol/errors.ts';
import type { Graph, GraphFile, GraphInput, GraphNode, GraphPrecision, Side, WriteOptions } from './graph.ts';
import { graphFacts, jsonFile } from './graph-facts.ts';
import { ONNX_TYPES, OnnxBuilder } from './onnx-builder.ts';
import { ONNX_RULES, type OnnxRules, type OnnxScope } from './onnx-rules.ts';

/** What onnxruntime, TensorRT, OpenVINO and MIGraphX all take; the IR version is the lowest for it. */
const [IR_VERSION, OPSET] = [8, 17];
/** A message holds less than 2 GiB. timm leaves as much room. */
const EXTERNAL_BYTES = 2 ** 31 - 2 ** 27;

/**
 * Writes a graph as ONNX: the file, `<name>.onnx.data` beside it where its weights are too large for one message, and
 * the metadata as `<name>.onnx.json`, for runtimes that do not hand it out.
 * @throws StillhouseError `export.half` for a weight beyond the halves, `export.int8` for a convolutional network
 */
export function writeOnnx(graph: Graph, options: WriteOptions): GraphFile[] {
  const { precision, externalBytes = EXTERNAL_BYTES } = options;
  const metadata = graphFacts(graph, options);
  if (precision === 'int8' && !graph.transformer)
    throw new StillhouseError('export.int8', { model: graph.architecture });
  const build = new OnnxBuilder(precision === 'float16');
  const written = writeNodes(graph, build, options);
  const file = `${options.name ?? 'model'}.onnx`;
  const external = build.weightBytes() > externalBytes ? `${file}.data` : null;
  const message = new Message();
  const outside = build.write(message, graph.architecture, external);
  message.message(11, inputMessage(graph, options)).message(12, written[0]);
  for (const output of written.slice(1)) message.message(12, output);
  const model = modelMessage(message, metadata);
  return [
    { name: file, bytes: model.size, chunks: () => model.chunks() },
    ...(external === null ? [] : [dataFile(external, outside)]),
    jsonFile(`${file}.json`, metadata),
  ];
}

function dataFile(name: string, parts: LateBytes[]): GraphFile {
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  function* chunks(): Generator<Uint8Array> {
    for (const part of parts) yield part.read();
  }
  return { name, bytes, chunks };
}

function modelMessage(graph: Message, metadata: Record<string, string>): Message {
  const model = new Message().integer(1, IR_VERSION).text(2, 'stillhouse').message(7, graph);
  model.message(8, new Message().text(1, '').integer(2, OPSET));
  for (const [key, value] of Object.entries(metadata)) model.message(14, new Message().text(1, key).text(2, value));
  return model;
}

/** @returns the messages of the outputs. */
function writeNodes(graph: Graph, build: OnnxBuilder, { precision, input }: WriteOptions): Message[] {
  const names: string[] = [];
  const readers = graph.nodes.map(() => 0);
  for (const { inputs } of graph.nodes) for (const at of inputs) readers[at]++;
  const scope: OnnxScope = {
    ...{ graph, build },
    value: (at) => names[at],
    isReadOnce: (at) => readers[at] === 1,
    quantizer: precision === 'int8' ? new Map<string, string>() : null,
  };
  const rules: OnnxRules = { ...ONNX_RULES, Input: () => prepared(graph, build, input, precision) };
  const last = Math.max(...graph.heads);
  graph.nodes.forEach((node, at) => {
    const rule = rules[node.op] as (node: GraphNode, scope: OnnxScope, inputs: string[]) => string;
    names.push(rule(node, scope, node.inputs.map(scope.value)));
    if (at !== last || precision !== 'float16') return;
    // What decides is computed in float32.
    for (const head of graph.heads) names[head] = build.op('Cast', [names[head]], { to: { int: ONNX_TYPES.float32 } });
    build.half = false;
  });
  return graph.outputs.map(({ name, node }) => {
    build.op('Identity', [names[node]], {}, name);
    return valueMessage(name, ONNX_TYPES.float32, graph.nodes[node].shape);
  });
}

/** The images as the network sees them, channels first; what callers give stays float32 or uint8. */
function prepared(graph: Graph, build: OnnxBuilder, input: GraphInput, precision: GraphPrecision): string {
  const images = input === 'images' ? normalised(graph, build) : input;
  return precision === 'float16' ? build.op('Cast', [images], { to: { int: ONNX_TYPES.float16 } }) : images;
}

function normalised({ mean, std }: Graph, build: OnnxBuilder): string {
  const shape = [1, 3, 1, 1];
  const scale = { name: 'preprocess.scale', shape, values: () => Float32Array.from(std, (one) => 1 / (255 * one)) };
  const shift = { name: 'preprocess.shift', shape, values: () => Float32Array.from(std, (one, at) => -mean[at] / one) };
  const pixels = build.op('Cast', ['images'], { to: { int: ONNX_TYPES.float32 } });
  const first = build.op('Transpose', [pixels], { perm: { ints: [0, 3, 1, 2] } });
  return build.op('Add', [build.op('Mul', [first, build.float(scale)]), build.float(shift)]);
}

function inputMessage({ height, width }: Graph, { input }: WriteOptions): Message {
  return input === 'images'
    ? valueMessage(input, ONNX_TYPES.uint8, [null, height, width, 3])
    : valueMessage(input, ONNX_TYPES.float32, [null, 3, height, width]);
}

/** ValueInfoProto; the batch has a name in place of a length. */
function valueMessage(name: string, type: number, sides: readonly Side[]): Message {
  const shape = new Message();
  for (const side of sides)
    shape.message(1, side === null ? new Message().text(2, 'batch') : new Message().integer(1, side));
  const tensor = new Message().integer(1, type).message(2, shape);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}
