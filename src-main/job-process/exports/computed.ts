import { basename } from 'node:path';
import type { FileToWrite } from '../../base/folder.ts';
import { loadEngine } from '../../engines/load.ts';
import { exportGraph } from '../../exports/export-graph.ts';
import { GRAPH_WRITERS } from '../../exports/graph-writers.ts';
import type { Graph, GraphInput, GraphPrecision } from '../../exports/graph.ts';
import { recordInference } from '../../exports/recording.ts';
import type { EngineChoice } from '../../jobs/job-protocol.ts';
import type { ExportFormat } from '../../protocol/export-formats.ts';
import type { GraphFormat } from '../../protocol/graph-formats.ts';
import { describeNetwork, type NetworkToWrite } from '../../runs/export-network.ts';
import type { WeightsFormat } from '../../runs/export-writers.ts';
import { demoFile, demoFolder } from './demo.ts';

/** Exports of what a network computes. */

/** A network with its graph. */
export interface Computed {
  network: NetworkToWrite;
  graph: Graph;
}

/** Records a network. @throws StillhouseError `engine.*` */
export async function computedNetwork(network: NetworkToWrite, job: EngineChoice): Promise<Computed> {
  // A plugin records nothing: TensorFlow does, whatever computes.
  const engine = await loadEngine(job.engine, { threads: job.threads });
  const arrays = new Map(network.arrays.map((array) => [array.name, array]));
  const params = (name: string): Float32Array => {
    const { values } = arrays.get(name)!;
    return typeof values === 'function' ? values() : values;
  };
  const graph = exportGraph(recordInference(engine, network.model), params, { heads: network.heads });
  return { network, graph: { ...graph, mean: [...network.prepared.mean], std: [...network.prepared.std] } };
}

type Writer = (computed: Computed, stem: string, input: GraphInput | undefined) => FileToWrite[];

/** Lists the files of each format that is computed, the one that others open first. */
const WRITERS: Readonly<Record<Exclude<ExportFormat, WeightsFormat>, Writer>> = {
  onnx: graphFiles('onnx', 'float32', 'pixel_values'),
  'onnx-float16': graphFiles('onnx', 'float16', 'pixel_values'),
  'onnx-int8': graphFiles('onnx', 'int8', 'pixel_values'),
  'saved-model': graphFiles('saved-model', 'float32', 'images'),
  tfjs: graphFiles('tfjs', 'float32', 'pixel_values'),
  'tfjs-float16': graphFiles('tfjs', 'float16', 'pixel_values'),
  demo: ({ network, graph }, stem) => [demoFile(network, graph, `${stem}.html`)],
  'demo-folder': ({ network, graph }) => demoFolder(network, graph),
};

/** Lists the files of an export at a path. @throws StillhouseError `export.*` */
export function computedFiles(
  computed: Computed,
  format: Exclude<ExportFormat, WeightsFormat>,
  path: string,
  input?: GraphInput,
): FileToWrite[] {
  return WRITERS[format](computed, basename(path).replace(/\.(onnx|html)$/i, ''), input);
}

function graphFiles(format: GraphFormat, precision: GraphPrecision, usual: GraphInput): Writer {
  return ({ network, graph }, name, input = usual) =>
    GRAPH_WRITERS[format](graph, { precision, input, metadata: textsOf(network), name });
}

/** Facts as a safetensors header has them. */
function textsOf(network: NetworkToWrite): Record<string, string> {
  const facts = Object.entries(describeNetwork(network));
  return Object.fromEntries(facts.map(([key, fact]) => [key, typeof fact === 'string' ? fact : JSON.stringify(fact)]));
}

/** Names by which transformers.js finds a network of each precision. */
const HUB_NAMES = { float32: 'model', float16: 'model_fp16', int8: 'model_quantized' } as const;

/** Lists the ONNX files of a Hugging Face folder. */
export function hubGraphs(computed: Computed): FileToWrite[] {
  const graph = { ...computed, graph: { ...computed.graph, outputs: computed.graph.outputs.slice(0, 1) } };
  return (Object.keys(HUB_NAMES) as GraphPrecision[]).flatMap((precision) => {
    const files = graphFiles('onnx', precision, 'pixel_values')(graph, HUB_NAMES[precision], undefined);
    return files.map((file) => ({ ...file, name: `onnx/${file.name}` }));
  });
}
