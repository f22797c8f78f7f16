import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src-main/engines/engine.ts';
import type { GraphFile, GraphInput, WriteOptions } from '../../../src-main/exports/graph.ts';
import { writeSavedModel } from '../../../src-main/exports/saved-model-writer.ts';
import { writeTfjs } from '../../../src-main/exports/tfjs-writer.ts';
import { SavedModel } from '../../../src-main/runtime/saved-model.ts';
import { deciding } from '../../../src-main/train/metrics.ts';
import { relativeError, testEngine } from '../../helpers/engine.ts';
import * as networks from '../../helpers/exported-networks.ts';

const { NARROW } = networks;
let engine: Engine;
beforeAll(async () => {
  engine = await testEngine();
});

/** Recordings, weights and the engine's answers, which both readers are held against. */
const MADE = new Map<string, ReturnType<typeof make>>();

function made(name: string) {
  const found = MADE.get(name) ?? make(name);
  MADE.set(name, found);
  return found;
}

function make(name: string) {
  const network = networks.exportedNetwork(engine, NARROW[name]());
  const { model } = network.recording;
  const { inputSize, inputWidth = inputSize, classes, mean, std } = model;
  const answers = networks.answersOfEngine(engine, network);
  const expected = deciding('mean', answers, classes);
  const pixels = Uint8Array.from(answers.images, (value, at) => 255 * (value * std[at % 3] + mean[at % 3]));
  const whole = Float32Array.from(pixels, (value, at) => (value / 255 - mean[at % 3]) / std[at % 3]);
  return { network, model, ...answers, expected, pixels, whole, sides: [inputSize, inputWidth, 3] };
}

function folderOf(files: GraphFile[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-export-'));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file.name)), { recursive: true });
    writeFileSync(join(folder, file.name), networks.contentOf(file));
  }
  return folder;
}

describe("in TensorFlow's loader", () => {
  test.for(Object.keys(NARROW))('%s answers by both signatures as the engine, alone and in a batch', async (name) => {
    const one = made(name);
    const folder = folderOf(writeSavedModel(one.network.graph, networks.writeOptions({ input: 'images' })));
    const loaded = await SavedModel.load(engine.tensorflow, folder, 'second/pixel_values:0', 'second/logits:0');
    for (const size of [1, 3]) {
      const values = one.images.slice(0, (size * one.images.length) / 3);
      const answer = await loaded.run({ shape: [size, ...one.sides], dtype: 'float32', values });
      expect(answer.shape).toEqual([size, one.model.classes]);
      expect(
        relativeError(answer.values as Float32Array, one.expected.slice(0, size * one.model.classes)),
      ).toBeLessThan(1e-5);
    }
    const normalised = await loaded.run({ shape: [3, ...one.sides], dtype: 'float32', values: one.whole });
    loaded.dispose();
    const bytes = await SavedModel.load(engine.tensorflow, folder, 'images:0', 'logits:0');
    const answer = await bytes.run({ shape: [3, ...one.sides], dtype: 'uint8', values: one.pixels });
    bytes.dispose();
    expect(relativeError(answer.values as Float32Array, normalised.values as Float32Array)).toBeLessThan(1e-5);
  });
});

/** Reads a graph model out of memory, as a page would by its address. */
function readTfjs(files: GraphFile[]): Promise<Awaited<ReturnType<typeof loadGraphModel>>> {
  const { modelTopology, weightsManifest, signature, userDefinedMetadata } = JSON.parse(networks.contentOf(files[0]).toString()) as tf.io.ModelJSON; // prettier-ignore
  const bytes = Buffer.concat(files.slice(1).map(networks.contentOf));
  const weightData = new Uint8Array(bytes).buffer;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  return loadGraphModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData, signature, userDefinedMetadata }));
}

/** What TF.js answers to the first images, for each number of them. */
async function answersOfTfjs(
  one: ReturnType<typeof made>,
  input: GraphInput,
  sizes: readonly number[],
  more: Partial<WriteOptions> = {},
) {
  const files = writeTfjs(one.network.graph, networks.writeOptions({ input, ...more }));
  const model = await readTfjs(files);
  const answers: Float32Array[] = [];
  for (const size of sizes) {
    const shape = [size, ...one.sides];
    const count = (size * one.images.length) / 3;
    const given =
      input === 'images'
        ? tf.tensor(Int32Array.from(one.pixels.subarray(0, count)), shape, 'int32')
        : tf.tensor(one.images.slice(0, count), shape);
    const answer = model.execute({ [input]: given }, 'logits') as tf.Tensor;
    answers.push((await answer.data()) as Float32Array);
    for (const tensor of [given, answer]) tensor.dispose();
  }
  const { metadata } = model as unknown as { metadata: Record<string, string> };
  model.dispose();
  return { answers, metadata, files };
}

describe('in TF.js', () => {
  test.for(Object.keys(NARROW))('%s answers as the engine, alone and in a batch', async (name) => {
    const one = made(name);
    const { answers, metadata } = await answersOfTfjs(one, 'pixel_values', [1, 3]);
    expect(metadata.architecture).toBe(one.model.name);
    const [alone, batch] = answers;
    expect(relativeError(alone, one.expected.slice(0, one.model.classes))).toBeLessThan(1e-5);
    expect(relativeError(batch, one.expected)).toBeLessThan(1e-5);
  });

  test('takes pixels, and weights of half the bytes', async () => {
    const one = made('regnetx');
    const plain = await answersOfTfjs({ ...one, images: one.whole }, 'pixel_values', [3]);
    const pixels = await answersOfTfjs(one, 'images', [3]);
    expect(relativeError(pixels.answers[0], plain.answers[0])).toBeLessThan(1e-5);
    const half = await answersOfTfjs(one, 'images', [3], { precision: 'float16' });
    expect(relativeError(half.answers[0], plain.answers[0])).toBeLessThan(1e-2);
    const bytes = (files: GraphFile[]): number => files.slice(1).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(bytes(half.files)).toBeLessThan(0.51 * bytes(plain.files));
  });

  test('has its weights in shards', () => {
    const { graph } = networks.exportedNetwork(engine, networks.EXPORTED.regnetx());
    expect(writeTfjs(graph, networks.writeOptions({ input: 'pixel_values' })).length).toBeGreaterThan(2);
  });
});
