import { exportGraph } from '../../src-main/exports/export-graph.ts';
import type { Graph, GraphFile, GraphOptions, WriteOptions } from '../../src-main/exports/graph.ts';
import { recordInference, type Recording } from '../../src-main/exports/recording.ts';
import { transformer } from '../../src-main/model/deit.ts';
import { efficientNet } from '../../src-main/model/efficientnet.ts';
import type { Model, ModelOptions, Network } from '../../src-main/model/model.ts';
import { regNet } from '../../src-main/model/regnet.ts';
import { resNet } from '../../src-main/model/resnet.ts';
import { createModel } from '../../src-main/model/zoo.ts';
import type { Engine } from '../../src-main/engines/engine.ts';
import { interpret } from '../../src-main/engines/tensorflow/interpret.ts';
import { images, parameterValues } from './generated.ts';

/** A network of each family at a size that is exported in a moment, with weights that are not trivial. */
export const EXPORTED: Record<string, () => Model> = {
  deit: () => createModel('test_deit_patch16_32', { classes: 5, inputSize: 32 }),
  distilled: () => createModel('test_deit_distilled_patch16_32', { classes: 5, inputSize: 32 }),
  wide: () => createModel('test_deit_distilled_patch16_32', { classes: 1, inputSize: 32, inputWidth: 64 }),
  deit3: () => {
    const base = createModel('test_deit_patch16_32', { classes: 7, inputSize: 32 });
    const shape = { patch: 16, dim: 32, depth: 2, heads: 2, layerScale: 1e-6 };
    return { ...base, ...transformer(shape, { classes: 7, inputSize: 32 }), distilled: false };
  },
  vit: () => createModel('vit_tiny_patch16_224', { classes: 3, inputSize: 32 }),
  resnet: () => createModel('resnet18', { classes: 4, inputSize: 64 }),
  regnety: () => createModel('regnety_002', { classes: 4, inputSize: 64 }),
  regnetx: () => createModel('regnetx_002', { classes: 4, inputSize: 64 }),
  efficientnet: () => createModel('efficientnet_b0', { classes: 4, inputSize: 64 }),
  'tf-efficientnet': () => createModel('tf_efficientnet_b0', { classes: 4, inputSize: 70 }),
  'wide-regnety': () => createModel('regnety_002', { classes: 3, inputSize: 96, inputWidth: 45 }),
  'wide-tf-efficientnet': () => createModel('tf_efficientnet_b0', { classes: 4, inputSize: 50, inputWidth: 77 }),
  lite: () => createModel('efficientnet_lite0', { classes: 4, inputSize: 64 }),
};

/** Networks of the same families with few channels and blocks, for whatever a real width would prove no better. */
export const NARROW: Record<string, () => Model> = {
  ...EXPORTED,
  vit: () => narrowed(EXPORTED.vit(), (options) => transformer({ patch: 16, dim: 32, depth: 2, heads: 2 }, options)),
  resnet: () => narrowed(EXPORTED.resnet(), (options) => resNet({ stages: [1, 1, 0, 0] }, options)),
  ...Object.fromEntries(
    ['regnety', 'regnetx', 'wide-regnety'].map((name) => {
      const shape = { depth: 4, initial: 16, slope: 12, multiplier: 2, group: 8, squeeze: name !== 'regnetx' };
      return [name, () => narrowed(EXPORTED[name](), (options) => regNet(shape, options))];
    }),
  ),
  ...Object.fromEntries(
    ['efficientnet', 'tf-efficientnet', 'wide-tf-efficientnet', 'lite'].map((name) => {
      const kind = { lite: name === 'lite', tensorflow: name.includes('tf') };
      const shape = { width: 0.25, depth: 0.5, stages: 4, ...kind };
      return [name, () => narrowed(EXPORTED[name](), (options) => efficientNet(shape, options))];
    }),
  ),
};

function narrowed(model: Model, make: (options: ModelOptions) => Network): Model {
  const { classes, inputSize, inputWidth } = model;
  return { ...model, ...make({ classes, inputSize, inputWidth }) };
}

/** Returns values of every parameter. */
export function exportedParams(model: Model): Record<string, Float32Array> {
  return Object.fromEntries(model.specs.map((spec) => [spec.name, parameterValues(spec)]));
}

export interface ExportedNetwork {
  recording: Recording;
  params: Record<string, Float32Array>;
  graph: Graph;
}

export function exportedNetwork(
  engine: Engine,
  model: Model,
  options: GraphOptions = { heads: 'mean' },
): ExportedNetwork {
  const recording = recordInference(engine, model);
  const params = exportedParams(model);
  return { recording, params, graph: exportGraph(recording, (name) => params[name], options) };
}

/** Returns three images, normalised and channels-last, and what the engine itself answers to them by head. */
export function answersOfEngine(engine: Engine, { recording: { model, three }, params }: ExportedNetwork) {
  const { inputSize, inputWidth = inputSize } = model;
  const given = images(3, inputSize, inputWidth);
  const state = engine.newState();
  try {
    for (const { name, shape } of model.specs) state.set(name, shape, params[name]);
    const { head, headDist } = interpret(engine.tensorflow, three, state, { images: given }).outputs as Record<
      string,
      Float32Array
    >;
    return { images: given, head, headDist: headDist ?? null };
  } finally {
    state.dispose();
  }
}

/** Turns channels-last into channels-first. */
export function channelsFirst(values: Float32Array, count: number): Float32Array {
  const places = values.length / count / 3;
  return values.map((_, at) => {
    const [image, rest] = [Math.floor(at / (3 * places)), at % (3 * places)];
    return values[3 * (image * places + (rest % places)) + Math.floor(rest / places)];
  });
}

export function writeOptions(more: Partial<WriteOptions> = {}): WriteOptions {
  return { precision: 'float32', input: 'pixel_values', metadata: { epoch: '7' }, ...more };
}

/** Returns the bytes of a file, which are as many as it says. */
export function contentOf({ name, bytes, chunks }: GraphFile): Buffer {
  const content = Buffer.concat([...chunks()]);
  if (content.length !== bytes) throw new Error(`${name} says ${bytes} bytes and has ${content.length}`);
  return content;
}
