import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportGraph } from '../../src-main/exports/export-graph.ts';
import { GRAPH_WRITERS } from '../../src-main/exports/graph-writers.ts';
import type { GraphFile, WriteOptions } from '../../src-main/exports/graph.ts';
import type { Recording } from '../../src-main/exports/recording.ts';
import { writeSafetensors } from '../../src-main/formats/safetensors.ts';
import type { ExportCheck } from '../../src-main/protocol/export.ts';
import { GRAPH_FORMATS, type GraphFormat } from '../../src-main/protocol/graph-formats.ts';
import { engineFolder } from '../../src-main/runs/places.ts';
import { contentOf, exportedParams } from '../helpers/exported-networks.ts';
import { jobBundle, jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { ownPlaces } from '../helpers/workstation.ts';

const { root } = ownPlaces(false);
const data = makeTinyData(join(root, 'data'));
const { createModel, loadEngine, recordInference } = await jobBundle();
const engine = await loadEngine(engineFolder(), { threads: 2 });
const model = createModel('test_deit_distilled_patch16_32', { classes: 3, inputSize: 32 });
const params = exportedParams(model);
const classes = readdirSync(join(data, 'train')).sort();
const checkpoint = join(root, 'weights.safetensors');
/** Facts as an export of weights has them. */
const FACTS = {
  ...{ architecture: model.name, num_classes: '3', classes: JSON.stringify(classes), input_size: '[3, 32, 32]' },
  ...{ mean: JSON.stringify(model.mean), std: JSON.stringify(model.std), crop_pct: '0.875', interpolation: 'bicubic' },
};
let recording: Recording;

beforeAll(() => {
  recording = recordInference(engine, model);
  const arrays = model.specs.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const, values: params[name] }));
  writeFileSync(checkpoint, Buffer.concat([...writeSafetensors(arrays, FACTS)]));
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Writes an export into a folder of its own. @returns what others open */
function written(name: string, format: GraphFormat, more: Partial<WriteOptions> = {}, of = params): string {
  const graph = exportGraph(recording, (key) => of[key], { heads: 'mean' });
  const options: WriteOptions = { precision: 'float32', input: 'images', metadata: FACTS, ...more };
  return put(name, format, GRAPH_WRITERS[format](graph, options));
}

function put(name: string, format: GraphFormat, files: readonly GraphFile[]): string {
  for (const file of files) {
    mkdirSync(dirname(join(root, name, file.name)), { recursive: true });
    writeFileSync(join(root, name, file.name), contentOf(file));
  }
  return GRAPH_FORMATS[format].ending === null ? join(root, name) : join(root, name, files[0].name);
}

async function checked(path: string, of = checkpoint): Promise<ExportCheck> {
  const job = {
    kind: 'check-export',
    engine: engineFolder(),
    path,
    checkpoint: of,
    average: false,
    images: 7,
  } as const;
  const found = await jobHere({ ...job, settings: { dataPath: data } }).done;
  return found!;
}

test.each([
  ['onnx', 'float32', 'pixel_values', 'onnxruntime-node'],
  ['onnx', 'float16', 'images', 'onnxruntime-node'],
  ['saved-model', 'float32', 'images', 'TensorFlow 2'],
  ['tfjs', 'float32', 'pixel_values', 'TF.js 4'],
  ['tfjs', 'float16', 'images', 'TF.js 4'],
] as const)('%s of %s answers to %s as the checkpoint, in %s', async (format, precision, input, runtime) => {
  const check = await checked(written(`${format}-${precision}`, format, { precision, input }));
  expect(check.problems).toEqual([]);
  expect(check.runtime).toContain(runtime);
  for (const answers of [check.answers!, check.alone!]) {
    expect(answers).toMatchObject({ images: 7, agreement: 100 });
    expect(answers.max).toBeGreaterThan(0);
    expect(answers.max).toBeLessThan(precision === 'float16' ? 0.01 * answers.range! : 1e-4);
  }
  expect(check.latency.map(({ batch }) => batch)).toEqual([1, 32]);
  expect(check.preprocessing).toMatchObject({ inputSize: 32, cropRatio: 0.875 });
});

test.each([
  ['test_deit_distilled_patch16_32', 32, 64, 'onnx'],
  ['regnety_002', 40, 71, 'saved-model'],
] as const)('%s for images of %i × %i answers as the checkpoint', async (name, inputSize, inputWidth, format) => {
  const network = createModel(name, { classes: 3, inputSize, inputWidth });
  const values = exportedParams(network);
  const facts = { ...FACTS, architecture: name, input_size: JSON.stringify([3, inputSize, inputWidth]) };
  const arrays = network.specs.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const, values: values[name] }));
  const weights = join(root, `${name}.safetensors`);
  writeFileSync(weights, Buffer.concat([...writeSafetensors(arrays, facts)]));
  const graph = exportGraph(recordInference(engine, network), (key) => values[key], { heads: 'mean' });
  const path = put(name, format, GRAPH_WRITERS[format](graph, { precision: 'float32', input: 'images', metadata: facts })); // prettier-ignore
  for (const one of [path, weights]) {
    const check = await checked(one, weights);
    expect(check.problems).toEqual([]);
    expect(check.answers).toMatchObject({ images: 7, agreement: 100 });
    expect(check.preprocessing).toMatchObject({ inputSize, inputWidth });
  }
  expect((await checked(path, checkpoint)).problems.length).toBeGreaterThan(0);
});

test('int8 is judged by its decisions', async () => {
  const { answers, alone, problems, warnings } = await checked(written('int8', 'onnx', { precision: 'int8' }));
  for (const one of [answers!, alone!]) expect(one.max).toBeGreaterThan(1e-4);
  // By seven images one decision is more than a warning.
  const agree = Math.min(answers!.agreement, alone!.agreement) === 100;
  expect(problems.length > 0).toBe(!agree);
  expect(warnings).toEqual([]);
});

test('what is wrong with a file is found', async () => {
  const others = { ...params, 'head.bias': params['head.bias'].map((value) => value + 0.01) };
  const other = await checked(written('other', 'onnx', {}, others));
  expect(other.problems.map(({ code }) => code)).toEqual(['export.answers']);
  const words = await checked(
    written('words', 'tfjs', { metadata: { ...FACTS, classes: JSON.stringify(['a', 'b', 'c']) } }),
  );
  expect(words.problems.map(({ code, params }) => [code, params.what])).toEqual([['export.facts', 'classes']]);
  const cut = written('cut', 'onnx');
  writeFileSync(cut, 'no protocol buffer');
  expect((await checked(cut)).problems).toHaveLength(1);
  const empty = written('empty', 'tfjs');
  writeFileSync(join(empty, 'group1-shard1of1.bin'), '');
  expect((await checked(empty)).problems.map(({ code }) => code)).toEqual(['export.run']);
});
