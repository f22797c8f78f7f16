import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../../engines/engine.ts';
import { StillhouseError, reasonOf } from '../../protocol/errors.ts';
import { RUNTIMES } from '../../protocol/version.ts';
import { SavedModel } from '../../runtime/saved-model.ts';
import type { EvalStep } from '../../train/step-types.ts';
import type { GraphExport } from '../../weights/graph-export.ts';
import { OnnxTeacher } from '../teacher/onnx-teacher.ts';

/** An export in the program that others run it with. It takes any number of images [B, H, W, 3] at a time. */
export interface GraphRunner extends EvalStep {
  /** The program with its version. */
  runtime: string;
  dispose(): Promise<void>;
}

/** Answers to images as the export wants them. */
interface Loaded {
  ask(images: Float32Array, count: number): Promise<{ values: Float32Array; shape: readonly number[] }>;
  close(): Promise<void>;
}

/** Loads an export into its runtime. @throws StillhouseError `export.run` */
export async function openGraph(engine: Engine, graph: GraphExport): Promise<GraphRunner> {
  const runtime = runtimeOf(engine, graph);
  const failed = (error: unknown): StillhouseError =>
    new StillhouseError(
      'export.run',
      { file: basename(graph.path), runtime, reason: reasonOf(error) },
      { cause: error },
    );
  const loaded = await LOADERS[graph.format](engine, graph).catch((error: unknown) => {
    throw failed(error);
  });
  return {
    runtime,
    run: async (pixels) => {
      const count = pixels.length / (3 * graph.input.height * graph.input.width);
      const { values, shape } = await loaded.ask(imagesFor(graph, pixels), count).catch((error: unknown) => {
        throw failed(error);
      });
      if (shape[0] !== count || shape.length !== 2) throw failed(new Error(`[${shape.join(', ')}]`));
      return { head: values, headDist: null };
    },
    dispose: () => loaded.close(),
  };
}

function runtimeOf({ tensorflow }: Engine, { format }: GraphExport): string {
  return format === 'saved-model' ? `TensorFlow ${tensorflow.version}` : RUNTIMES[format];
}

/** Bytes as they are, or normalised as the export says, in its order of axes. */
function imagesFor({ input, mean, std }: GraphExport, pixels: Uint8Array): Float32Array {
  if (input.dtype === 'uint8') return Float32Array.from(pixels);
  const normalised = Float32Array.from(pixels, (pixel, at) => (pixel / 255 - mean[at % 3]) / std[at % 3]);
  return input.layout === 'NHWC' ? normalised : channelsFirst(normalised, input.height * input.width);
}

function channelsFirst(values: Float32Array, places: number): Float32Array {
  const moved = new Float32Array(values.length);
  for (let at = 0; at < values.length; at++) {
    const [place, channel] = [Math.floor(at / 3), at % 3];
    const image = Math.floor(place / places);
    moved[(3 * image + channel) * places + (place % places)] = values[at];
  }
  return moved;
}

const LOADERS: Readonly<Record<GraphExport['format'], (engine: Engine, graph: GraphExport) => Promise<Loaded>>> = {
  async onnx({ threads }, { path, input, output }) {
    const { name: inputName, dtype: inputType, height, width } = input;
    const shape = input.layout === 'NCHW' ? [3, height, width] : [height, width, 3];
    const order = { path, threads, inputName, inputType, shape, outputName: output, batch: null };
    const session = await OnnxTeacher.open(order);
    return { ask: (images, count) => session.ask(images, count), close: () => session.close() };
  },
  async 'saved-model'({ tensorflow }, { path, input, output }) {
    const { name, dtype, height, width } = input;
    const model = await SavedModel.load(tensorflow, path, name, output);
    const ask: Loaded['ask'] = async (images, count) => {
      const values = dtype === 'uint8' ? Uint8Array.from(images) : images;
      const answer = await model.run({ shape: [count, height, width, 3], dtype, values });
      return { values: answer.values as Float32Array, shape: answer.shape };
    };
    return { ask, close: async () => model.dispose() };
  },
  // In TF.js' own executor, with the kernels of the engine, as tfjs-node has them.
  async tfjs(_, { path, input, output }) {
    const model = await loadGraphModel({ load: async () => readTfjs(path) });
    const ask: Loaded['ask'] = async (images, count) => {
      const shape = [count, input.height, input.width, 3];
      const fed = tf.tensor(input.dtype === 'uint8' ? Int32Array.from(images) : images, shape, input.dtype === 'uint8' ? 'int32' : 'float32'); // prettier-ignore
      const answer = model.execute({ [input.name]: fed }, output) as tf.Tensor;
      const values = (await answer.data()) as Float32Array;
      tf.dispose([fed, answer]);
      return { values, shape: answer.shape };
    };
    return { ask, close: async () => void model.dispose() };
  },
};

function readTfjs(path: string): tf.io.ModelArtifacts {
  const { modelTopology, weightsManifest, signature, userDefinedMetadata } = JSON.parse(readFileSync(join(path, 'model.json'), 'utf8')) as tf.io.ModelJSON; // prettier-ignore
  // Files of the folder alone, whatever it names.
  const names = weightsManifest.flatMap(({ paths }) => paths).map((name) => basename(name));
  const parts = names.map((name) => readFileSync(join(path, name)));
  const weightData = new Uint8Array(Buffer.concat(parts)).buffer;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  return { modelTopology, weightSpecs, weightData, signature, userDefinedMetadata };
}
